"""A member's card at HQ: each part only where the role may, masked, and in full by a tap that is on record."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.members.models import Member
from crm.privacy.models import RevealDay
from crm.privacy.services import record_request, set_particulars
from crm.tags.loading import load_tags
from guides.org.models import Staff
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, make_unit, sign_in
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system()
NUMBER = "110101199003070011"  # of nobody: the check character of an example
MOST = 22


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-04 10:00")
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    load_tags(now=product_clock.now())
    found = make_member(
        owner=org.guide, name="王建平", salutation="王哥", phone="13800132075", birth_year="1986", member_level="V3"
    )
    make_friend(found)
    make_order(found, paid_at="2026-03-01 15:00", guide=org.guide)
    set_particulars(found, id_number=valid(NUMBER), address="南京中山路 1 号", actor=SYSTEM, now=product_clock.now())
    return found


def valid(number: str) -> str:
    """Return a citizen's number with the right check character."""
    from yejibao.core.personal import normal_id_number

    return next(found for mark in "0123456789X" if (found := normal_id_number(number[:17] + mark)))


def shown(client: Client, person: Staff, member: Member) -> str:
    sign_in(client, person)
    answer = client.get(f"/hq/members/{member.public_id}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_all_of_it_masked_for_who_runs_members(client: Client, org: Org, member: Member) -> None:
    record_request(member, kind="copy", channel="hq", actor=SYSTEM, now=product_clock.now())
    page = shown(client, holder_of("hq_operator", org), member)
    there = [
        "王**",
        "王哥",
        "金卡",
        "新街口店",
        "林晓雯",
        "138****2075",
        "藏青羊毛套西",
        "企微好友",
        "查阅复制",
        "隐私政策",
        "换导购",
        "看证件号",
        "看地址",
        "看出生年",
    ]
    assert [word for word in there if word not in page] == []
    assert [word for word in ("王建平", "13800132075", "1986", "中山路", "谁看过") if word in page] == []
    assert AuditEntry.objects.filter(action="member.viewed", resource_id=str(member.pk)).count() == 1


@pytest.mark.parametrize(
    ("role", "there", "missing"),
    [
        ("branch_member_manager", ["换导购", "看号码", "修改同意"], ["他提的要求", "还差", "编辑 "]),
        ("hq_crm", ["看号码", "他提的要求"], ["换导购"]),
        ("customer_service", ["看号码", "他提的要求", "最近买的"], ["换导购"]),
    ],
)
def test_a_part_is_there_only_where_the_role_may(
    client: Client, org: Org, member: Member, role: str, there: list[str], missing: list[str]
) -> None:
    make_ticket(member, opened_at="2026-03-02 10:00")
    page = shown(client, holder_of(role, org), member)
    assert [word for word in there if word not in page] == []
    assert [word for word in missing if word in page] == []


def test_who_is_out_of_sight_is_not_there(client: Client, org: Org, member: Member) -> None:
    away = make_member(
        owner=make_staff(
            store=make_store(
                area=make_unit("area", parent=make_unit("region", parent=make_unit("branch", parent=org.hq)))
            )
        )
    )
    sign_in(client, holder_of("branch_member_manager", org))
    for path in ("/hq/members/{}/", "/g/members/{}/reveal/phone/", "/g/members/{}/allows/", "/m/members/{}/owner/"):
        assert client.get(path.format(away.public_id)).status_code == 404, path
    sign_in(client, holder_of("customer_service", org))
    assert client.get(f"/hq/members/{member.public_id}/").status_code == 404  # no ticket


@pytest.mark.parametrize(
    ("what", "text"),
    [("phone", "13800132075"), ("id_number", valid(NUMBER)), ("address", "南京中山路 1 号"), ("birth_year", "1986")],
)
@pytest.mark.parametrize("role", ["hq_operator", "branch_member_manager", "guide"])
def test_a_tap_with_a_reason_shows_one_thing_and_is_counted(
    client: Client, org: Org, member: Member, role: str, what: str, text: str
) -> None:
    person = org.guide if role == "guide" else holder_of(role, org)
    sign_in(client, person)
    url = f"/g/members/{member.public_id}/reveal/{what}/"
    assert text not in client.get(url).content.decode()
    assert client.post(url, {"reason": " "}).status_code == 422
    answer = client.post(url, {"reason": "核对会员资料"})
    assert text in answer.content.decode() and "no-store" in answer["Cache-Control"]
    entry = AuditEntry.objects.get(action__in=("member.phone_revealed", "member.revealed"))
    assert (entry.resource_id, entry.reason, entry.actor_id) == (str(member.pk), "核对会员资料", person.pk)
    assert text not in f"{entry.after}" and RevealDay.objects.get(staff=person).taps == 1


def test_nothing_else_can_be_revealed_and_not_by_others(client: Client, org: Org, member: Member) -> None:
    sign_in(client, holder_of("hq_crm", org))
    assert client.get(f"/g/members/{member.public_id}/reveal/name/").status_code == 404
    for role in ("area_supervisor", "sys_admin", "finance", "dealer"):
        sign_in(client, holder_of(role, org))
        assert client.post(f"/g/members/{member.public_id}/reveal/phone/", {"reason": "看看"}).status_code == 403


def test_hq_notes_what_he_allows_as_he_said_it_on_the_phone(client: Client, org: Org, member: Member) -> None:
    sign_in(client, holder_of("hq_crm", org))
    url = f"/g/members/{member.public_id}/allows/"
    page = client.get(url).content.decode()
    assert ("电话里" in page, "微信里" in page) == (True, False)
    seen = page.split('name="seen" value="')[1].split('"')[0]
    answer = client.post(url, {"seen": seen, "where": "phone", "allows": ["profiling", "phone"]})
    assert answer["Location"] == f"/hq/members/{member.public_id}/"
    member.refresh_from_db()
    assert member.phone_consent and len(member.marketing_opt_out) > 3
    assert "电话" in shown(client, holder_of("hq_crm", org), member)


def test_hq_may_edit_a_tag_and_comes_back_to_its_card(client: Client, org: Org, member: Member) -> None:
    sign_in(client, holder_of("hq_operator", org))
    page = client.get(f"/g/members/{member.public_id}/tags/", headers={"Accept": "text/html"})
    assert (page.status_code, f'href="/hq/members/{member.public_id}/"' in page.content.decode()) == (200, True)
    sign_in(client, holder_of("hq_crm", org))
    assert client.get(f"/g/members/{member.public_id}/tags/").status_code == 403


def test_the_card_needs_the_same_statements_for_any_number_of_orders_friends_and_requests(
    client: Client, org: Org, member: Member
) -> None:
    person, asked = holder_of("hq_operator", org), []
    record_request(member, kind="copy", channel="hq", actor=SYSTEM, now=product_clock.now())
    shown(client, person, member)
    for again in range(2):
        with CaptureQueriesContext(connection) as seen:
            assert client.get(f"/hq/members/{member.public_id}/").status_code == 200
        asked.append([one["sql"] for one in seen.captured_queries if "SAVEPOINT" not in one["sql"]])
        for number in range(3):
            make_order(member, paid_at=f"2026-02-0{number + 1} 15:00", guide=org.guide)
            make_friend(member, make_staff(store=org.store))
        for kind in ("correct", "delete") if not again else ():
            record_request(member, kind=kind, channel="hq", actor=SYSTEM, now=product_clock.now())
    assert len(asked[0]) == len(asked[1]) <= MOST, "\n".join(asked[1])


# ---------------------------------------------------------------- 换导购


def owner_of(member: Member) -> tuple[Any, Any]:
    member.refresh_from_db()
    return member.owner_guide, member.main_store


def give(client: Client, member: Member, **told: Any) -> Any:
    return client.post(f"/m/members/{member.public_id}/owner/", {"reason": "他想换人"} | told)


def test_a_manager_gives_within_the_store_at_once(client: Client, org: Org, member: Member) -> None:
    colleague = make_staff("guide", store=org.store, name="许佳")
    sign_in(client, org.manager)
    page = client.get(f"/m/members/{member.public_id}/owner/").content.decode()
    assert ("许佳" in page, "黄婷" in page) == (True, False)
    assert give(client, member, to=colleague.pk, reason="").status_code == 422
    assert give(client, member, to=colleague.pk)["Location"] == f"/g/members/{member.public_id}/"
    assert owner_of(member) == (colleague, org.store)


def test_a_manager_asks_for_a_guide_of_another_store_and_he_goes_when_it_is_approved(
    client: Client, org: Org, member: Member
) -> None:
    from guides.approvals.models import Approval
    from guides.approvals.services import approve

    sign_in(client, org.manager)
    wrong = give(client, member, to="elsewhere", store="观前店", person="没有")
    assert (wrong.status_code, "没找到这家店的这位导购" in wrong.content.decode()) == (422, True)
    assert (
        give(client, member, to=org.stranger.pk).status_code == 422
    )  # whom he does not see he cannot name by a number
    sent = give(client, member, to="elsewhere", store="观前店", person="黄婷")
    asked = Approval.objects.get()
    assert sent["Location"] == f"/me/approvals/{asked.pk}/" and owner_of(member) == (org.guide, org.store)
    page = client.get(f"/g/members/{member.public_id}/").content.decode()
    assert "会员王**换到观前店，由黄婷跟进，等审批" in page
    again = give(client, member, to="elsewhere", store="观前店", person="黄婷")
    assert (again.status_code, "正在等审批" in again.content.decode()) == (409, True)
    approve(asked, actor=actor(holder_of("branch_member_manager", org)), now=product_clock.now())
    assert owner_of(member) == (org.stranger, org.other_store)


def test_hq_gives_across_stores_at_once(client: Client, org: Org, member: Member) -> None:
    sign_in(client, holder_of("branch_member_manager", org))
    found = client.post(f"/m/members/{member.public_id}/owner/", {"q": "黄婷"}).content.decode()
    assert ("黄婷" in found, "王**" in found, "王建平" in found) == (True, True, False)
    assert give(client, member, to=org.stranger.pk)["Location"] == f"/hq/members/{member.public_id}/"
    assert owner_of(member) == (org.stranger, org.other_store)


@pytest.mark.parametrize("role", ["guide", "area_supervisor", "hq_crm", "customer_service", "region_manager"])
def test_others_neither_give_nor_ask(client: Client, org: Org, member: Member, role: str) -> None:
    sign_in(client, org.guide if role == "guide" else holder_of(role, org))
    assert give(client, member, to=org.stranger.pk).status_code == 403
