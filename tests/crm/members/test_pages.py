"""The page beside the chat and the members' pages, as far as the server decides them."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from crm.members.models import FriendLink
from crm.tags.loading import load_tags
from crm.tags.models import TagValue
from crm.tags.services import set_tag
from tests.factories.benefits import make_coupon
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, holder_of, make_org, make_staff, sign_in
from tests.factories.tasks import make_task
from yejibao.core import clock as product_clock
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
# session, relation, card; all that the panels read in one; the words of the task at hand 4, coupons to give
STATEMENTS = 9
HQ_STATEMENTS = 3  # the same two, and the tasks that wait beside the menu


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-04 10:00")
    return make_org()


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    return sign_in(client, org.guide)


def beside(client: Client, external: str, **more: Any) -> tuple[int, str]:
    answer = client.get("/g/sidebar/", {"external_user_id": external, **more}, headers={"HX-Request": "true"})
    return answer.status_code, answer.content.decode()


def test_the_shell_asks_the_client_who_it_is(guide: Client) -> None:
    page = guide.get("/g/sidebar/").content.decode()
    assert 'id="sidebar"' in page and "data-external" not in page


def test_a_friend_who_is_hers_shows_the_whole_card(guide: Client, org: Org) -> None:
    member = make_member(owner=org.guide, name="王建平", salutation="王哥", phone="13800132075", member_level="V3")
    make_friend(member, external_user_id="wm1")
    make_order(member, paid_at="2026-03-01 15:00", guide=org.guide)
    status, page = beside(guide, "wm1")
    assert status == 200
    shown = ["王建平", "王哥", "金卡", "138****2075", "专属导购是你", "藏青羊毛套西", "175/92A"]
    assert [word for word in shown if word not in page] == []
    assert "13800132075" not in page


def test_a_friend_of_hers_who_is_anothers_member_shows_no_card(guide: Client, org: Org) -> None:
    member = make_member(owner=org.stranger, name="王建平", phone="13800132075")
    make_friend(member, org.guide, external_user_id="wm1")
    make_order(member, paid_at="2026-03-01 15:00", guide=org.stranger)
    status, page = beside(guide, "wm1")
    assert (status, "他有专属导购了，他的资料只给他的导购看" in page) == (200, True)
    hidden = ("王建平", "138****2075", "普通", "藏青羊毛套西", org.stranger.name)
    assert [word for word in hidden if word in page] == []


def test_a_colleagues_member_leads_to_the_colleague(guide: Client, org: Org) -> None:
    colleague = make_staff("guide", store=org.guide.store, name="许佳", display_name="许佳")
    member = make_member(owner=colleague, name="王建平", phone="13800132075")
    make_friend(member, org.guide, external_user_id="wm1", remark="大衣王先生")
    _, page = beside(guide, "wm1")
    assert [word in page for word in ("大衣王先生", "专属导购是许佳", "王建平", "138****2075")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("external", ["wm2", "wmNobody", "x" * 300])
def test_a_stranger_gets_the_sentence_and_nothing_else(guide: Client, org: Org, external: str) -> None:
    make_friend(make_member(owner=org.stranger, name="赵启明"), external_user_id="wm2")
    status, page = beside(guide, external)
    assert (status, "这位不是你的客户" in page, "赵" in page) == (404, True, False)
    assert "他可能是同事的客户，问店长" in page  # a way on, the same for ids nobody knows
    assert guide.get("/g/sidebar/panel/due/", {"external_user_id": external}).status_code == 404


def test_a_customer_no_till_knows(guide: Client, org: Org) -> None:
    make_friend(None, org.guide, external_user_id="wm3", remark="大衣王先生")
    status, page = beside(guide, "wm3")
    assert (status, "大衣王先生" in page, "他是哪位会员" in page) == (200, True, True)


@pytest.mark.parametrize("state", [FriendLink.State.DELETED_BY_MEMBER, FriendLink.State.BLOCKED])
def test_who_left_cannot_be_sent_to(guide: Client, org: Org, state: str) -> None:
    member = make_member(owner=org.guide)
    make_friend(member, external_user_id="wm1", state=state)
    make_task(member, org.guide, now=product_clock.now())
    _, page = beside(guide, "wm1")
    assert ("现在不是你的好友" in page, "data-send" in page) == (True, False)


def test_the_most_urgent_comes_first_and_the_others_below(guide: Client, org: Org) -> None:
    member = make_member(owner=org.guide)
    make_friend(member, external_user_id="wm1")
    now = product_clock.now()
    later = make_task(member, org.guide, now=now, task_type="followup_d30", priority=3, why="给他配件衬衫")
    first = make_task(member, org.guide, now=now, task_type="followup_m30", priority=1, why="谢谢他")
    make_task(member, org.stranger, now=now, task_type="followup_d60", why="别人的事")
    _, page = beside(guide, "wm1")
    assert f'data-task="{first.pk}"' in page and f'href="/g/tasks/{later.pk}/"' in page
    assert "别人的事" not in page


def test_a_panel_alone(guide: Client, org: Org) -> None:
    member = make_member(owner=org.guide)
    make_friend(member, external_user_id="wm1")
    answer = guide.get("/g/sidebar/panel/due/", {"external_user_id": "wm1"})
    assert (answer.status_code, 'id="due-card"' in answer.content.decode()) == (200, True)
    assert guide.get("/g/sidebar/panel/nothing/", {"external_user_id": "wm1"}).status_code == 404


@pytest.mark.parametrize("rows", [1, 4])
def test_the_page_needs_the_same_statements_for_any_number_of_tasks_orders_and_tags(
    guide: Client, org: Org, rows: int
) -> None:
    load_tags(now=product_clock.now())
    member = make_member(owner=org.guide)
    make_friend(member, external_user_id="wm1")
    for kind in ["followup_m30", "followup_d3", "followup_d30", "followup_d60"][:rows]:
        make_task(member, org.guide, now=product_clock.now(), task_type=kind)
    for number in range(rows):
        make_order(member, paid_at=f"2026-02-0{number + 1} 15:00", guide=org.guide)
    for key in ("fit_preference", "occupation", "style_preference", "marital_status")[:rows]:
        value = TagValue.objects.filter(tag__key=key).order_by("position")[0].value
        set_tag(member, key, value, source="GUIDE", actor=Actor.system(), at=product_clock.now())
    beside(guide, "wm1")  # what the store's people say most is in the cache from now on
    with CaptureQueriesContext(connection) as seen:
        assert beside(guide, "wm1")[0] == 200
    asked = [one["sql"] for one in seen.captured_queries if "SAVEPOINT" not in one["sql"]]  # a test's own, two a panel
    assert len(asked) == STATEMENTS, "\n".join(asked)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize("is_at_hq", [False, True])
def test_a_members_page_is_read_with_one_statement(client: Client, org: Org, rows: int, is_at_hq: bool) -> None:
    load_tags(now=product_clock.now())
    member = make_member(owner=org.guide, birth_month=3, birth_day=4)
    make_friend(member)
    for number, kind in enumerate(["followup_m30", "followup_d3", "followup_d30", "followup_d60"][:rows]):
        make_task(member, org.guide, now=product_clock.now(), task_type=kind)
        make_order(member, paid_at=f"2026-02-0{number + 1} 15:00", guide=org.guide)
        make_ticket(member, kind="care", opened_at=f"2026-02-0{number + 1} 16:00", guide=org.guide)
        make_coupon(member, now=product_clock.now())
    sign_in(client, holder_of("hq_operator", org) if is_at_hq else org.guide)
    path = f"/{'hq' if is_at_hq else 'g'}/members/{member.public_id}/"
    client.get(path)
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(path)
    page = answer.content.decode()
    assert (answer.status_code, "data-panel-error" in page, 'id="next-card"' in page) == (200, False, True)
    asked = [one["sql"] for one in seen.captured_queries if "SAVEPOINT" not in one["sql"]]
    # above the store it is on record that somebody looked: the trail is read and written
    own = [sql for sql in asked if "core_audit" not in sql and "pg_advisory" not in sql]
    assert len(own) == (HQ_STATEMENTS if is_at_hq else 2), "\n".join(sql[:300] for sql in asked)


# ---------------------------------------------------------------- 会员


def test_members_are_ones_own_and_found_by_name_or_phone(guide: Client, org: Org) -> None:
    make_member(owner=org.guide, name="王建平", phone="13800132075")
    make_member(owner=org.guide, name="李志强")
    make_member(owner=org.stranger, name="赵启明", phone="13900001111")

    def names(**query: str) -> list[str]:
        page = guide.post("/g/members/", query).content.decode()
        return [name for name in ("王建平", "李志强", "赵启明") if name in page]

    assert names() == ["王建平", "李志强"]
    assert names(q="王") == ["王建平"]
    assert names(q="138 0013 2075") == ["王建平"]
    assert names(q="13900001111") == []
    assert "没找到" in guide.post("/g/members/", {"q": "没有"}).content.decode()
    assert "李志强" in guide.get("/g/members/", {"q": "王"}).content.decode()  # nothing is searched for by an address


def test_a_member_page_is_for_those_who_may_see_him(guide: Client, org: Org, client: Client) -> None:
    mine, other = make_member(owner=org.guide, name="王建平"), make_member(owner=org.stranger, name="赵启明")
    assert "王建平" in guide.get(f"/g/members/{mine.public_id}/").content.decode()
    refused = guide.get(f"/g/members/{other.public_id}/", headers={"Accept": "text/html"})
    assert (refused.status_code, "赵启明" in refused.content.decode()) == (404, False)
    sign_in(client, org.manager)
    assert client.get(f"/g/members/{mine.public_id}/").status_code == 200


def test_the_list_goes_on_by_pages(guide: Client, org: Org) -> None:
    for number in range(33):
        make_member(owner=org.guide, name=f"客{number:02}")
    first = guide.get("/g/members/").content.decode()
    second = guide.get("/g/members/", {"page": 2}, headers={"HX-Request": "true"}).content.decode()
    assert (first.count('class="cell plain"'), second.count('class="cell plain"')) == (30, 3)
