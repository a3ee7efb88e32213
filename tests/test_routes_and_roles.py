"""Every route says who may call it, and keeps its word: all routes x all roles x own, a colleague's and foreign rows.

Nothing here names a route. A new one is found in the URLconf; one that declares no access fails. A new kind of business
row is filled by itself (tests/walk/world.py). That the walk catches a hole of each kind is shown in test_planted_holes.py.

It is a sample; whole it would take hours. Every role tries every route it may call with a foreign row's ids, and below HQ with a
colleague's; of texts and UUIDs those of the tables that the view asks for them. Where a role is refused the view is asked itself,
and each 22nd time by the whole way through the middleware, on which the stranger meets every route. Parameters and fields are tried
by the seven roles of TRYING_NAMES, and only by who does not see all members; each name alone and all at once, not each pair; beside
an id in the path once a view, by the first of those roles that may call it. As a fragment of htmx: ids by guide and manager,
parameters by all seven. Whoever sees all members tries no parameters. A source's token reaches one route with an id,
GET /api/v1/intake/batches/7/: tests/intake/test_api.py asks it with another source's token.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import get_resolver
from django.urls import path as url_path

from crm.members.models import Member
from guides.org.actors import role_book, role_names
from guides.org.api import StaffViewSet
from guides.org.models import RoleAssignment, Staff, Store
from tests.factories.guides import Org, actor, holder_of, make_staff
from tests.factories.portal import as_member
from tests.walk.browser import Caller, asked_itself, code_of, install_spies, known_addresses, own_code
from tests.walk.holes import Sight, callable_routes, id_holes, name_holes
from tests.walk.urlconf import ROUTES, Route, routes
from tests.walk.world import FOREIGN, Company, Rows, company, own_rows, scoped_models
from yejibao.core import limits
from yejibao.core.access import Anonymous, Declared, Members, Rule, SignedIn, Token, is_members_place

pytestmark = pytest.mark.django_db

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
# For parameters and fields: each way in which a reach ends, and two of HQ who see no member.
TRYING_NAMES = ("guide", "store_manager", "area_supervisor", "branch_member_manager", "dealer", "sys_admin", "hq_merch")
# Whose views another has tried already: the manager sees more than a guide, neither of the two at HQ sees a member.
TRIED_BEFORE = {"store_manager": "guide", "hq_merch": "sys_admin"}
# The same, of routes with an id alone: a view that takes a foreign id beside one's own takes it from the manager too.
TRIED_WITH_ID = {
    "area_supervisor": "store_manager",
    "branch_member_manager": "store_manager",
    "dealer": "store_manager",
}
AS_FRAGMENTS = ("guide", "store_manager")


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: Any) -> Iterator[Company]:
    with django_db_blocker.unblock(), known_addresses(), company() as made:
        yield made


@pytest.fixture
def org(built: Company) -> Org:
    return built.org


@pytest.fixture
def foreign(built: Company) -> Rows:
    return built.foreign


@pytest.fixture
def sibling(built: Company) -> Rows:
    return built.sibling


# ---------------------------------------------------------------- what is declared


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
    unknown = set()
    for route in ROUTES:
        for method in route.methods:
            rule = route.rule(method)
            unknown |= {(route.label, role) for role in getattr(rule, "roles", ()) if role not in role_names()}
            permission = getattr(rule, "permission", None)
            if permission is not None and permission not in role_book()["permissions"]:
                unknown.add((route.label, permission))
    assert unknown == set()


# ---------------------------------------------------------------- who may call


def test_a_stranger_is_asked_to_sign_in_everywhere(org: Org) -> None:
    wrong = []
    nobody = Caller(None)
    for route in ROUTES:
        for method in route.methods:
            rule = route.asks(method)
            if rule.needs_sign_in and not route.drf_class and method not in ("GET", "POST", "DELETE"):
                continue  # a function view tells these from POST no more than its declaration does
            status = nobody.call(method, route.path()).status_code
            if isinstance(rule, Token):
                right = status in (401, 403, 404, 405)
            elif rule.needs_sign_in:
                right = status in (401, 405)
            else:
                right = status != 500  # open to all; what it asks for itself is its own matter
            if not right:
                wrong.append((method, route.label, status))
        if (rule := route.asks("GET")) and rule.needs_sign_in and not route.template.startswith("/api/"):
            page = nobody.call("GET", route.path(), html=True)
            if not (
                page.status_code == 405
                or page.status_code == 302
                and page["Location"].startswith(f"{rule.sign_in_page}?next=")
            ):
                wrong.append(("GET as a page", route.label, page.status_code))
    assert wrong == []


@pytest.mark.parametrize("role", role_names())
def test_each_role_gets_what_is_declared_and_nothing_else(org: Org, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "hit", lambda *_told, **_more: 0)  # it posts to more money routes than a cashier may
    person, number = holder_of(role, org), list(role_names()).index(role)
    caller, who = Caller(person), actor(person)
    wrong = []
    for place, route in enumerate(ROUTES):
        for method in route.telling_methods:
            rule = route.asks(method)
            if isinstance(rule, (Anonymous, Token)):
                continue  # the same for everybody, and tried by the stranger
            if isinstance(rule, (SignedIn, Members)) and role not in EITHER_END:
                continue  # asks for no role: tried by the first and the last
            may, path = rule.allows(who), route.path()
            if may or isinstance(rule, Members) or place % len(role_names()) == number:
                response = caller.call(method, path)
                status, code = response.status_code, code_of(response)
            else:  # the way to a view is the same for every role
                status, code = asked_itself(method, path, who)
            refused = status == 403 and code == own_code(rule, path)
            if isinstance(rule, Members):
                right = status in (401, 405)  # nobody there, whoever he is elsewhere
            elif may:
                right = status not in (401, 500) and not refused
            else:
                right = status == 405 or refused
            if not right:
                wrong.append((method, route.label, status, code))
    assert wrong == []


# ---------------------------------------------------------------- whose rows


@pytest.mark.parametrize("role", OUTSIDERS)
def test_rows_of_another_store_are_out_of_sight(org: Org, foreign: Rows, role: str) -> None:
    who = actor(holder_of(role, org))
    scoped = [row for row in foreign.rows if hasattr(type(row)._default_manager, "visible_to")]
    assert {type(row) for row in scoped} == set(scoped_models())
    assert [row for row in scoped if type(row)._default_manager.visible_to(who).filter(pk=row.pk).exists()] == []


@pytest.mark.parametrize("role", role_names())
def test_an_id_answers_404_wherever_its_row_is_out_of_sight(
    org: Org, foreign: Rows, sibling: Rows, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = holder_of(role, org)
    sets = [foreign]  # whose reach is the company has no sibling beside him
    sets += [sibling] if role in OUTSIDERS else []
    sets += [own_rows(person, org)] if person.store_id else []
    install_spies(monkeypatch)
    assert id_holes(person, sets, fragments=role in AS_FRAGMENTS) == []


@pytest.mark.parametrize("role", TRYING_NAMES)
def test_no_parameter_or_field_reaches_a_foreign_row(
    org: Org, foreign: Rows, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = holder_of(role, org)
    own = own_rows(guide_under(person, org), org)
    done = callable_by(TRIED_BEFORE[role], org) if role in TRIED_BEFORE else set()
    if role in TRIED_WITH_ID:
        done = {label for label in callable_by(TRIED_WITH_ID[role], org) if "{" in label}
    install_spies(monkeypatch)
    assert name_holes(person, own, foreign, [route for route in ROUTES if route.label not in done]) == []


# ---------------------------------------------------------------- members


def member_routes() -> list[Route]:
    return [route for route in ROUTES if is_members_place(route.template)]


def test_members_are_asked_for_in_their_own_places_and_nowhere_else() -> None:
    kinds = (Members, Anonymous, Token)
    wrong = [
        (method, route.label) for route in ROUTES for method in route.methods
        if is_members_place(route.template) and not isinstance(route.rule(method), kinds)
        or isinstance(route.rule(method), Members) and not is_members_place(route.template)
    ]  # fmt: skip
    assert wrong == [] and len(member_routes()) > 10


def test_a_member_may_call_what_is_his_and_nothing_of_staff(org: Org) -> None:
    member = own_rows(org.guide, org).of(Member)
    assert isinstance(member, Member)
    caller, wrong = Caller(member), []
    for route in ROUTES:
        for method in route.telling_methods:
            rule = route.asks(method)
            if isinstance(rule, (Anonymous, Token)):
                continue
            status = caller.call(method, route.path()).status_code
            is_his = isinstance(rule, Members)
            if status in (401, 500) if is_his else status not in (401, 405):
                wrong.append((method, route.label, status))
    assert wrong == []


def test_rows_of_another_member_are_out_of_a_members_sight(org: Org, foreign: Rows) -> None:
    own = own_rows(org.guide, org)
    member = own.of(Member)
    assert isinstance(member, Member)
    scoped = [row for row in foreign.rows if hasattr(type(row)._default_manager, "visible_to")]
    seen = [
        row for row in scoped if type(row)._default_manager.visible_to(as_member(member)).filter(pk=row.pk).exists()
    ]
    assert seen == []
    assert Member.objects.visible_to(as_member(member)).get() == member


def test_another_members_id_answers_404_to_a_member(
    org: Org, foreign: Rows, sibling: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_rows(org.guide, org)
    member = own.of(Member)
    assert isinstance(member, Member)
    sets = [foreign, sibling, own]
    install_spies(monkeypatch)
    assert id_holes(member, sets, fragments=True) == []


def test_no_parameter_or_field_reaches_another_members_row(
    org: Org, foreign: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = own_rows(org.guide, org)
    member = own.of(Member)
    assert isinstance(member, Member)
    install_spies(monkeypatch)
    assert name_holes(member, own, foreign, member_routes()) == []


def guide_under(person: Staff, org: Org) -> Staff:
    """Return whose rows stand for a person's own: his, or those of a guide of a store he is over or reads the figures of."""
    if person.store_id:
        return person
    owned = Store.objects.filter(dealer__in=RoleAssignment.objects.filter(staff=person).values("dealer")).first()
    return make_staff(store=owned or org.store)


