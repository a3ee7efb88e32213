"""A house: one data folder, and what a process must know before Django reads its settings.

    <data>/postgres, s/, v/   the private servers (devserv)       <data>/logs/    a file per child of bin/run
    <data>/secrets.json       keys of this house, made once       <data>/media/   uploaded files
    <data>/clock.json         how far the demo's clock is ahead   <data>/house.json  what the running product decided

Standard library only. Everything is a default: a variable that is set already wins, and where DATABASE_URL and
REDIS_URL are set (production) this module does nothing but pass the arguments on.
"""

import argparse
import base64
import contextlib
import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import string
import sys
import time as _time
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from yejibao import devserv

STARTED = _time.monotonic()
asked_to_stop = False  # by a signal
looks_by_itself = False  # a loop reads `asked_to_stop` often, so that no signal has to break into it
SHANGHAI = ZoneInfo("Asia/Shanghai")
DEFAULT_PORT = 8000
# What the running product decides and bin/manage has to know.
NOTED = (
    "PUBLIC_BASE_URL", "MEDIA_ROOT", "STATIC_ROOT", "YEJIBAO_CLOCK_FILE", "WECOM_API_BASE", "WECOM_SANDBOX_CONTROL",
    "WECOM_OAUTH_BASE", "WECOM_CALLBACK_TOKEN", "WECOM_CALLBACK_AES_KEY", "WECOM_CALLBACK_CONTACTS_TOKEN",
    "WECOM_CALLBACK_CONTACTS_AES_KEY", "WECHATPAY_API_BASE", "WECHATPAY_SANDBOX_CONTROL", "WECHATPAY_KEYS_DIR",
)  # fmt: skip
# Commands that read no row: they start no servers.
WITHOUT_SERVERS = {
    "", "help", "version", "--help", "-h", "--version", "check_templates", "collectstatic", "compilemessages",
    "diffsettings", "findstatic", "makemessages", "spectacular",
}  # fmt: skip


def product_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of bin/run: read here before Django's settings, and by the command for its help."""
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="网页端口；沙箱用后面两个端口（默认 8000）")
    parser.add_argument("--host", default="127.0.0.1", help="监听地址（默认只限本机；0.0.0.0 可从手机访问）")
    parser.add_argument("--data", default="", metavar="DIR", help="数据目录（默认 .data）")
    parser.add_argument("--no-demo", action="store_true", help="数据库为空时不生成演示数据")


@contextlib.contextmanager
def opened(argv: list[str]) -> Iterator[list[str]]:
    """Prepare the environment for one management command, keep its servers up while it runs, yield the arguments."""
    signal.signal(signal.SIGTERM, _leave)  # so that the blocks around us end, and with them the servers
    argv, data = _take_data(argv)
    command = argv[1] if len(argv) > 1 else ""
    with contextlib.ExitStack() as stack:
        if command == "run_product" and not {"-h", "--help"} & set(argv):
            _prepare_product(argv, data, stack)
        elif os.environ.get("YEJIBAO_THROWAWAY"):
            _open(data, stack, servers=None if command in WITHOUT_SERVERS else devserv.throwaway())
        elif os.environ.get("YEJIBAO_ENV") != "production":
            _remember(data)
            _open(data, stack, servers=None if command in WITHOUT_SERVERS else devserv.Servers(data))
        yield argv


def write_notes(data: Path, notes: dict[str, str]) -> None:
    """Keep what the product decided (ports, addresses), so that bin/manage acts on the same house."""
    _write_private(data / "house.json", notes)


def demo_offset(real_now: datetime, offset: timedelta) -> timedelta:
    """Return how far the demo's clock is to be ahead so that it is always daytime there; never less than `offset`.

    Within 09:40-20:30 Shanghai time nothing changes; outside, the clock jumps to the next 10:10 that comes.
    """
    demo_now = (real_now + offset).astimezone(SHANGHAI)
    if time(9, 40) <= demo_now.time() < time(20, 30):
        return offset
    morning = datetime.combine(demo_now.date(), time(10, 10), SHANGHAI)
    if morning <= demo_now:
        morning += timedelta(days=1)
    return offset + (morning - demo_now)


