"""Every route says who may call it, and keeps its word: all routes x all roles x all methods, and ids out of scope.

Nothing here names a route. A new one is found in the URLconf; one that declares no access fails. What a new kind of
business row needs is a line in `foreign_rows`: the rows of another store, none of which may ever be shown or changed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

from guides.org.actors import role_names
from guides.org.models import Staff
from tasks.scripts.models import Script, ScriptFavourite
from tests.factories.guides import Org, actor, holder_of, make_org, session_of
from yejibao.core.access import Anonymous, Declared, Rule, SignedIn, Token

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ADDRESS = "8.8.8.8"  # not one of the internal addresses, which /statusz and /metrics trust
ABSENT = {"uuid": "00000000-0000-4000-8000-000000000000"}  # by converter; a number for all others
ABSENT_NUMBER = "987654321"
EITHER_END = ("guide", "sys_admin")
DEPARTMENTS = ("core", "wecom", "guides", "crm", "tasks", "livestream", "demo", "cockpit")


# ---------------------------------------------------------------- the URLconf, read


@dataclass(frozen=True)
class Route:
    """One pattern of the URLconf with its view. `template` is the path with `{name}` for each argument."""

    template: str
    arguments: tuple[tuple[str, str], ...]  # (name, converter)
    view: Any

    @property
    def label(self) -> str:
        return f"{self.template} -> {self.view.__module__}.{getattr(self.view, '__qualname__', self.view)}"

    @property
    def drf_class(self) -> Any:
        return getattr(self.view, "cls", None)

    @property
    def methods(self) -> tuple[str, ...]:
        if actions := getattr(self.view, "actions", None):
            return tuple(method for method in METHODS if method.lower() in actions)
        if self.drf_class:
            return tuple(method for method in METHODS if hasattr(self.drf_class, method.lower()))
        return METHODS  # a function view says no by 405

    @property
    def telling_methods(self) -> tuple[str, ...]:
        """Without those that a function view does not tell from POST; the stranger tries them all."""
        return self.methods if self.drf_class else ("GET", "POST")

    def rule(self, method: str) -> Rule | None:
        if self.drf_class is None:
            return getattr(self.view, "access", None)
        rule = getattr(self.view, "initkwargs", {}).get("access", getattr(self.drf_class, "access", None))
        if isinstance(rule, dict):
            name = (getattr(self.view, "actions", None) or {}).get(method.lower(), method.lower())
            rule = rule.get(name, rule.get("*"))
        return rule

    def path(self, **values: str) -> str:
        absent = {name: ABSENT.get(converter, ABSENT_NUMBER) for name, converter in self.arguments}
        return self.template.format(**(absent | values))


def routes() -> list[Route]:
    return list(_walk(get_resolver(), "/", ()))


def _walk(resolver: URLResolver, prefix: str, arguments: tuple[tuple[str, str], ...]) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        part, own = _read(entry.pattern)
        if isinstance(entry, URLPattern):
            yield Route(prefix + part, arguments + own, entry.callback)
        else:
            yield from _walk(entry, prefix + part, arguments + own)


def _read(pattern: Any) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return a pattern's part of the path and its arguments."""
    if isinstance(pattern, RoutePattern):
        own = tuple(
            (name, type(converter).__name__.removesuffix("Converter").lower())
            for name, converter in pattern.converters.items()
        )
        return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", str(pattern)), own
    assert isinstance(pattern, RegexPattern)
    text = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", r"{\1}", str(pattern)).lstrip("^").removesuffix("$")
    text = text.removesuffix(r"\Z").replace(r"\.", ".").replace("/?", "/")
    return text, tuple((name, "regex") for name in re.findall(r"{(\w+)}", text))


ROUTES = routes()
IDS = [route.label for route in ROUTES]


def test_the_walk_finds_routes_of_every_kind() -> None:
    found = {route.template: route for route in ROUTES}
    assert {"/healthz", "/login/", "/me/", "/api/v1/staff/", "/api/schema/"} <= set(found)
    assert found["/api/v1/staff/{pk}/resign/"].methods == ("POST",)
    assert found["/api/v1/staff/{pk}/resign/"].rule("POST") != found["/api/v1/staff/{pk}/"].rule("GET")


