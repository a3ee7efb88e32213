"""What all tests share: servers, clock, the sandbox of the platform, a browser. Builders of rows are in factories/."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from yejibao import devserv

CHECKOUT = Path(__file__).resolve().parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = {"width": 390, "height": 844}
PC = {"width": 1280, "height": 800}

_servers = ExitStack()
_without_browser = 0


# ---------------------------------------------------------------- servers, and what the summary says


def pytest_configure(config: pytest.Config) -> None:
    """Lease the throw-away servers once, in the process that starts the workers; DATABASE_URL names others."""
    (CHECKOUT / ".run" / "static").mkdir(parents=True, exist_ok=True)  # whitenoise warns about a missing folder
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's synchronous API runs an event loop in this thread
    if not hasattr(config, "workerinput"):
        needs = {"postgres": not os.environ.get("DATABASE_URL"), "valkey": not os.environ.get("REDIS_URL")}
        if any(needs.values()):
            try:
                _servers.enter_context(devserv.throwaway().lease(**needs))
            except devserv.ServerError as error:
                pytest.exit(str(error), returncode=3)


def pytest_unconfigure(config: pytest.Config) -> None:
    _servers.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave browser tests out where there is no browser, and run them last where there is one."""
    global _without_browser
    with_browser = [item for item in items if item.get_closest_marker("browser")]
    others = [item for item in items if not item.get_closest_marker("browser")]
    if BROWSER is None and with_browser:
        _without_browser = len(with_browser)
        config.hook.pytest_deselected(items=with_browser)
        items[:] = others
    else:
        items[:] = others + with_browser


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _without_browser:
        terminalreporter.write_line(
            f"没有找到 Chromium，{_without_browser} 个浏览器测试没有运行（.ci/run 会自动安装）。"
            f" Chromium not found: {_without_browser} browser tests were left out.",
            yellow=True,
        )
    if failed := os.environ.get("YEJIBAO_FAILED_CHECKS", "").strip():
        terminalreporter.write_line(f"这些检查没有通过（见上文）：{failed}。 Failed checks: {failed}.", red=True)


# ---------------------------------------------------------------- clock


class TestClock:
    """The product's clock in the hands of a test: `clock.travel("2026-03-02 10:00")` is Shanghai time."""

    __test__ = False

    def travel(self, moment: datetime | str) -> datetime:
        """Stop the clock of this process at a moment."""
        from yejibao.core import clock

        moment = clock.parse_iso(moment) if isinstance(moment, str) else moment
        clock.travel(moment)
        return moment

    def advance(self, **duration: float) -> datetime:
        """Move the stopped clock on: `clock.advance(hours=2)`."""
        from datetime import timedelta

        return self.travel(self.now() + timedelta(**duration))

    def now(self) -> datetime:
        from yejibao.core import clock

        return clock.now()


@pytest.fixture
def clock() -> Iterator[TestClock]:
    """A clock that can be turned, and runs again after the test."""
    from yejibao.core import clock as product_clock

    yield TestClock()
    product_clock.release()


@pytest.fixture(scope="session")
def _redis() -> Iterator[Any]:
    import redis
    from django.conf import settings

    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as client:
        yield client