def callable_by(role: str, org: Org) -> set[str]:
    return {route.label for route, _method in callable_routes(actor(holder_of(role, org)), ROUTES)}


def test_a_view_that_forgets_the_scope_is_caught(org: Org, foreign: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    install_spies(monkeypatch)
    monkeypatch.setattr(StaffViewSet, "get_queryset", lambda view: Staff.objects.all())
    staff = [route for route in ROUTES if route.template.startswith("/api/v1/staff/")]
    assert {(hole.method, hole.path) for hole in id_holes(org.guide, [foreign], staff)} == {
        ("GET", f"/api/v1/staff/{FOREIGN}/")
    }


def test_the_ids_that_are_tried_are_real(foreign: Rows) -> None:
    """To the guide whose rows they are, the same calls do answer."""
    caller, who = Caller(foreign.guide), actor(foreign.guide)
    assert Sight(who, [foreign]).of(FOREIGN, "crm_member") is True
    expected = {"/api/v1/staff/{pk}/", "/api/v1/stores/{pk}/", "/g/tasks/{pk}/", "/g/members/{public_id}/"}
    answered = set()
    for route, method in callable_routes(who, [route for route in ROUTES if route.template in expected]):
        if method == "GET":
            ((name, converter),) = route.arguments
            paths = [route.path(**{name: value}) for value in foreign.values(converter)]
            if any(caller.call("GET", path).status_code == 200 for path in paths):
                answered.add(route.template)
    assert answered == expected
