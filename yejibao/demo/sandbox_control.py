"""The control side of the platform's stand-in, as the demo, the replay and the sandbox client use it."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.conf import settings


class SandboxControl:
    """Calls of the control API. Raises OSError when the stand-in does not answer."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/") + "/"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, *, query: dict[str, Any] | None = None, body: Any = None) -> Any:
        """Return the decoded answer of one call."""
        url = self.base + path + (f"?{urlencode(query)}" if query else "")
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
        with self._opener.open(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def turn_clock(self, moment: datetime | None) -> None:
        """Set the stand-in's clock; None lets it run with the machine's."""
        self.call("POST", "clock", body={"now": moment.timestamp() if moment else None})

    def stats(self) -> dict[str, Any]:
        """Return what it counted: calls per API, peaks per second, deliveries, duplicates."""
        answer: dict[str, Any] = self.call("GET", "stats")
        return answer

    def set_world(self, *, people: list[dict[str, Any]], contacts: list[dict[str, Any]]) -> None:
        """Tell it who works there and who their customers are."""
        self.call("POST", "world", body={"people": people, "contacts": contacts})


@contextmanager
def own_sandbox() -> Iterator[SandboxControl]:
    """Start a stand-in of our own for the length of a block, and point the gateway at it."""
    child = subprocess.Popen(
        [sys.executable, "manage.py", "run_sandbox", "--port", "0"],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
    )
    before = settings.WECOM_API_BASE
    try:
        assert child.stdout is not None
        for line in child.stdout:
            if "listening on " in line:
                base = line.split("listening on ", 1)[1].split()[0].rstrip("/")
                break
        else:
            raise OSError("the sandbox did not start")
        settings.WECOM_API_BASE = f"{base}/cgi-bin/"
        yield SandboxControl(f"{base}/control/")
    finally:
        settings.WECOM_API_BASE = before
        child.terminate()
        child.wait(10)
