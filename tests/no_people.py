"""A watch over the whole run: no test's log lines, queued jobs or addresses carry a mobile number.

Loaded with `-p tests.no_people` (pyproject.toml), in every worker. The test that brought one up fails, naming the place, not
the number. What is looked at is what the product hands to the logger, before its formatter would mask it: the mask is a net
below, not the rule. A test that logs numbers on purpose says so: `@pytest.mark.logs_people`.
"""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

MOBILE = re.compile(r"(?<![\dA-Za-z])1[3-9]\d{9}(?![\dA-Za-z])")  # not what happens inside a hexadecimal id
found: list[str] = []


def look(what: str, text: str) -> None:
    """Remember a place where a number stands."""
    if MOBILE.search(text):
        found.append(what)


class Watch(logging.Handler):
    """Sees every record that reaches the root."""

    def emit(self, record: logging.LogRecord) -> None:
        look(f"a line of {record.name}", record.getMessage())
        if facts := getattr(record, "facts", None):
            look(f"the facts of a line of {record.name}", json.dumps(facts, default=str, ensure_ascii=False))
        from yejibao.core import logs

        if bound := logs.bound():
            look("what lines are about", json.dumps(bound, default=str))
        if record.exc_info and record.exc_info[1]:
            look(f"an error told by {record.name}", json.dumps(logs.told(record.exc_info[1]), default=str))


_watch = Watch()


def _published(body: Any = None, routing_key: str = "", sender: str = "", **_: Any) -> None:
    look(f"the arguments of the job {sender}", json.dumps(body, default=str, ensure_ascii=False))


def _asked(environ: dict[str, Any] | None = None, **_: Any) -> None:
    if environ:
        look("an address asked for", f"{environ.get('PATH_INFO', '')}?{environ.get('QUERY_STRING', '')}")
        look("a referrer", environ.get("HTTP_REFERER", ""))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "logs_people: this test puts numbers where none may be, to see what happens")


def pytest_sessionstart(session: pytest.Session) -> None:
    from celery.signals import before_task_publish
    from django.core.signals import request_started

    logging.getLogger().addHandler(_watch)
    before_task_publish.connect(_published, weak=False)
    request_started.connect(_asked, weak=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Let the test fail that brought a number where none may be."""
    yield
    places = sorted(set(found))
    found.clear()
    if places and not item.get_closest_marker("logs_people"):
        pytest.fail("a mobile number stood in: " + "; ".join(places), pytrace=False)
