"""What all tests share: servers, clock, the sandbox of the platform, a browser. Builders of rows are in factories/."""

import gc
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
from hypothesis import HealthCheck
from hypothesis import settings as examples

from yejibao import devserv

CHECKOUT = Path(__file__).resolve().parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PHONE = {"width": 390, "height": 844}
PC = {"width": 1280, "height": 800}
PATIENCE = 30  # seconds until what does not come is a failure: a loaded machine is no reason

# The same examples each run, however slow the machine; who looks for others says --hypothesis-profile=default.
examples.register_profile(
    "same", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
examples.load_profile("same")

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
    # Both tries are in the report. A browser beside two workers on two cores at times outlasts the wait of a step;
    # what fails for a reason fails twice.
    for item in with_browser:
        item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_collection_finish() -> None:
    """Leave what has been imported out of every later search for garbage, as nothing of it goes; and search less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _without_browser:
        terminalreporter.write_line(
            f"没有找到 Chromium，{_without_browser} 个浏览器测试没有运行（.ci/run 会自动安装）。"
            f" Chromium not found: {_without_browser} browser tests were left out.",
            yellow=True,
        )
    checks = os.environ.get("YEJIBAO_FAILED_CHECKS")
    if failed := checks and " ".join(Path(checks).read_text().split()):
        terminalreporter.write_line(f"这些检查没有通过（见上文）：{failed}。 Failed checks: {failed}.", red=True)


# ---------------------------------------------------------------- database


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, django_db_keepdb: bool, django_db_createdb: bool, django_db_blocker: Any
) -> None:
    """Copy what has been migrated once, instead of migrating; after a test that commits, empty what it filled."""
    from django.db import connection
    from django.test import TransactionTestCase

    from tests import database

    TransactionTestCase._fixture_teardown = lambda _test: database.empty()  # type: ignore[method-assign]
    facts = connection.settings_dict["TEST"]
    with django_db_blocker.unblock():
        if django_db_createdb or not (django_db_keepdb and database.is_there(facts["NAME"])):
            facts["TEMPLATE"] = database.template()


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
def _settings_of_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the re-delete list of this run, as a restore would forget other runs' members by their numbers; hash quickly."""
    from django.conf import settings

    settings.ERASED_LIST = str(tmp_path_factory.mktemp("erased") / "members.txt")
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    settings.REQUESTS_PER_MINUTE, settings.MISSES_LOCK = 0, False  # tests of these turn them on


@pytest.fixture(autouse=True, scope="session")
def _static_files_found_once() -> Iterator[None]:
    """Let the test clients share what the first of them finds in the folders of static files."""
    from whitenoise.middleware import WhiteNoiseMiddleware

    look, found = WhiteNoiseMiddleware.add_files_from_finders, {}

    def look_once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


@pytest.fixture(autouse=True)
def _forget_redis(_redis: Any) -> None:
    """Start with nothing of this slot in Redis: tokens, budgets, cache and broker are shared by what runs beside us."""
    from django.conf import settings

    if keys := list(_redis.scan_iter(f"*yj:{settings.SLOT}:*", count=5000)):
        _redis.delete(*keys)


# ---------------------------------------------------------------- the sandbox of the platform


class SandboxControl:
    """The sandbox server's control side: who lives there, what goes wrong, what it got."""

    def __init__(self, url: str) -> None:
        self.url = url  # http://127.0.0.1:PORT

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._call("GET", path, query, None)

    def post(self, path: str, /, **body: Any) -> dict[str, Any]:
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
    yield from _served("run_sandbox", tmp_path_factory.mktemp("sandbox") / "log")


def _served(command: str, log_path: Path) -> Iterator[str]:
    """Run a stand-in until the tests are over; its address."""
    with open(log_path, "w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", command, "--port", "0"],
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


@pytest.fixture(scope="session")
def pay_sandbox_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The stand-in for WeChat Pay as a process of its own on a free port; its address."""
    yield from _served("run_pay_sandbox", tmp_path_factory.mktemp("pay-sandbox") / "log")


@pytest.fixture
def pay_sandbox(pay_sandbox_server: str, settings: Any) -> Iterator[SandboxControl]:
    """The door to WeChat Pay's other end, empty at the start of each test, over a real socket."""
    settings.WECHATPAY_API_BASE = pay_sandbox_server
    settings.WECHATPAY_SANDBOX_CONTROL = f"{pay_sandbox_server}/control/"
    control = SandboxControl(pay_sandbox_server)
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
        context.set_default_timeout(PATIENCE * 1000)
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

    def wait(condition: Callable[[], Any], *, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.05)

    return wait
