"""Every route says who may call it, and keeps its word: all routes x all roles x all methods, and ids out of scope.

Nothing here names a route. A new one is found in the URLconf; one that declares no access fails. What a new kind of
business row needs is a line in `make_foreign`: the rows of another store, none of which may ever be shown or changed.
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
from django.urls import path as url_path
from django.urls.resolvers import RegexPattern, RoutePattern

from crm.friends.models import Contact, ContactWay, LinkReview
from crm.members.models import GuideHandover, MemberMerge
from guides.exports.models import Export
from guides.notices.models import Notification
from guides.org.actors import role_names
from guides.org.api import StaffViewSet
from guides.org.models import Staff, StoreChange
from tasks.review.models import StoreWeek
from tasks.scripts.models import Script, ScriptFavourite
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, make_unit, session_of
from tests.factories.tasks import make_task
from yejibao.core import clock
from yejibao.core.access import Anonymous, Declared, Rule, SignedIn, Token
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ADDRESS = "8.8.8.8"  # not one of the internal addresses, which /statusz and /metrics trust
ABSENT = {"uuid": "00000000-0000-4000-8000-000000000000"}  # by converter; a number for all others
ABSENT_NUMBER = "987654321"
EITHER_END = ("guide", "sys_admin")
# Roles whose reach ends somewhere below HQ, and that may call something with an id.
OUTSIDERS = (
    "guide",
    "store_manager",
    "area_supervisor",
    "region_manager",
    "branch_manager",
    "branch_member_manager",
    "dealer",
)
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


def test_a_route_that_declares_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = get_resolver()
    added = [url_path("odd/<int:pk>/", lambda request, pk: HttpResponse())]
    monkeypatch.setitem(resolver.__dict__, "url_patterns", [*resolver.url_patterns, *added])
    (route,) = [route for route in routes() if route.template == "/odd/{pk}/"]
    assert (route.rule("GET"), route.arguments, route.path(pk="7")) == (None, (("pk", "int"),), "/odd/7/")


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

FOREIGN_ID = 7_000_007


@dataclass(frozen=True)
class Foreign:
    """A store elsewhere and all that belongs to it. The first row of each table has the id FOREIGN_ID."""

    guide: Staff
    rows: tuple[models.Model, ...]

    def values(self, converter: str) -> list[str]:
        """Return what a route's argument of this kind could be to address one of the rows."""
        if converter == "int":
            return [str(FOREIGN_ID)]
        found = {
            str(value)
            for row in self.rows
            for field in row._meta.concrete_fields
            if (value := getattr(row, field.attname))
            and (isinstance(value, UUID) or converter != "uuid" and field.name in TEXT_IDS)
        }
        return sorted(found) + ([str(FOREIGN_ID)] if converter in ("str", "regex") else [])


TEXT_IDS = ("public_id", "code", "key", "member_no", "number")


def business_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if model._meta.app_label in DEPARTMENTS and model._meta.managed]


def count_from_foreign_id() -> None:
    """Let each table's next row have the same id: one call of a route then tries the row of whatever table it reads."""
    with connection.cursor() as cursor:
        for model in business_models():
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [model._meta.db_table, model._meta.pk.column])
            (sequence,) = cursor.fetchone()
            if sequence:
                cursor.execute(f"ALTER SEQUENCE {sequence} RESTART WITH {FOREIGN_ID}")


