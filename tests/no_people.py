"""A watch over the whole run: no test's log lines, queues, jobs or addresses carry a mobile number.

Loaded with `-p tests.no_people` (pyproject.toml), in every worker. The test that brought one up fails, naming the place, not
the number. What is looked at is what the product hands to the logger, before its formatter would mask it: the mask is a net
below, not the rule; and of the queues what is written into their tables. A test that puts numbers there on purpose says so:
`@pytest.mark.logs_people`.
"""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

MOBILE = re.compile(r"(?<![\dA-Za-z])1[3-9]\d{9}(?![\dA-Za-z])")  # not what happens inside a hexadecimal id
# What waits to leave the house or its department, what a repeated command is answered, what people are told.
QUEUES = re.compile(
    r'\s*(?:INSERT INTO|UPDATE)\s+"?(core_outboxevent|core_outboxmessage|core_idempotencykey|core_heartbeat|guides_notification)\b'
)
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


def _watch_queues() -> None:
    from django.db.backends.utils import CursorWrapper

    execute, execute_many = CursorWrapper.execute, CursorWrapper.executemany

    def executed(self: Any, sql: Any, params: Any = None) -> Any:
        _written(sql, params)
        return execute(self, sql, params)

    def executed_many(self: Any, sql: Any, param_list: Any) -> Any:
        rows = list(param_list)
        _written(sql, rows)
        return execute_many(self, sql, rows)

    CursorWrapper.execute, CursorWrapper.executemany = executed, executed_many  # type: ignore[method-assign]


def _written(sql: Any, params: Any) -> None:
    if params and isinstance(sql, str) and (queue := QUEUES.match(sql)):
        look(f"a row of {queue[1]}", _text_of(params))


def _text_of(value: Any) -> str:
    value = getattr(value, "obj", value)  # of a JSON parameter
    match value:
        case bytes() | memoryview():
            return bytes(value).decode("utf-8", "replace")
        case dict():
            return " ".join(_text_of(one) for pair in value.items() for one in pair)
        case list() | tuple():
            return " ".join(map(_text_of, value))
    return str(value)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "logs_people: this test puts numbers where none may be, to see what happens")


def pytest_sessionstart(session: pytest.Session) -> None:
    from celery.signals import before_task_publish
    from django.core.signals import request_started

    logging.getLogger().addHandler(_watch)
    before_task_publish.connect(_published, weak=False)
    request_started.connect(_asked, weak=False)
    _watch_queues()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Let the test fail that brought a number where none may be."""
    yield
    places = sorted(set(found))
    found.clear()
    if places and not item.get_closest_marker("logs_people"):
        pytest.fail("a mobile number stood in: " + "; ".join(places), pytrace=False)
