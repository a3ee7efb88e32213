"""Seconds from `bin/run` to the first page: on an empty data folder, and on the same one again."""

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from bench.figures import Options, Report, at_most
from yejibao import devserv

NEEDS_DATABASE = False
AIM_FIRST, AIM_AGAIN = 60, 10


def main(options: Options) -> Report:
    own = options.parse("startup", ("--no-demo", {"action": "store_true", "help": "without building the demo world"}))
    data = devserv.scratch_folder("bench-startup")
    shutil.rmtree(data, ignore_errors=True)
    extra = ["--no-demo"] if own.no_demo else []
    first = _seconds_to_page(data, extra)
    again = _seconds_to_page(data, extra)
    return Report(
        value=first, unit="s to the first page", limit=AIM_FIRST, limit_is="the aim for an empty data folder",
        goals=[at_most("first start", first, AIM_FIRST), at_most("second start", again, AIM_AGAIN)],
    )  # fmt: skip


def _seconds_to_page(data: object, extra: list[str]) -> float:
    port = _free_port()
    started = time.monotonic()
    command = [sys.executable, "manage.py", "run_product", "--port", str(port), "--data", str(data), *extra]
    product = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        while product.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                    return round(time.monotonic() - started, 1)
            except OSError:
                time.sleep(0.1)
        sys.exit("bin/run ended by itself")
    finally:
        product.send_signal(signal.SIGINT)
        product.wait(60)


def _free_port() -> int:
    """Return a port that is free and whose two neighbours, the stand-ins', are too."""
    while True:
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
                three.bind(("127.0.0.1", port + 2))
            except (OSError, OverflowError):
                continue
            return port
