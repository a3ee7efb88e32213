"""One person's browser, and what its calls do inside: which names of a request a view reads, which rows it looks up."""

import io
import json
import logging
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.utils.datastructures import MultiValueDict
from rest_framework.parsers import JSONParser

from guides.org.models import Staff
from tests.factories.guides import session_of
from yejibao.core import hx
from yejibao.core.access import Rule

from .urlconf import Route

FROM = r'\bFROM\s+"?(\w+)"?'
ADDRESS = "8.8.8.8"  # not one of the internal addresses, which /statusz and /metrics trust


@dataclass
class Seen:
    """What one call did inside."""

    names: set[str] = field(default_factory=set)  # of parameters and fields the view asked for
    statements: list[tuple[str, list[Any]]] = field(default_factory=list)
    asked_for_fragment: bool = False  # whether the view answers htmx in another way


_watching: list[Seen] = []


class _Told(dict[str, Any]):
    """A JSON body that notes which of its fields are read."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_noted(key), default)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(_noted(key))

    def __contains__(self, key: Any) -> bool:
        return super().__contains__(_noted(key))


def _noted(key: Any) -> Any:
    for seen in _watching:
        if isinstance(key, str):
            seen.names.add(key)
    return key


def install_spies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note what views read of queries, forms and JSON, and the statements they run."""
    for name in ("get", "__getitem__", "getlist", "__contains__"):
        plain = getattr(MultiValueDict, name)
        noting = lambda self, key, *rest, plain=plain, **more: plain(self, _noted(key), *rest, **more)  # noqa: E731
        monkeypatch.setattr(MultiValueDict, name, noting)
    monkeypatch.setattr(logging.getLogger("yejibao.request"), "disabled", True)  # thousands of lines nobody reads
    parse, execute = JSONParser.parse, psycopg.Cursor.execute

    def parsed(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = parse(self, *args, **kwargs)
        return _Told(found) if isinstance(found, dict) else found

    def executed(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        for seen in _watching:
            given = params.values() if isinstance(params, dict) else params or ()
            seen.statements.append((query if isinstance(query, str) else repr(query), list(given)))
        return execute(self, query, params, **more)

    def asked(request: Any, plain: Any = hx.is_htmx) -> bool:
        for seen in _watching:
            seen.asked_for_fragment = True
        return bool(plain(request))

    monkeypatch.setattr(hx, "is_htmx", asked)
    monkeypatch.setattr(JSONParser, "parse", parsed)
    monkeypatch.setattr(psycopg.Cursor, "execute", executed)


@contextmanager
def watching() -> Iterator[Seen]:
    seen = Seen()
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


class Caller:
    """One person's browser. Each call is undone in the database, so that no call sees what another did."""

    client = Client(
        REMOTE_ADDR=ADDRESS, raise_request_exception=False
    )  # one for all: making one starts the middleware anew

    def __init__(self, person: Staff | None) -> None:
        self.session = session_of(person) if person else ""

    def call(
        self, method: str, path: str, *, html: bool = False, fragment: bool = False, query: Any = None, body: Any = None,
        as_form: bool = False, after: Callable[[], None] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """Call a path; `after` looks at the database before the call is undone."""
        self.client.cookies.clear()
        if self.session:
            self.client.cookies[settings.SESSION_COOKIE_NAME] = self.session
        accept = "text/html" if html or fragment else "application/json, */*;q=0.1"
        facts: dict[str, Any] = {"headers": {"Accept": accept} | ({"HX-Request": "true"} if fragment else {})}
        if method != "GET" and not as_form:
            facts |= {"data": body or {}, "content_type": "application/json"}
        elif method != "GET":
            facts |= {"data": body or {}}
        if query:
            facts["query_params"] = query
        with transaction.atomic():
            response: HttpResponse = getattr(self.client, method.lower())(path, **facts)
            if response.streaming:
                response.read_content = b"".join(response.streaming_content)  # type: ignore[attr-defined]
            if after:
                after()
            transaction.set_rollback(True)
        return response


def text_of(response: HttpResponse) -> str:
    """Return what an answer says, a workbook's cells included."""
    content: bytes = getattr(response, "read_content", b"") if response.streaming else response.content
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            return "".join(book.read(name).decode("utf-8", "replace") for name in book.namelist())
    text = content.decode("utf-8", "replace")
    if "json" in response.headers.get("Content-Type", "") and "\\u" in text:
        return json.dumps(json.loads(text), ensure_ascii=False)
    return text + "".join(response.headers.get(name, "") for name in ("HX-Trigger", "Location"))


def code_of(response: HttpResponse) -> str:
    if "json" in response.headers.get("Content-Type", "") and not response.streaming:
        answer = response.json()
        return str(answer.get("code", "")) if isinstance(answer, dict) else ""
    return ""


def own_code(rule: Rule) -> str:
    """Return the code with which `access.check` refuses."""
    return f"perm.{getattr(rule, 'permission', '') or 'role'}"


def looked_up(seen: Seen, values: dict[int, set[Any]]) -> set[tuple[str, int]]:
    """Return (table, set) for each statement that read rows by an id of a set of rows."""
    found = set()
    for sql, params in seen.statements:
        if sql.lstrip().upper().startswith(("SELECT", "WITH")) and (table := re.search(FROM, sql, re.IGNORECASE)):
            found |= {(table[1], base) for base, ids in values.items() if _names(params, ids)}
    return found


def written(seen: Seen, values: set[Any], *, but: tuple[str, ...] = ()) -> list[str]:
    """Return the tables into which a call wrote one of these values."""
    tables = []
    for sql, params in seen.statements:
        found = re.search(r'\b(?:INSERT INTO|(?<!KEY )(?<!FOR )UPDATE|DELETE FROM)\s+"?(\w+)"?', sql, re.IGNORECASE)
        if found and found[1] not in but and _names(params, values):
            tables.append(found[1])
    return tables


def _names(params: list[Any], values: set[Any]) -> bool:
    for one in params:
        several = one if isinstance(one, list | tuple) else [one]
        if any(isinstance(value, int | str) and not isinstance(value, bool) and value in values for value in several):
            return True
        if any(not isinstance(value, int | str | list | dict) and str(value) in values for value in several):
            return True
    return False


def as_form(route: Route) -> bool:
    """Tell whether a route takes what a page's form sends, not JSON."""
    return route.drf_class is None
