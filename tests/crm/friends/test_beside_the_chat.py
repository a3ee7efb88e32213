"""A friend nobody knows as a member: who he may be, linked or registered in two taps, and nothing told about others."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.friends.models import Contact, LinkReview
from crm.members.models import FriendLink, Member, MemberIdentity
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, make_org, make_staff, sign_in
from yejibao.core import clock
from yejibao.core.models import AuditEntry
from yejibao.core.personal import blind_index

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-04 10:00")
    return make_org()


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    return sign_in(client, org.guide)


@pytest.fixture
def friend(org: Org) -> FriendLink:
    return make_friend(None, org.guide, external_user_id="wm1", remark="大衣王先生")


def beside(client: Client, external: str = "wm1") -> str:
    return client.get("/g/sidebar/", {"external_user_id": external}, headers=HTMX).content.decode()


def say(client: Client, member: Member, external: str = "wm1", **headers: str) -> Any:
    asked = {"external_user_id": external, "member": str(member.public_id)}
    return client.post("/g/sidebar/link/", asked, headers=HTMX | headers)


def open_card(client: Client, external: str = "wm1", **given: str) -> Any:
    asked = {"external_user_id": external, "name": "王建平", "gender": "m"} | given
    return client.post("/g/sidebar/register/", asked, headers=HTMX | {"Idempotency-Key": uuid.uuid4().hex})


def test_guesses_are_her_own_by_phone_by_name_and_who_bought_lately(
    guide: Client, org: Org, friend: FriendLink
) -> None:
    FriendLink.objects.filter(pk=friend.pk).update(phone_indexes=[blind_index("13800132075", purpose="phone")])
    Contact.objects.create(external_user_id="wm1", name="老张")
    make_member(owner=org.guide, name="甲手机", phone="13800132075")
    make_member(owner=org.guide, name="老张")
    make_member(owner=org.guide, name="丙刚买", last_purchase_on="2026-03-01")
    make_member(owner=org.guide, name="丁早买", last_purchase_on="2025-03-01")
    make_friend(make_member(owner=org.guide, name="戊好友", last_purchase_on="2026-03-01"))
    make_member(owner=org.stranger, name="己别家", phone="13800132075", last_purchase_on="2026-03-01")
    page = beside(guide)
    assert [one for one in ("甲手机", "老张", "丙刚买") if one not in page] == []
    assert [one for one in ("丁早买", "戊好友", "己别家") if one in page] == []


def test_one_tap_links_and_one_takes_it_back(guide: Client, org: Org, friend: FriendLink) -> None:
    member = make_member(owner=org.guide, name="王建平", phone="13800132075")
    answer = say(guide, member)
    assert "138****2075" in answer.content.decode()  # the card, at once
    friend.refresh_from_db()
    assert friend.member == member
    toast = json.loads(answer.headers["HX-Trigger"])["toast"]
    assert (toast["text"], toast["target"]) == ("对上了：王建平", "#sidebar")
    assert say(guide, member).status_code == 200  # the same tap again
    assert "他是哪位会员" in guide.post(toast["undo"], headers=HTMX).content.decode()
    friend.refresh_from_db()
    assert (friend.member, MemberIdentity.objects.filter(value="wm1").exists()) == (None, False)
    assert guide.post(toast["undo"], headers=HTMX).status_code == 200  # twice is like once


def test_a_link_of_long_ago_is_not_undone_here(guide: Client, org: Org, friend: FriendLink, clock: Any) -> None:
    member = make_member(owner=org.guide)
    undo = json.loads(say(guide, member).headers["HX-Trigger"])["toast"]["undo"]
    clock.travel("2026-03-04 10:11")
    assert guide.post(undo, headers=HTMX).status_code == 409


def test_the_search_finds_her_own_only(guide: Client, org: Org, friend: FriendLink) -> None:
    make_member(owner=org.guide, name="王建平", phone="13800132075")
    make_member(owner=org.stranger, name="王启明", phone="13900001111")

    def found(words: str) -> str:
        return guide.post("/g/sidebar/find/", {"external_user_id": "wm1", "q": words}, headers=HTMX).content.decode()

    assert ("王建平" in found("王"), "王启明" in found("王")) == (True, False)
    assert "王建平" in found("138 0013 2075")
    assert found("13900001111").replace("13900001111", "X") == found("13900002222").replace("13900002222", "X")


def test_only_her_own_friend_and_member(guide: Client, org: Org, friend: FriendLink) -> None:
    other = make_member(owner=org.stranger, name="赵启明")
    mine = make_member(owner=org.guide)
    make_friend(None, org.stranger, external_user_id="wm2")
    answers = [say(guide, mine, "wm2"), say(guide, mine, "wmNobody"), say(guide, other), open_card(guide, "wm2")]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert answers[0].content == answers[1].content  # somebody else's friend and nobody's read the same
    assert guide.post("/g/sidebar/find/", {"external_user_id": "wm2", "q": "王"}).status_code == 404
    assert (FriendLink.objects.exclude(member=None).exists(), Member.objects.count()) == (False, 2)


def test_who_is_known_already_stays_who_he_is(guide: Client, org: Org) -> None:
    make_friend(make_member(owner=org.guide, name="王建平"), external_user_id="wm1")
    assert say(guide, make_member(owner=org.guide, name="李志强")).status_code == 409
    assert open_card(guide).status_code == 409


def test_a_new_card_in_two_taps(guide: Client, org: Org, friend: FriendLink) -> None:
    assert "王建平" in open_card(guide, phone="138 0013 2075").content.decode()
    member = Member.objects.get()
    friend.refresh_from_db()
    assert (friend.member, member.owner_guide, member.main_store) == (member, org.guide, org.guide.store)
    assert member.phone_index == blind_index("13800132075", purpose="phone")
    assert set(member.identities.values_list("kind", flat=True)) == {"pos_card", "phone", "external_user_id"}
    assert AuditEntry.objects.filter(action="member.registered").count() == 1
    assert open_card(guide).status_code == 409  # he is known now
    assert Member.objects.count() == 1


@pytest.mark.parametrize(
    ("nickname", "remark", "prefilled"),
    [
        ("云淡风轻", "", ""),
        ("江南客", "江南客", "江南客"),
        ("云淡风轻", "欧阳建平", "欧阳建平"),
        ("老K", "王建平", "王建平"),
        ("王先生大衣", "", ""),
    ],
)
def test_the_name_is_filled_in_where_it_may_be_one(
    guide: Client, org: Org, nickname: str, remark: str, prefilled: str
) -> None:
    make_friend(None, org.guide, external_user_id="wm1", remark=remark)
    Contact.objects.create(external_user_id="wm1", name=nickname)
    assert f'name="name" value="{prefilled}"' in beside(guide)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("江南客", "江南客"),
        ("江建平", "江先生"),
        ("老张", "老张"),
        ("欧阳建平", "欧阳建平"),
        ("试大衣的先生", "试大衣的先生"),
    ],
)
def test_nobody_gets_a_surname_from_a_nickname(guide: Client, org: Org, name: str, called: str) -> None:
    make_friend(None, org.guide, external_user_id="wm1", remark="江南客")
    Contact.objects.create(external_user_id="wm1", name="江南客")
    assert open_card(guide, name=name).status_code == 200
    assert Member.objects.get().called == called


def test_two_guides_of_one_customer_open_one_card(guide: Client, org: Org, friend: FriendLink) -> None:
    colleague = make_staff("guide", store=org.guide.store)
    make_friend(None, colleague, external_user_id="wm1")
    open_card(guide)
    assert open_card(sign_in(Client(), colleague)).status_code == 409
    assert (Member.objects.count(), FriendLink.objects.filter(member=None).count()) == (1, 0)


@pytest.mark.parametrize(("given", "says"), [({"name": " "}, "写一下"), ({"phone": "123"}, "手机号")])
def test_a_card_needs_a_name_and_no_half_a_phone(
    guide: Client, friend: FriendLink, given: dict[str, str], says: str
) -> None:
    answer = open_card(guide, **given)
    page = answer.content.decode()
    assert (answer.status_code, says in page, "有几处要改" in page) == (422, True, False)
    (field,) = given
    assert page.count('aria-invalid="true"') == 1  # the one that is wrong, and what she typed stands
    assert page.index(f'name="{field}"') < page.index('aria-invalid="true"') < page.index('class="err"')
    assert answer["HX-Retarget"] == "#who-new"
    assert not Member.objects.exists()


def test_a_phone_somebody_has_links_to_him_and_tells_no_more(guide: Client, org: Org, friend: FriendLink) -> None:
    other = make_member(owner=org.stranger, name="赵启明", phone="13900001111")
    page = open_card(guide, phone="13900001111").content.decode()
    friend.refresh_from_db()
    assert (friend.member, Member.objects.count()) == (other, 1)
    assert [one for one in ("赵启明", "139****", "1390000", org.stranger.name, "小黄") if one in page] == []
    assert "他的资料只给他的导购看" in page


def test_a_phone_of_two_is_the_managers_to_decide(guide: Client, org: Org, friend: FriendLink) -> None:
    for name in ("赵启明", "赵启亮"):
        make_member(owner=org.stranger, name=name, phone="13900001111")
    page = open_card(guide, phone="13900001111").content.decode()
    assert ("店长正在确认他是哪位" in page, "赵" in page, Member.objects.count()) == (True, False, 2)
    assert LinkReview.objects.filter(state="open").count() == 1
    assert say(guide, make_member(owner=org.guide)).status_code == 409


def test_who_is_no_friend_any_more_cannot_be_linked(guide: Client, org: Org, friend: FriendLink) -> None:
    FriendLink.objects.filter(pk=friend.pk).update(state="deleted_by_member")
    page = beside(guide)
    assert ("就是他" in page, "加回好友以后" in page) == (False, True)
    assert say(guide, make_member(owner=org.guide)).status_code == 409


@pytest.mark.parametrize("members", [1, 5])
def test_the_page_needs_the_same_statements_for_any_number_of_guesses(
    guide: Client, org: Org, friend: FriendLink, members: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(members):
        make_member(owner=org.guide, name="大衣王先生", last_purchase_on="2026-03-01")
    with django_assert_max_num_queries(12):
        assert beside(guide).count("就是他") == members


def test_who_waits_to_be_linked_stands_above_the_members_and_first_among_the_new(guide: Client, org: Org) -> None:
    assert "还没对上会员" not in guide.get("/g/members/").content.decode()
    now = clock.now()
    make_friend(None, org.guide, external_user_id="wm1", remark="老相识", added_at=now - timedelta(days=40))
    make_friend(None, org.guide, external_user_id="wm2", remark="云淡风轻", added_at=now - timedelta(hours=2))
    make_friend(make_member(owner=org.guide, name="王建平"), org.guide, external_user_id="wm3", added_at=now)
    make_friend(None, org.stranger, external_user_id="wm4", remark="别家的", added_at=now)
    above = guide.get("/g/members/").content.decode()
    assert "2 位微信好友还没对上会员" in above and "最久 40 天" in above
    page = guide.get("/g/friends/").content.decode()
    places = [page.find(name) for name in ("云淡风轻", "老相识", "王建平")]
    assert places == sorted(places) and -1 not in places and "别家的" not in page
    assert "/g/sidebar/?external_user_id=wm1" in page