def test_every_route_declares_who_may_call_it() -> None:
    silent = sorted(
        {route.label for route in ROUTES for method in route.methods if not isinstance(route.rule(method), Rule)}
    )
    assert silent == [], "these routes declare no access (see yejibao/core/access.py)"


def test_every_rest_view_asks_its_declaration() -> None:
    deaf = []
    for route in ROUTES:
        if route.drf_class:
            asked = getattr(route.view, "initkwargs", {}).get("permission_classes", route.drf_class.permission_classes)
            if Declared not in asked:
                deaf.append(route.label)
    assert deaf == []


def test_what_is_open_to_all_says_why() -> None:
    open_routes = [(route, route.rule(method)) for route in ROUTES for method in route.methods]
    assert [r.label for r, rule in open_routes if isinstance(rule, (Anonymous, Token)) and len(rule.why) < 8] == []


def test_every_role_a_route_names_exists() -> None:
    from guides.org.actors import role_book

    unknown = set()
    for route in ROUTES:
        for method in route.methods:
            rule = route.rule(method)
            unknown |= {(route.label, role) for role in getattr(rule, "roles", ()) if role not in role_names()}
            permission = getattr(rule, "permission", None)
            if permission is not None and permission not in role_book()["permissions"]:
                unknown.add((route.label, permission))
    assert unknown == set()


# ---------------------------------------------------------------- calling


class Caller:
    """One person's browser. Each call is undone in the database, so that no call sees what another did."""

    client = Client(REMOTE_ADDR=ADDRESS)  # one for all: making one starts the middleware anew

    def __init__(self, person: Staff | None) -> None:
        self.session = session_of(person) if person else ""

    def call(self, method: str, path: str, *, html: bool = False) -> HttpResponse:
        self.client.cookies.clear()
        if self.session:
            self.client.cookies[settings.SESSION_COOKIE_NAME] = self.session
        facts: dict[str, Any] = {"headers": {"Accept": "text/html" if html else "application/json, */*;q=0.1"}}
        if method != "GET":
            facts |= {"data": {}, "content_type": "application/json"}
        with transaction.atomic():
            response: HttpResponse = getattr(self.client, method.lower())(path, **facts)
            if response.streaming:
                b"".join(response.streaming_content)
            transaction.set_rollback(True)
        return response


def code_of(response: HttpResponse) -> str:
    if "json" in response.headers.get("Content-Type", ""):
        answer = response.json()
        return str(answer.get("code", "")) if isinstance(answer, dict) else ""
    return ""


def own_code(rule: Rule) -> str:
    """Return the code with which `access.check` refuses."""
    return f"perm.{getattr(rule, 'permission', '') or 'role'}"


@pytest.fixture
def org() -> Org:
    return make_org()


def test_a_stranger_is_asked_to_sign_in_everywhere(org: Org) -> None:
    wrong = []
    nobody = Caller(None)
    for route in ROUTES:
        for method in route.methods:
            rule = route.rule(method)
            assert rule is not None
            status = nobody.call(method, route.path()).status_code
            if isinstance(rule, Token):
                right = status in (401, 403, 404, 405)
            elif rule.needs_sign_in:
                right = status in (401, 405)
            else:
                right = status != 500  # open to all; what it asks for itself is its own matter
            if not right:
                wrong.append((method, route.label, status))
        if (rule := route.rule("GET")) and rule.needs_sign_in and not route.template.startswith("/api/"):
            page = nobody.call("GET", route.path(), html=True)
            if not (
                page.status_code == 405 or page.status_code == 302 and page["Location"].startswith("/login/?next=")
            ):
                wrong.append(("GET as a page", route.label, page.status_code))
    assert wrong == []


@pytest.mark.parametrize("role", role_names())
def test_each_role_gets_what_is_declared_and_nothing_else(org: Org, role: str) -> None:
    person = holder_of(role, org)
    caller, who = Caller(person), actor(person)
    wrong = []
    for route in ROUTES:
        for method in route.telling_methods:
            rule = route.rule(method)
            assert rule is not None
            if isinstance(rule, (Anonymous, Token)):
                continue  # the same for everybody, and tried by the stranger
            if isinstance(rule, SignedIn) and role not in EITHER_END:
                continue  # asks for no role: tried by the first and the last
            response = caller.call(method, route.path())
            status = response.status_code
            if rule.allows(who):
                right = status not in (401, 500) and not (status == 403 and code_of(response) == own_code(rule))
            else:
                right = status == 405 or (status == 403 and code_of(response) == own_code(rule))
            if not right:
                wrong.append((method, route.label, status, code_of(response)))
    assert wrong == []


