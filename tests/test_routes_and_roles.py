"""Every route says who may call it, and keeps its word: all routes x all roles x own, a colleague's and foreign rows.

Nothing here names a route. A new one is found in the URLconf; one that declares no access fails. A new kind of business
row is filled by itself (tests/walk/world.py). That the walk catches a hole of each kind is shown in test_planted_holes.py.

It is a sample; whole it would take hours. Every role tries every route it may call with a foreign row's ids, and below HQ with a
colleague's. Where a role is refused, one of GET and POST of a function view is tried, as one declaration refuses both.
Parameters and fields are tried by the seven roles of TRYING_NAMES, and only by who does not see all members; each name alone and
all at once, not each pair; beside an id in the path once a view, by the first of those roles that may call it. As a fragment of
htmx: ids by guide and manager, parameters by all seven. Whoever sees all members tries no parameters. A source's token reaches one
route with an id, GET /api/v1/intake/batches/7/: tests/intake/test_api.py asks it with another source's token.
"""

import pytest
from django.http import HttpResponse
from django.urls import get_resolver
from django.urls import path as url_path

from guides.org.actors import role_book, role_names
from guides.org.api import StaffViewSet
from guides.org.models import RoleAssignment, Staff, Store
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff
from tests.walk.browser import Caller, code_of, install_spies, own_code
from tests.walk.holes import Sight, callable_routes, id_holes, name_holes
from tests.walk.urlconf import ROUTES, routes
from tests.walk.world import FOREIGN, foreign_rows, own_rows, scoped_models, sibling_rows
from yejibao.core.access import Anonymous, Declared, Rule, SignedIn, Token

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


@pytest.fixture
def org() -> Org:
    return make_org()


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
                page.status_code == 405 or page.status_code == 302 and page["Location"].startswith("/login/?next=")
            ):
                wrong.append(("GET as a page", route.label, page.status_code))
    assert wrong == []


@pytest.mark.parametrize("role", role_names())
def test_each_role_gets_what_is_declared_and_nothing_else(org: Org, role: str) -> None:
    person = holder_of(role, org)
    caller, who = Caller(person), actor(person)
    wrong = []
    for place, route in enumerate(ROUTES):
        telling = route.telling_methods
        for turn, method in enumerate(telling):
            rule = route.asks(method)
            if isinstance(rule, (Anonymous, Token)):
                continue  # the same for everybody, and tried by the stranger
            if isinstance(rule, SignedIn) and role not in EITHER_END:
                continue  # asks for no role: tried by the first and the last
            may = rule.allows(who)
            if not may and not route.drf_class and turn != place % len(telling):
                continue  # one declaration refuses both methods of a function view: one of them is tried
            response = caller.call(method, route.path())
            status = response.status_code
            if may:
                right = status not in (401, 500) and not (status == 403 and code_of(response) == own_code(rule))
            else:
                right = status == 405 or (status == 403 and code_of(response) == own_code(rule))
            if not right:
                wrong.append((method, route.label, status, code_of(response)))
    assert wrong == []


# ---------------------------------------------------------------- whose rows


@pytest.mark.parametrize("role", OUTSIDERS)
def test_rows_of_another_store_are_out_of_sight(org: Org, role: str) -> None:
    foreign, who = foreign_rows(org), actor(holder_of(role, org))
    scoped = [row for row in foreign.rows if hasattr(type(row)._default_manager, "visible_to")]
    assert {type(row) for row in scoped} == set(scoped_models())
    assert [row for row in scoped if type(row)._default_manager.visible_to(who).filter(pk=row.pk).exists()] == []


@pytest.mark.parametrize("role", role_names())
def test_an_id_answers_404_wherever_its_row_is_out_of_sight(
    org: Org, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = holder_of(role, org)
    sets = [foreign_rows(org)]  # whose reach is the company has no sibling beside him
    sets += [sibling_rows(org)] if role in OUTSIDERS else []
    sets += [own_rows(person, org)] if person.store_id else []
    install_spies(monkeypatch)
    assert id_holes(person, sets, fragments=role in AS_FRAGMENTS) == []


@pytest.mark.parametrize("role", TRYING_NAMES)
def test_no_parameter_or_field_reaches_a_foreign_row(org: Org, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    person = holder_of(role, org)
    foreign = foreign_rows(org)
    own = own_rows(guide_under(person, org), org)
    done = callable_by(TRIED_BEFORE[role], org) if role in TRIED_BEFORE else set()
    if role in TRIED_WITH_ID:
        done = {label for label in callable_by(TRIED_WITH_ID[role], org) if "{" in label}
    install_spies(monkeypatch)
    assert name_holes(person, own, foreign, [route for route in ROUTES if route.label not in done]) == []


def guide_under(person: Staff, org: Org) -> Staff:
    """Return whose rows stand for a person's own: his, or those of a guide of a store he is over or reads the figures of."""
    if person.store_id:
        return person
    owned = Store.objects.filter(dealer__in=RoleAssignment.objects.filter(staff=person).values("dealer")).first()
    return make_staff(store=owned or org.store)


def callable_by(role: str, org: Org) -> set[str]:
    return {route.label for route, _method in callable_routes(actor(holder_of(role, org)), ROUTES)}


def test_a_view_that_forgets_the_scope_is_caught(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = foreign_rows(org)
    install_spies(monkeypatch)
    monkeypatch.setattr(StaffViewSet, "get_queryset", lambda view: Staff.objects.all())
    staff = [route for route in ROUTES if route.template.startswith("/api/v1/staff/")]
    assert {(hole.method, hole.path) for hole in id_holes(org.guide, [foreign], staff)} == {
        ("GET", f"/api/v1/staff/{FOREIGN}/")
    }


def test_the_ids_that_are_tried_are_real(org: Org) -> None:
    """To the guide whose rows they are, the same calls do answer."""
    rows = foreign_rows(org)
    caller, who = Caller(rows.guide), actor(rows.guide)
    assert Sight(who, [rows]).of(FOREIGN, "crm_member") is True
    answered = set()
    for route, method in callable_routes(who, ROUTES):
        if method == "GET" and len(route.arguments) == 1:
            ((name, converter),) = route.arguments
            paths = [route.path(**{name: value}) for value in rows.values(converter)]
            if any(caller.call("GET", path).status_code == 200 for path in paths):
                answered.add(route.template)
    assert {"/api/v1/staff/{pk}/", "/api/v1/stores/{pk}/", "/g/tasks/{pk}/", "/g/members/{public_id}/"} <= answered