# ---------------------------------------------------------------- the parts


def _take_data(argv: list[str]) -> tuple[list[str], Path]:
    """Split `--data DIR` off: before the command, or anywhere after run_product. Else YEJIBAO_DATA, else .data."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--data", default=os.environ.get("YEJIBAO_DATA") or "")
    rest = argv[1:]
    leading = 0 if not rest or not rest[0].startswith("--data") else 1 if rest[0].startswith("--data=") else 2
    if rest[leading : leading + 1] == ["run_product"]:
        leading = len(rest)
    known, before = parser.parse_known_args(rest[:leading])
    rest = before + rest[leading:]
    data = Path(known.data).expanduser() if known.data else devserv.CHECKOUT / ".data"
    return [argv[0], *rest], data.resolve()


def _open(data: Path, stack: contextlib.ExitStack, *, servers: devserv.Servers | None) -> None:
    """Point DATABASE_URL and REDIS_URL at servers of our own, as far as they are unset, and lease these."""
    if servers is None:
        return
    needs = {"postgres": not os.environ.get("DATABASE_URL"), "valkey": not os.environ.get("REDIS_URL")}
    if not any(needs.values()):
        return
    try:
        stack.enter_context(servers.lease(**needs))
    except devserv.ServerError as error:
        give_up(str(error))
    except OSError as error:
        give_up(f"数据目录 {data} 不可用：{error.strerror}。")
    if needs["postgres"]:
        os.environ["DATABASE_URL"] = servers.database_url
        if servers.durable:  # keys belong to the data: they are made with it and lost with it
            _default(_secrets(data))
    if needs["valkey"]:
        os.environ["REDIS_URL"] = servers.redis_url


def _prepare_product(argv: list[str], data: Path, stack: contextlib.ExitStack) -> None:
    """Refuse early and in one sentence, then open the house for the web port that was asked for."""
    signal.signal(signal.SIGINT, _leave)  # said openly, since a shell's `bin/run &` starts us deaf to it
    signal.signal(signal.SIGHUP, _leave)
    parser = argparse.ArgumentParser(prog="bin/run", allow_abbrev=False)
    product_arguments(parser)
    asked, _django_options = parser.parse_known_args(argv[2:])
    try:
        data.mkdir(parents=True, exist_ok=True)
        run_lock = stack.enter_context(open(data / "run.lock", "a+"))
        fcntl.flock(run_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = _notes(data).get("PUBLIC_BASE_URL", "bin/run")
        give_up(f"数据目录 {data} 正被 {other} 使用；请先停止它，或换一个 --data。")
    except OSError as error:
        give_up(f"数据目录 {data} 不可用：{error.strerror}；请用 --data 换一个目录。")
    free_mb = shutil.disk_usage(data).free // 2**20
    if free_mb < 300:
        give_up(f"磁盘空间不足：{data} 只剩 {free_mb} MB，至少需要 300 MB。(disk nearly full)")

    sandbox = uses_sandbox()
    for port in [asked.port, asked.port + 1, asked.port + 2] if sandbox else [asked.port]:
        _refuse_taken(asked.host, port, asked.port)
    print(f"· 数据目录 {data}", flush=True)
    print("· 启动数据库和缓存 …", flush=True)
    _open(data, stack, servers=devserv.Servers(data))
    address = f"http://{'127.0.0.1' if asked.host == '0.0.0.0' else asked.host}:{asked.port}"
    os.environ["YEJIBAO_DATA"] = str(data)
    for folder in ("media", "static"):
        (data / folder).mkdir(exist_ok=True)
        _default({f"{folder.upper()}_ROOT": str(data / folder)})
    _default({"PUBLIC_BASE_URL": address})
    if sandbox:
        platform, pay = f"http://127.0.0.1:{asked.port + 1}", f"http://127.0.0.1:{asked.port + 2}"
        os.environ["YEJIBAO_CLOCK_FILE"] = str(data / "clock.json")
        _default(
            {
                "WECOM_API_BASE": f"{platform}/cgi-bin/",
                "WECOM_SANDBOX_CONTROL": f"{platform}/control/",
                "WECOM_OAUTH_BASE": f"{address}/sandbox",
                "WECHATPAY_API_BASE": pay,
                "WECHATPAY_SANDBOX_CONTROL": f"{pay}/control/",
                "WECHATPAY_KEYS_DIR": str(data / "pay-keys"),
                **_callback_keys(_notes(data)),
            }
        )
    else:
        os.environ.setdefault("WECOM_SANDBOX_CONTROL", "")
        os.environ.setdefault("WECOM_API_BASE", "https://qyapi.weixin.qq.com/cgi-bin/")
        os.environ.setdefault("WECOM_OAUTH_BASE", "https://open.weixin.qq.com")
        os.environ.setdefault("WECHATPAY_SANDBOX_CONTROL", "")
        os.environ.setdefault("WECHATPAY_API_BASE", "https://api.mch.weixin.qq.com")
        os.environ.setdefault("WECHATPAY_MCHID", "")
    write_notes(data, {name: os.environ[name] for name in NOTED if name in os.environ})


def uses_sandbox() -> bool:
    """Return whether the platform is the stand-in: no corp of one's own has been given."""
    return not (os.environ.get("WECOM_CORP_ID") or os.environ.get("WECOM_API_BASE"))


