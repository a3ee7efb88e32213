"""One person's browser, and what its calls do inside: which names of a request a view reads, which rows it looks up."""

import io
import json
import logging
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.test import Client, RequestFactory
from django.urls import get_resolver, resolve
from rest_framework.parsers import JSONParser

from crm.members.models import Member
from guides.org.models import Staff
from tests.factories.guides import session_of
from tests.factories.portal import H5, token_of
from yejibao.core import hx, limits
from yejibao.core.access import Rule, page_permission
from yejibao.core.errors import as_domain_error
from yejibao.core.scope import Actor

from .urlconf import Route

FROM = r'\bFROM\s+"?(\w+)"?'
ONLY_ASKS = re.compile(
    r"\s*(SELECT|SAVEPOINT|RELEASE|ROLLBACK)\b(?!.*\b(INSERT|UPDATE|DELETE) \w)", re.IGNORECASE | re.DOTALL
)
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
        plain = getattr(QueryDict, name)
        noting = lambda self, key, *rest, plain=plain, **more: plain(self, _noted(key), *rest, **more)  # noqa: E731
        monkeypatch.setattr(QueryDict, name, noting)  # its base keeps the names of routes too
    monkeypatch.setattr(logging.getLogger("yejibao.request"), "disabled", True)  # thousands of lines nobody reads
    parse, execute, copy = JSONParser.parse, psycopg.Cursor.execute, psycopg.Cursor.copy
    execute_many = psycopg.Cursor.executemany

    def parsed(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = parse(self, *args, **kwargs)
        return _Told(found) if isinstance(found, dict) else found

    def executed(self: Any, query: Any, params: Any = None, **more: Any) -> Any:
        for seen in _watching:
            given = params.values() if isinstance(params, dict) else params or ()
            seen.statements.append((query if isinstance(query, str) else repr(query), list(given)))
        return execute(self, query, params, **more)

    def executed_many(self: Any, query: Any, params: Any, **more: Any) -> Any:
        for seen in _watching:
            seen.statements.append((str(query), []))
        return execute_many(self, query, params, **more)

    def copied(self: Any, query: Any, *params: Any, **more: Any) -> Any:
        for seen in _watching:
            seen.statements.append((str(query), []))
        return copy(self, query, *params, **more)

    def asked(request: Any, plain: Any = hx.is_htmx) -> bool:
        for seen in _watching:
            seen.asked_for_fragment = True
        return bool(plain(request))

    monkeypatch.setattr(limits, "hit", lambda *_told, **_more: 0)  # thousands of calls in a minute are no person's
    monkeypatch.setattr(hx, "is_htmx", asked)
    monkeypatch.setattr(JSONParser, "parse", parsed)
    monkeypatch.setattr(psycopg.Cursor, "execute", executed)
    monkeypatch.setattr(psycopg.Cursor, "executemany", executed_many)
    monkeypatch.setattr(psycopg.Cursor, "copy", copied)


@contextmanager
def known_addresses() -> Iterator[None]:
    """Look a path up in the URLconf once, not with each of thousands of calls; no route may be added meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        resolver = get_resolver()
        patch.setitem(resolver.__dict__, "resolve", cache(resolver.resolve))
        yield


@contextmanager
def watching() -> Iterator[Seen]:
    seen = Seen()
    _watching.append(seen)
    try:
        yield seen
    finally:
        _watching.remove(seen)


class _Plain(Client):
    """Django's client without its notes for tests: with those it copies the context of every template that is drawn."""

    def request(self, **request: Any) -> Any:
        return self.handler(self._base_environ(**request))


_REQUESTS = RequestFactory(REMOTE_ADDR=ADDRESS)


class Caller:
    """One person's browser. Each call is undone in the database, so that no call sees what another did."""

    client = _Plain(REMOTE_ADDR=ADDRESS)  # one for all: making one starts the middleware anew

    def __init__(self, person: Staff | Member | None) -> None:
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        if isinstance(person, Member):  # his phone: a cookie for the pages, a header for the API
            self.cookies[settings.MEMBER_COOKIE_NAME] = token_of(person, place=H5)
            self.headers["Authorization"] = f"Bearer {token_of(person)}"
        elif person:
            self.cookies[settings.SESSION_COOKIE_NAME] = session_of(person)

    def call(
        self, method: str, path: str, *, html: bool = False, fragment: bool = False, query: Any = None, body: Any = None,
        as_form: bool = False, after: Callable[[], None] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """Call a path; `after` looks at the database before the call is undone."""
        self.client.cookies.clear()
        for name, value in self.cookies.items():
            self.client.cookies[name] = value
        accept = "text/html" if html or fragment else "application/json, */*;q=0.1"
        facts: dict[str, Any] = {
            "headers": {"Accept": accept} | self.headers | ({"HX-Request": "true"} if fragment else {})
        }
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


def asked_itself(method: str, path: str, who: Actor) -> tuple[int, str]:
    """Return the status and code with which the view of a path refuses somebody, without the middleware on the way there."""
    match = resolve(path)
    request: Any = _REQUESTS.generic(method, path)
    request.resolver_match, request.actor, request.user = match, who, AnonymousUser()
    try:
        response = match.func(request, *match.args, **match.kwargs)
    except Exception as error:  # noqa: BLE001  what is no refusal is wrong here
        problem = as_domain_error(error)
        return (problem.status, problem.code) if problem else (500, repr(error))
    said = getattr(response, "data", None)
    return response.status_code, said.get("code", "") if isinstance(said, dict) else ""


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
        answer = json.loads(response.content)
        return str(answer.get("code", "")) if isinstance(answer, dict) else ""
    return ""


def own_code(rule: Rule, path: str) -> str:
    """Return the code with which `access.check` refuses a path."""
    return f"perm.{getattr(rule, 'permission', '') or page_permission(resolve(path).view_name)}"


def looked_up(seen: Seen, values: dict[int, set[Any]]) -> set[tuple[str, int]]:
    """Return (table, set) for each statement that read rows by an id of a set of rows."""
    found = set()
    for sql, params in seen.statements:
        if sql.lstrip().upper().startswith(("SELECT", "WITH")) and (table := re.search(FROM, sql, re.IGNORECASE)):
            found |= {(table[1], base) for base, ids in values.items() if _names(params, ids)}
    return found


def asked_for(seen: Seen, values: set[Any]) -> set[str]:
    """Return the words of the questions that name one of these values, every table of theirs among them."""
    asking = [sql for sql, params in seen.statements if re.match(r"\s*(SELECT|WITH)", sql) and _names(params, values)]
    return {word for sql in asking for word in re.findall(r"\w+", sql)}


def has_written(seen: Seen) -> bool:
    """Tell whether a call may have changed a row: whether it sent anything but questions."""
    return any(not ONLY_ASKS.match(sql) for sql, _params in seen.statements)


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
