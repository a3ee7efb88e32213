"""Log lines: one JSON object each in production, readable text on a laptop. Neither carries personal data.

    log.info("lists queued", extra={"facts": {"count": 12}})     # what happened, in English, and its figures
    logs.bind(message=row.pk)                                    # stands on each line until the request or job ends

What a line is about (request, staff, job, message) is bound once. Errors are told by type and place: their text may quote a
row, and what PostgreSQL says in DETAIL always does. As the last guard no line leaves with Chinese characters or a mobile
number in it: names and what people write are both of that kind, and our own words here are English.
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

HOUSE = str(Path(__file__).resolve().parent.parent.parent) + "/"
NOT_OURS = ("/site-packages/", "/.venv/")
FRAMES = 12
CAUSES = 3

_bound: ContextVar[dict[str, Any]] = ContextVar("log_facts", default={})  # noqa: B039  replaced, never changed

# ---------------------------------------------------------------- what a line is about


def start(**facts: Any) -> None:
    """Begin something new (a request, a job): forget what this thread was about before."""
    _bound.set(facts)


def bind(**facts: Any) -> None:
    """Say more about what goes on."""
    _bound.set(_bound.get() | facts)


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """Say it for one block."""
    token = _bound.set(_bound.get() | facts)
    try:
        yield
    finally:
        _bound.reset(token)


def bound() -> dict[str, Any]:
    """Return what was bound."""
    return _bound.get()


# ---------------------------------------------------------------- what never leaves

# Runs of Chinese, as they are or escaped; mobile numbers of the mainland.
_CHINESE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+|(?:\\u[0-9a-f]{4})+")
_MOBILE = re.compile(r"1[3-9]\d{9}(?!\d)")
# What the database adds to an error: the row, the key, the statement.
_ROW = re.compile(
    r"(?:\s|\\n)*(?:(?:DETAIL|CONTEXT|HINT|QUERY|STATEMENT):|Failing row contains|LINE \d+:).*", re.DOTALL
)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\(.*\)|\d{5,}", re.DOTALL)


def mask(text: str) -> str:
    """Return a text without names, mobile numbers, and what PostgreSQL quotes of a row."""
    return _without_people(_ROW.sub("", text))


def _without_people(text: str) -> str:
    if not text.isascii() or "\\u" in text:  # asked first: nearly no line is of this kind, and looking costs
        text = _CHINESE.sub("…", text)
    return _MOBILE.sub("…", text)


def said(error: BaseException) -> str:
    """Return what may be told of an error's text: for the database which rule said no, for others no value at all."""
    told = getattr(error, "diag", None)  # psycopg's
    if told is not None:
        names = (getattr(error, "sqlstate", None), told.constraint_name, told.table_name, told.column_name)
        return " ".join(name for name in names if name)
    code = getattr(error, "code", None)
    if isinstance(code, str | int):  # a refusal of ours or of the platform
        return str(code)
    return mask(_QUOTED.sub("…", str(error)))[:200]


def places(trace: TracebackType | None) -> list[str]:
    """Return where an error came by, `file:line function`: our own code, and the place that raised it."""
    frames = traceback.extract_tb(trace)
    ours = [frame for frame in frames if not any(part in frame.filename for part in NOT_OURS)]
    if frames and frames[-1] not in ours:
        ours.append(frames[-1])
    return [f"{frame.filename.removeprefix(HOUSE)}:{frame.lineno} {frame.name}" for frame in ours[-FRAMES:]]


def told(error: BaseException) -> dict[str, Any]:
    """Return an error as a log line may carry it, with those that led to it."""
    facts = {"type": type(error).__name__, "said": said(error), "at": places(error.__traceback__)}
    causes: list[str] = []
    one = error
    while len(causes) < CAUSES:
        following = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
        if following is None:
            break
        one = following
        causes.append(f"{type(one).__name__} {said(one)}".strip())
    return facts | ({"because": causes} if causes else {})


# ---------------------------------------------------------------- how a line looks


class Lines(logging.Formatter):
    """The formatter of all handlers. `style_`: json or plain."""

    def __init__(self, style_: str = "plain") -> None:
        super().__init__()
        self.is_json = style_ == "json"

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "event": _ROW.sub("", record.getMessage()),
            **_bound.get(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = told(record.exc_info[1])
        return _without_people(_as_json(line) if self.is_json else _as_text(line))


def _as_json(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, default=_kind_of)


def _as_text(line: dict[str, Any]) -> str:
    error = line.pop("error", None)
    head = f"{line.pop('at')} {line.pop('level'):7} {line.pop('logger')}  {line.pop('event')}"
    text = " ".join([head, *(f"{name}={value if isinstance(value, str) else json.dumps(value, default=_kind_of)}" for name, value in line.items())])  # fmt: skip
    if error:
        text += "".join(f"\n    {place}" for place in error["at"]) + f"\n  {error['type']}: {error['said']}"
        text += "".join(f"\n  because of {cause}" for cause in error.get("because", ()))
    return text


def _kind_of(value: Any) -> str:
    """Name what has no place on a line: a row's text may be somebody's name."""
    return value.isoformat() if hasattr(value, "isoformat") else type(value).__name__


def has_error(record: logging.LogRecord) -> bool:
    """Tell whether a line of Django's says more than the request's own line does."""
    return record.exc_info is not None


def is_news(record: logging.LogRecord) -> bool:
    """Drop what kombu says of every broker behind a Unix socket, as ours here is: that it has no host name."""
    return not str(record.msg).startswith("No hostname was supplied")


def config(*, level: str, style: str) -> dict[str, Any]:
    """Return Django's LOGGING; workers use the same."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "has_error": {"()": "django.utils.log.CallbackFilter", "callback": has_error},
            "is_news": {"()": "django.utils.log.CallbackFilter", "callback": is_news},
        },
        "formatters": {"lines": {"()": "yejibao.core.logs.Lines", "style_": style}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # Django's own handlers would mail and print a second time, in a form of their own.
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.request": {"level": "ERROR", "filters": ["has_error"]},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            # What Celery says of a job quotes its error; jobs.py says it without.
            "celery.app.trace": {"level": "CRITICAL"},
            "kombu.connection": {"filters": ["is_news"]},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "django_celery_beat": {"level": "WARNING"},
        },
    }


def take_over_uncaught() -> None:
    """Let errors nobody caught leave by the log too: Python would print them with what they quote."""
    log = logging.getLogger("yejibao.uncaught")

    def in_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("uncaught", exc_info=(kind, error, trace))

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.critical("uncaught in a thread", exc_info=(args.exc_type, args.exc_value, args.exc_traceback))

    sys.excepthook, threading.excepthook = in_main, in_thread