@pytest.fixture(autouse=True, scope="session")
def _own_list_of_erased(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the re-delete list of this run: a restore would forget other runs' members by their numbers."""
    from django.conf import settings

    settings.ERASED_LIST = str(tmp_path_factory.mktemp("erased") / "members.txt")


@pytest.fixture(autouse=True)
def _forget_redis(_redis: Any, settings: Any) -> Iterator[None]:
    """Start with nothing of this slot in Redis: tokens, budgets, cache and broker are shared by what runs beside us."""
    settings.REQUESTS_PER_MINUTE, settings.MISSES_LOCK = 0, False  # tests of these turn them on
    if keys := list(_redis.scan_iter(f"*yj:{settings.SLOT}:*", count=5000)):
        _redis.delete(*keys)
    yield


# ---------------------------------------------------------------- the sandbox of the platform


class SandboxControl:
    """The sandbox server's control side: who lives there, what goes wrong, what it got."""

    def __init__(self, url: str) -> None:
        self.url = url  # http://127.0.0.1:PORT

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._call("GET", path, query, None)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        return self._call("POST", path, {}, body)

    def delete(self, path: str, **query: Any) -> dict[str, Any]:
        return self._call("DELETE", path, query, None)

    def received(self, userid: str = "", **query: Any) -> list[dict[str, Any]]:
        """Return the app messages that arrived, all or one person's."""
        messages: list[dict[str, Any]] = self.get("received", **({"userid": userid} if userid else {}), **query)[
            "messages"
        ]
        return messages

    def fault(self, api: str, **order: Any) -> None:
        """Order a misbehaviour, e.g. `sandbox.fault("message/send", errcode=45009, times=2)`."""
        self.post("fault", api=api, **order)

    def _call(self, method: str, path: str, query: dict[str, Any], body: dict[str, Any] | None) -> dict[str, Any]:
        from urllib.parse import urlencode

        request = urllib.request.Request(
            f"{self.url}/control/{path}" + (f"?{urlencode(query)}" if query else ""),
            method=method,
            data=None if body is None else json.dumps(body, default=str).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _direct.open(request, timeout=10) as response:
            answer: dict[str, Any] = json.loads(response.read())
        return answer


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="session")
def sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sandbox as a process of its own on a free port; its address."""
    log_path = tmp_path_factory.mktemp("sandbox") / "log"
    with open(log_path, "w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_sandbox", "--port", "0"],
            cwd=CHECKOUT, env=os.environ | {"YEJIBAO_THROWAWAY": "1", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    if "listening on" not in line:
        process.wait(10)
        pytest.fail(f"the sandbox did not start:\n{line}{log_path.read_text()}")
    yield line.split()[-1].rstrip("/")
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


@pytest.fixture
def sandbox(sandbox_server: str, settings: Any) -> Iterator[SandboxControl]:
    """The real gateway's other end, empty at the start of each test, over a real socket."""
    settings.WECOM_API_BASE = f"{sandbox_server}/cgi-bin/"
    settings.WECOM_SANDBOX_CONTROL = f"{sandbox_server}/control/"
    control = SandboxControl(sandbox_server)
    control.post("reset")
    yield control


# ---------------------------------------------------------------- browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium of the system."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=BROWSER,
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--no-first-run", "--no-proxy-server",
            ],
        )  # fmt: skip
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Any, live_server: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Return a function that makes a page of its own visitor: `open_page(size=PHONE, cookies=client.cookies)`.

    At the end no page may have raised a script error or been refused something by the content security policy.
    A picture of each page of a failed test lies in .run/failed/.
    """
    contexts: list[Any] = []
    pages: list[Any] = []
    complaints: list[str] = []

    def make(size: dict[str, int] = PHONE, *, sessionid: str = "", **options: Any) -> Any:
        context = browser.new_context(
            viewport=size, locale="zh-CN", timezone_id="Asia/Shanghai", base_url=live_server.url,
            has_touch=size["width"] < 800, **options,
        )  # fmt: skip
        context.set_default_timeout(15_000)
        contexts.append(context)
        if sessionid:
            from django.conf import settings

            context.add_cookies(
                [{"name": settings.SESSION_COOKIE_NAME, "value": sessionid, "url": live_server.url, "httpOnly": True}]
            )
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                complaints.append(f"{page.url}: {message.text}")
                if message.type == "error" and "Content Security Policy" in message.text
                else None
            ),
        )
        pages.append(page)
        return page

    yield make
    if getattr(request.node, "has_failed", False):
        folder = CHECKOUT / ".run" / "failed"
        folder.mkdir(parents=True, exist_ok=True)
        for number, page in enumerate(pages):
            page.screenshot(path=folder / f"{request.node.name}-{number}.png", full_page=True)
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    """A phone's page, 390x844."""
    return open_page(PHONE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    report = yield
    if report.when == "call" and report.failed:
        item.has_failed = True  # type: ignore[attr-defined]
    return report


# ---------------------------------------------------------------- small helps


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Return a function that waits for something another process does."""

    def wait(condition: Callable[[], Any], *, seconds: float = 10) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)

    return wait