def _remember(data: Path) -> None:
    _default(_notes(data))


def _notes(data: Path) -> dict[str, str]:
    try:
        notes: dict[str, str] = json.loads((data / "house.json").read_text())
    except (OSError, ValueError):
        return {}
    return notes


def _secrets(data: Path) -> dict[str, str]:
    """Return this house's keys; made at its first start, readable for its owner alone."""
    path = data / "secrets.json"
    if not path.exists():
        _write_private(
            path,
            {
                "YEJIBAO_SECRET_KEY": secrets.token_urlsafe(48),
                "YEJIBAO_DATA_KEYS": "h1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
                "YEJIBAO_INDEX_KEY": secrets.token_urlsafe(32),
            },
        )
    keys: dict[str, str] = json.loads(path.read_text())
    return keys


def _callback_keys(known: dict[str, str]) -> dict[str, str]:
    """Return what the stand-in signs and encrypts its callbacks with: as before, or new ones such as the console makes."""

    def letters(count: int) -> str:
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(count))

    lengths = {"TOKEN": 32, "AES_KEY": 43}
    return {
        name: known.get(name) or letters(lengths[kind])
        for receiver in ("", "CONTACTS_")
        for kind in lengths
        if (name := f"WECOM_CALLBACK_{receiver}{kind}")
    }


def _write_private(path: Path, content: dict[str, Any]) -> None:
    scratch = path.with_suffix(".new")
    with open(os.open(scratch, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as f:
        json.dump(content, f, ensure_ascii=False, indent=1)
    os.replace(scratch, path)


def _default(values: dict[str, str]) -> None:
    for name, value in values.items():
        os.environ.setdefault(name, value)


def _refuse_taken(host: str, port: int, web_port: int) -> None:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that only waits out its last visitor is free
        try:
            s.bind((host, port))
        except PermissionError:
            give_up(f"端口 {port} 需要管理员权限，请换一个大于 1024 的端口：bin/run --port 8000。")
        except OverflowError:
            give_up(f"没有端口 {port}：端口在 1 到 65535 之间。")
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                give_up(f"端口 {port} 已被占用，请换一个：bin/run --port {web_port + 10}。(port in use)")
            give_up(f"地址 {host}:{port} 不能使用：{error.strerror}。")


def _leave(number: int, *_: object) -> None:
    """Note that somebody wants us to end, and unwind. The note is for exceptions that Python swallows in odd places."""
    global asked_to_stop
    asked_to_stop = True
    if not looks_by_itself:
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def give_up(sentence: str) -> NoReturn:
    """End with one sentence and no traceback."""
    print(f"× {sentence}", file=sys.stderr, flush=True)
    raise SystemExit(1)