# ---------------------------------------------------------------- ids out of scope


def spread_ids() -> None:
    """Let each table count from a million of its own, so that a row's id is the id of that row alone."""
    with connection.cursor() as cursor:
        for number, model in enumerate(_business_models(), 1):
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [model._meta.db_table, model._meta.pk.column])
            (sequence,) = cursor.fetchone()
            if sequence:
                cursor.execute(f"ALTER SEQUENCE {sequence} RESTART WITH {number * 1_000_000 + 7}")


def _business_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in DEPARTMENTS and model._meta.managed]


def foreign_rows(org: Org) -> list[models.Model]:
    """Return rows that belong to the other store: whatever a route may show, these it must not."""
    from tests.factories.crm import make_friend, make_member, make_order, make_ticket
    from tests.factories.tasks import make_task

    member = make_member(owner=org.stranger, phone="13800132075")
    order = make_order(member, paid_at="2026-03-01 15:00", guide=org.stranger, store=org.other_store)
    task = make_task(member, org.stranger)
    return [
        org.stranger,
        org.other_store,
        org.other_store.unit,
        org.other_area,
        member,
        order,
        make_friend(member, org.stranger),
        make_ticket(member, opened_at="2026-03-02 10:00"),
        task,
        Script.objects.create(
            key="for_staff", task_type="care", audience="internal", text="…", created_at=task.created_at
        ),
        ScriptFavourite.objects.create(guide=org.stranger, text="我自己的说法", created_at=task.created_at),
    ]


def identifiers(row: models.Model) -> dict[str, list[str]]:
    """Return what addresses a row, by kind of route argument."""
    found: dict[str, list[str]] = {
        "int": [str(row.pk)],
        "regex": [str(row.pk)],
        "str": [str(row.pk)],
        "uuid": [],
        "slug": [],
    }
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if isinstance(value, UUID):
            found["uuid"].append(str(value))
        if value and (isinstance(value, UUID) or field.name in ("public_id", "code", "key", "member_no", "number")):
            for kind in ("str", "slug", "regex"):
                found[kind].append(str(value))
    return found


def test_every_scoped_table_has_a_row_of_another_store(org: Org) -> None:
    scoped = {model for model in _business_models() if hasattr(model._default_manager, "visible_to")}
    assert {model.__name__ for model in scoped - {type(row) for row in foreign_rows(org)}} == set()


def test_rows_of_another_store_are_out_of_sight(org: Org) -> None:
    strangers = foreign_rows(org)
    for person in (org.guide, org.manager):
        for row in strangers:
            if hasattr(type(row)._default_manager, "visible_to"):
                assert not type(row)._default_manager.visible_to(actor(person)).filter(pk=row.pk).exists(), (
                    person,
                    row,
                )


@pytest.mark.parametrize("role", ["guide", "store_manager", "area_supervisor", "dealer", "branch_member_manager"])
def test_an_id_out_of_scope_answers_404(role: str) -> None:
    spread_ids()
    org = make_org()
    strangers = foreign_rows(org)
    person = outsider(role, org)
    caller, who = Caller(person), actor(person)
    wrong = []
    for route in ROUTES:
        for method in route.telling_methods if route.arguments else ():
            rule = route.rule(method)
            assert rule is not None
            if not rule.needs_sign_in or not rule.allows(who):
                continue
            for row in strangers:
                found = identifiers(row)
                values = [found.get(converter, found["str"]) for _name, converter in route.arguments]
                for chosen in product(*values):
                    path = route.path(**dict(zip((name for name, _ in route.arguments), chosen, strict=True)))
                    status = caller.call(method, path).status_code
                    # 400 and 422: the body was judged first; nothing is told of the row by that.
                    if status not in ((404, 405) if method == "GET" else (400, 404, 405, 422)):
                        wrong.append((method, path, status, f"{type(row).__name__} of another store"))
    assert wrong == []


def outsider(role: str, org: Org) -> Staff:
    """Return a holder of a role who has nothing to do with the other store."""
    from tests.factories.guides import make_staff, make_unit

    if role == "branch_member_manager":
        return make_staff(role, unit=make_unit("branch", parent=org.hq))
    return holder_of(role, org)
