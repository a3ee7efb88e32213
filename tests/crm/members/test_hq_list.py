"""会员 for those above a store: who stands on whose list, how he is found, and that a page costs the same for any number."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.members.listing import PAGE, Asked, find_members, find_within
from crm.members.models import Member
from guides.org import matrix
from guides.org.actors import role_names
from tests.factories.crm import make_member, make_ticket
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, make_unit, sign_in
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db
HQ = ("branch_member_manager", "hq_operator", "hq_crm", "customer_service")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def people(org: Org) -> dict[str, Member]:
    """One member of each place, as seen from the org's area."""
    far = make_unit("area", parent=make_unit("region", parent=make_unit("branch", parent=org.hq)))
    return {
        "here": make_member(owner=org.guide, name="王建平", phone="13800132075"),
        "region": make_member(owner=org.stranger, name="王建国"),
        "away": make_member(owner=make_staff(store=make_store(area=far)), name="王立"),
        "nowhere": make_member(name="王无店"),
    }


def listed(role: str, org: Org, **asked: Any) -> set[str]:
    found, _more = find_members(actor(holder_of(role, org)), Asked(**asked), before=None)
    return {one.name for one in found}


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("area_supervisor", {"王建平"}),
        ("branch_member_manager", {"王建平", "王建国"}),
        ("hq_operator", {"王建平", "王建国", "王立", "王无店"}),
        ("hq_crm", {"王建平", "王建国", "王立", "王无店"}),
        ("customer_service", {"王立"}),
    ],
)
def test_each_role_lists_what_the_matrix_says_however_it_is_asked(
    role: str, names: set[str], org: Org, people: dict[str, Member]
) -> None:
    make_ticket(people["away"], opened_at="2026-03-02 10:00")
    person = holder_of(role, org)
    assert listed(role, org) == names
    assert listed(role, org, words="王") == names
    assert set(Member.objects.listed_for(actor(person)).values_list("name", flat=True)) == names
    found = {one for one in people.values() if listed(role, org, words=one.member_no)}
    assert {one.name for one in found} == names


def test_the_lists_filter_is_the_matrix_for_every_role(org: Org, people: dict[str, Member]) -> None:
    make_ticket(people["away"], opened_at="2026-03-02 10:00")
    for role in role_names():
        seen = Member.objects.listed_for(actor(holder_of(role, org))).exists()
        right = matrix.rights("member.list").get(role)
        assert seen == (right is not None and right.reach != "own"), role


def test_a_phone_a_number_or_how_a_name_begins(org: Org, people: dict[str, Member]) -> None:
    number = people["here"].member_no
    assert listed("hq_crm", org, words="138 0013 2075") == {"王建平"}
    assert listed("hq_crm", org, words=number.lower()) == {"王建平"}
    assert listed("hq_crm", org, words="王建") == {"王建平", "王建国"}
    assert listed("hq_crm", org, words="建") == set()
    assert listed("area_supervisor", org, words="13800132076") == set()


def test_narrowed_to_a_unit_a_guide_a_tier(org: Org, people: dict[str, Member]) -> None:
    Member.objects.filter(pk=people["region"].pk).update(tier_631="core")
    for role in ("branch_member_manager", "hq_operator"):
        assert listed(role, org, unit=org.area) == {"王建平"}
        assert listed(role, org, guide=org.stranger) == {"王建国"}
        assert listed(role, org, tier="core") == {"王建国"}
        assert listed(role, org, tier="core", unit=org.area) == set()
        assert listed(role, org, words="王", unit=org.other_area) == {"王建国"}


def test_a_name_of_a_unit_or_a_colleague_narrows(org: Org) -> None:
    who = actor(holder_of("hq_operator", org))
    assert [one.pk for one in find_within(who, "新街口").units] == [org.store.unit_id]
    assert [one.name for one in find_within(who, "黄婷").people] == ["黄婷"]
    assert find_within(actor(holder_of("area_supervisor", org)), "观前").count == 0


@pytest.mark.parametrize("words", ["", "王"])
@pytest.mark.parametrize("role", ["branch_member_manager", "hq_operator"])
def test_pages_follow_each_other_and_end(role: str, words: str, org: Org) -> None:
    for number in range(PAGE + 3):
        make_member(owner=org.guide if number % 2 else org.stranger, name=f"王{number % 5}")
    who, seen, before = actor(holder_of(role, org)), [], None
    for _page in range(2):
        found, before = find_members(who, Asked(words), before=before)
        seen += [one.pk for one in found]
    assert before is None and len(seen) == len(set(seen)) == PAGE + 3
    if not words:
        assert seen == sorted(seen, reverse=True)


# ---------------------------------------------------------------- the pages


def test_hqs_table_is_masked_and_each_look_is_on_record(client: Client, org: Org, people: dict[str, Member]) -> None:
    sign_in(client, holder_of("hq_operator", org))
    page = client.get("/hq/members/").content.decode()
    assert "王**" in page and f'href="/hq/members/{people["here"].public_id}/"' in page
    assert [word for word in ("王建平", "13800132075", "138****") if word in page] == []
    entry = AuditEntry.objects.get(action="member.listed")
    assert people["here"].pk in entry.after["ids"] and entry.after["where"] == "会员列表"
    found = client.post("/hq/members/", {"q": "13800132075"}).content.decode()
    assert (found.count("row-link"), "2075" in found) == (1, True)


def test_the_supervisors_list_opens_no_card(client: Client, org: Org, people: dict[str, Member]) -> None:
    sign_in(client, holder_of("area_supervisor", org))
    page = client.get("/m/members/").content.decode()
    assert ("王**" in page, "王建平" in page, str(people["here"].public_id) in page) == (True, False, False)
    assert client.get("/hq/members/").status_code == 403
    assert client.get(f"/hq/members/{people['here'].public_id}/").status_code == 403


@pytest.mark.parametrize(
    "role", ["guide", "store_manager", "region_manager", "finance", "dealer", "sys_admin", "executive"]
)
def test_others_have_no_such_list(client: Client, org: Org, role: str) -> None:
    sign_in(client, holder_of(role, org))
    assert {client.get(path).status_code for path in ("/hq/members/", "/m/members/")} == {403}


def test_a_unit_or_colleague_out_of_sight_is_not_there(client: Client, org: Org, people: dict[str, Member]) -> None:
    sign_in(client, holder_of("branch_member_manager", org))
    away = people["away"].owner_guide
    assert away is not None and away.unit is not None
    for asked in ({"unit": away.unit.pk}, {"guide": away.pk}, {"tier": "best"}, {"before": "x"}):
        assert client.get("/hq/members/", asked).status_code == 404
    assert "归你看" in client.post("/hq/members/", {"within": away.name + "甲"}).content.decode()


@pytest.mark.parametrize("rows", [2, 9])
@pytest.mark.parametrize(("role", "path", "most"), [
    ("hq_operator", "/hq/members/", 8), ("branch_member_manager", "/hq/members/", 10), ("area_supervisor", "/m/members/", 10),
])  # fmt: skip
def test_a_page_needs_the_same_statements_for_any_number(
    client: Client, org: Org, role: str, path: str, most: int, rows: int
) -> None:
    for number in range(rows):
        make_member(owner=org.guide if number % 2 else org.stranger)
    sign_in(client, holder_of(role, org))
    client.get(path)
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    asked = [one["sql"] for one in seen.captured_queries if "SAVEPOINT" not in one["sql"]]
    assert len(asked) <= most, "\n".join(asked)
    assert not any("COUNT(" in one.upper() and "crm_member" in one for one in asked)