def make_foreign(org: Org) -> Foreign:
    """Return rows of a store in another branch: whatever a route may show the org's people, these it must not."""
    count_from_foreign_id()
    now = clock.now()
    branch = make_unit("branch", parent=org.hq)
    store = make_store(area=make_unit("area", parent=make_unit("region", parent=branch)), code="F001")
    guide = make_staff(store=store)
    member = make_member(owner=guide, phone="13800132075")
    order = make_order(member, paid_at="2026-03-01 15:00", guide=guide, store=store)
    contact = Contact.objects.create(external_user_id="wmforeign")
    way = {"kind": "guide", "guide": guide, "store": None, "token": "g1", "state": "ready", "created_at": now}
    rows = [
        branch, store, guide, member, order,
        ContactWay.objects.create(**way, picture=b"\x89PNG", qr_url="https://wework.qpic.cn/x"),
        LinkReview.objects.create(contact=contact, guide=guide, reason="phones", candidate_ids=[member.pk], created_at=now),
        MemberMerge.objects.create(kept=member, gone=make_member(owner=guide), reason="…", at=now),
        make_friend(member, guide),
        make_ticket(member, opened_at="2026-03-02 10:00"),
        GuideHandover.objects.create(guide=make_staff(store=store, state="resigned"), store=store, left_at=now),
        StoreChange.objects.create(staff=guide, from_store=store, to_store=org.other_store, starts_on=clock.local_day(now), at=now),
        make_task(member, guide),
        Export.objects.create(
            kind="review", title="…", staff=guide, working_role="guide", state="ready", asked_at=now, asked_on=clock.local_day(now)
        ),
        Notification.objects.create(staff=guide, kind="task", key="task:1", title="…", url="/g/today/", at=now),
        Script.objects.create(key="for_staff", task_type="care", audience="internal", text="…", created_at=now),
        ScriptFavourite.objects.create(guide=guide, text="我自己的说法", created_at=now),
        StoreWeek.objects.create(store=store, week="2026-03-02", done_count=1, due_count=2, created_at=now),
    ]  # fmt: skip
    return Foreign(guide, tuple(rows))


def id_calls(foreign: Foreign, who: Actor) -> Iterator[tuple[Route, str, str]]:
    """Return (route, method, path) for each id of the foreign rows on each route that this actor may call."""
    for route in ROUTES:
        for method in route.telling_methods if route.arguments else ():
            rule = route.rule(method)
            assert rule is not None
            if rule.needs_sign_in and rule.allows(who):
                for chosen in product(*(foreign.values(converter) for _name, converter in route.arguments)):
                    names = (name for name, _converter in route.arguments)
                    yield route, method, route.path(**dict(zip(names, chosen, strict=True)))


def test_every_scoped_table_has_a_row_of_another_store(org: Org) -> None:
    scoped = {model.__name__ for model in business_models() if hasattr(model._default_manager, "visible_to")}
    assert scoped - {type(row).__name__ for row in make_foreign(org).rows} == set(), "add them to make_foreign"


@pytest.mark.parametrize("role", OUTSIDERS)
def test_rows_of_another_store_are_out_of_sight(org: Org, role: str) -> None:
    foreign, who = make_foreign(org), actor(holder_of(role, org))
    scoped = [row for row in foreign.rows if hasattr(type(row)._default_manager, "visible_to")]
    assert [row for row in scoped if type(row)._default_manager.visible_to(who).filter(pk=row.pk).exists()] == []


@pytest.mark.parametrize("role", OUTSIDERS)
def test_an_id_out_of_scope_answers_404(org: Org, role: str) -> None:
    person = holder_of(role, org)
    assert leaks(person, make_foreign(org)) == []


def leaks(person: Staff, foreign: Foreign) -> list[tuple[str, str, int, str]]:
    caller, wrong = Caller(person), []
    for route, method, path in id_calls(foreign, actor(person)):
        status = caller.call(method, path).status_code
        # 400 and 422: the body was judged first; nothing is told of the row by that.
        if status not in ((404, 405) if method == "GET" else (400, 404, 405, 422)):
            wrong.append((method, path, status, route.label))
    return wrong


def test_a_view_that_forgets_the_scope_is_caught(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StaffViewSet, "get_queryset", lambda view: Staff.objects.all())
    assert [(method, path, status) for method, path, status, _label in leaks(org.guide, make_foreign(org))] == [
        ("GET", f"/api/v1/staff/{FOREIGN_ID}/", 200)
    ]


def test_the_ids_that_are_tried_are_real(org: Org) -> None:
    """To the guide whose rows they are, the same calls do answer."""
    foreign = make_foreign(org)
    caller = Caller(foreign.guide)
    calls = [call for call in id_calls(foreign, actor(foreign.guide)) if call[1] == "GET"]
    answered = {route.template for route, method, path in calls if caller.call(method, path).status_code == 200}
    assert {"/api/v1/staff/{pk}/", "/api/v1/stores/{pk}/"} < answered
