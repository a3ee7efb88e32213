"""Who am I and what may I see: one query, always from the database of this moment."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from guides.org.actors import permissions_of, role_book, role_names
from guides.org.granting import grant_role
from guides.org.models import RoleAssignment, Staff, Store
from tests.factories.guides import (
    Org,
    actor,
    holder_of,
    make_dealer,
    make_org,
    make_staff,
    make_store,
    make_unit,
    sign_in,
)
from yejibao.core import clock as product_clock
from yejibao.core import words
from yejibao.core.scope import Actor, Grant

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


def names(people: Any) -> list[str]:
    return sorted(people.values_list("name", flat=True))


# ---------------------------------------------------------------- one query


@pytest.mark.parametrize("extra_roles", [0, 3])
def test_session_person_and_roles_take_one_query(
    client: Client, org: Org, extra_roles: int, django_assert_num_queries: Any
) -> None:
    for _ in range(extra_roles):
        RoleAssignment.objects.create(
            staff=org.manager, role="area_supervisor", unit=make_unit("area", parent=org.region)
        )
    sign_in(client, org.manager)
    with django_assert_num_queries(1):
        answer = client.get("/api/v1/me/")
    assert (answer.status_code, answer.json()["name"], answer.json()["home"]) == (200, "陈国栋", "/m/review/")


def test_an_anonymous_request_asks_nothing(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize("key", ["x" * 32, "short", "a" * 40 + "\x00", "'; select 1; --", "é" * 32])
def test_a_forged_session_id_is_nobody(client: Client, org: Org, settings: Any, key: str) -> None:
    client.cookies[settings.SESSION_COOKIE_NAME] = key
    assert client.get("/api/v1/me/").status_code == 401


def test_the_database_down_is_503_with_a_sentence(client: Client, org: Org, monkeypatch: Any) -> None:
    from django.db import OperationalError

    from guides.org import middleware

    def down(request: Any) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(middleware, "actor_of_request", down)
    answer = client.get("/api/v1/me/")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "5")


# ---------------------------------------------------------------- roles


def test_each_role_becomes_its_scope(org: Org) -> None:
    reach = {}
    for role in role_names():
        (grant,) = actor(holder_of(role, org)).grants
        reach[role] = (grant.reach, grant.path) if not grant.store_ids else ("stores", len(grant.store_ids))
    expected = {row["key"]: row["scope"] for row in role_book()["roles"]}
    where = {"store": org.store.unit, "area": org.area, "region": org.region, "branch": org.branch}
    for role, scope in expected.items():
        match scope:
            case "self":
                assert reach[role] == ("self", org.store.unit.path), role
            case "all":
                assert reach[role] == ("all", ""), role
            case "dept":
                assert reach[role] == ("self", ""), role
            case "stores_owned":
                assert reach[role] == ("stores", 1), role
            case _:
                assert reach[role] == ("units", where[scope].path), role


def test_permissions_are_those_of_the_domain_file(org: Org) -> None:
    book = role_book()["permissions"]
    for role in role_names():
        held = actor(holder_of(role, org)).permissions
        assert held == {name for name, holders in book.items() if role in holders}, role
    assert permissions_of(frozenset({"guide", "finance"})) >= {"order.cashier", "stored_value.refund"}


def test_role_names_on_screen_are_those_of_the_domain_file() -> None:
    assert {key: words.role_name(key) for key in role_names()} == {
        key: name.split("(")[0] for key, name in role_names().items()
    }


def test_an_assignment_holds_from_to(org: Org, clock: Any) -> None:
    today = clock.travel("2026-03-10 12:00")
    day = product_clock.local_day(today)
    grant_role(
        org.guide, role="guide", unit=org.other_store.unit, starts_on=day, ends_on=day + timedelta(days=2),
        actor=Actor.system(), now=today,
    )  # fmt: skip
    seen = {}
    for moment in ("2026-03-09 23:59", "2026-03-10 00:00", "2026-03-12 23:59", "2026-03-13 00:00"):
        clock.travel(moment)
        seen[moment] = sorted(Store.objects.visible_to(actor(org.guide)).values_list("short_name", flat=True))
    own, both = ["新街口店"], ["新街口店", "观前店"]
    assert list(seen.values()) == [own, both, both, own]


def test_a_change_of_role_acts_at_the_next_request(client: Client, org: Org) -> None:
    sign_in(client, org.guide)
    assert client.get("/api/v1/me/").json()["working_role"] == "guide"
    RoleAssignment.objects.filter(staff=org.guide).update(role="store_manager")
    assert client.get("/api/v1/me/").json()["working_role"] == "store_manager"
    RoleAssignment.objects.filter(staff=org.guide).delete()
    assert client.get("/api/v1/me/").json()["code"] == "auth.no_role"


def test_scope_is_the_union_of_the_roles_held(org: Org) -> None:
    RoleAssignment.objects.create(staff=org.manager, role="store_manager", unit=org.other_store.unit)
    both = actor(org.manager)
    assert both.working_role == "store_manager"
    assert Store.objects.visible_to(both).count() == 2
    assert names(Staff.objects.answering_to(both)) == ["林晓雯", "陈国栋", "黄婷"]


# ---------------------------------------------------------------- scope of people, stores, units


def test_a_guide_sees_her_store_and_answers_for_herself(org: Org) -> None:
    me = actor(org.guide)
    assert names(Staff.objects.visible_to(me)) == ["林晓雯", "陈国栋"]
    assert names(Staff.objects.answering_to(me)) == ["林晓雯"]
    assert list(Store.objects.visible_to(me)) == [org.store]


def test_heads_see_what_is_below_them(org: Org) -> None:
    assert names(Staff.objects.answering_to(actor(org.manager))) == ["林晓雯", "陈国栋"]
    supervisor = make_staff("area_supervisor", unit=org.area, name="何敏")
    assert names(Staff.objects.answering_to(actor(supervisor))) == ["何敏", "林晓雯", "陈国栋"]
    region = make_staff("region_manager", unit=org.region, name="宋志远")
    assert names(Staff.objects.answering_to(actor(region))) == ["何敏", "宋志远", "林晓雯", "陈国栋", "黄婷"]
    assert Store.objects.visible_to(actor(supervisor)).count() == 1
    assert Store.objects.visible_to(actor(region)).count() == 2


def test_a_path_that_begins_alike_is_another_unit(org: Org) -> None:
    """Area 1/2/3/4/ must not reach into 1/2/3/41/."""
    neighbour = make_store(area=org.region)
    neighbour.unit.path = f"{org.area.path[:-1]}1/9/"
    neighbour.unit.save()
    supervisor = make_staff("area_supervisor", unit=org.area)
    assert list(Store.objects.visible_to(actor(supervisor))) == [org.store]


def test_a_dealer_sees_the_stores_he_owns_and_no_other(org: Org) -> None:
    dealer = make_dealer()
    owned = [
        make_store(area=org.area, kind="dealer", dealer=dealer),
        make_store(area=org.area, kind="dealer", dealer=dealer),
    ]
    make_store(area=org.area, kind="dealer", dealer=make_dealer())
    clerk = make_staff("guide", store=owned[0], name="洪佳怡")
    boss = make_staff("dealer", unit=org.hq, dealer=dealer, name="沈立群")
    assert set(Store.objects.visible_to(actor(boss))) == set(owned)
    assert set(Staff.objects.visible_to(actor(boss))) == {boss, clerk}
    assert names(Staff.objects.answering_to(actor(boss))) == ["沈立群"]


def test_a_dealer_without_stores_sees_nothing_more(org: Org) -> None:
    boss = make_staff("dealer", unit=org.hq, dealer=make_dealer())
    assert list(Store.objects.visible_to(actor(boss))) == []


def test_hq_sees_all_and_a_department_of_things_the_stores_it_goes_to_and_nobody_in_them(org: Org) -> None:
    operator = make_staff("hq_operator", unit=org.hq)
    engineer, stylist = (make_staff(role, unit=org.hq) for role in ("hq_engineering", "stylist"))
    assert Store.objects.visible_to(actor(operator)).count() == 2
    assert Store.objects.visible_to(actor(engineer)).count() == 2  # patrols them (access_matrix.yaml, patrol.do)
    assert list(Store.objects.visible_to(actor(stylist))) == []
    assert list(Staff.objects.visible_to(actor(engineer))) == [engineer]


def test_nobody_and_the_system(org: Org) -> None:
    for model in (Staff, Store, type(org.hq)):
        assert not model.objects.visible_to(Actor()).exists()
        assert model.objects.visible_to(Actor.system()).count() == model.objects.count()
    assert Actor.system().grants == (Grant("system", "all"),)
    assert Staff.objects.answering_to(Actor.system()).count() == Staff.objects.count()


# ---------------------------------------------------------------- over HTTP


@pytest.mark.parametrize("rows", [1, 5])
def test_a_list_needs_the_same_queries_for_any_length(
    client: Client, org: Org, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make_staff(store=org.store)
    make_staff(store=org.other_store)
    sign_in(client, org.manager)
    with django_assert_num_queries(2):  # who am I and what may I see, in one; the page
        people = client.get("/api/v1/staff/").json()["results"]
    assert len(people) == rows + 2
    assert {one["store_name"] for one in people} == {"新街口店"}
    assert sorted(people[0]) == sorted(
        ["id", "name", "display_name", "state", "store_id", "store_name", "backup_guide_id", "joined_on"]
    )


def test_a_strangers_id_answers_like_one_that_does_not_exist(client: Client, org: Org) -> None:
    sign_in(client, org.guide)
    foreign = client.get(f"/api/v1/staff/{org.stranger.pk}/")
    absent = client.get("/api/v1/staff/999999999/")
    assert foreign.status_code == absent.status_code == 404
    hidden = {"request_id": "", "instance": ""}
    assert foreign.json() | hidden == absent.json() | hidden
    for odd in ("abc", "99999999999999999999999", "1e3", "%00"):
        assert client.get(f"/api/v1/staff/{odd}/").status_code == 404


def test_long_lists_page_by_cursor(client: Client, org: Org) -> None:
    for _ in range(5):
        make_staff(store=org.store)
    sign_in(client, org.manager)
    first = client.get("/api/v1/staff/?page_size=4").json()
    second = client.get(first["next"]).json()
    assert (len(first["results"]), len(second["results"]), second["next"]) == (4, 3, None)


def test_the_pages_of_ones_own_account(client: Client, org: Org) -> None:
    RoleAssignment.objects.create(staff=org.manager, role="guide", unit=org.store.unit)
    sign_in(client, org.manager)
    page = client.get("/me/", HTTP_ACCEPT="text/html").content.decode()
    assert all(words in page for words in ("陈国栋", "新街口店", "切换身份", "退出登录"))
    engineer = sign_in(Client(), make_staff("hq_engineering", unit=org.hq, display_name="田勇"))
    assert engineer.get("/")["Location"] == "/hq/"
    page = engineer.get("/hq/", HTTP_ACCEPT="text/html")
    assert page.status_code in (200, 302)
    keeper = sign_in(Client(), make_staff("sys_admin", unit=org.hq))
    assert keeper.get("/hq/", HTTP_ACCEPT="text/html")["Location"] == "/hq/push/"  # the house, not members
