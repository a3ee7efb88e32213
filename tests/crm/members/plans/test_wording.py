"""Each kind of hand-over in its own words, to whoever reads or takes over."""

from typing import Any

import pytest
from django.test import Client

from crm.members.models import FriendTransfer, GuideHandover
from crm.members.services import apply_due_handovers, plan_giving, replan, save_plan
from crm.members.services.plans import Plan
from guides.notices.models import Notification
from tasks.followups.models import Task
from tasks.followups.queries.story import open_story
from tasks.scripts.loading import load_scripts
from tasks.scripts.ranking import offer
from tests.crm.members.test_transfers import DAY
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, holder_of, sign_in
from yejibao.wecom.gateway import Gateway

from .conftest import NOW, colleagues, confirm, leave, move

pytestmark = pytest.mark.django_db


def opened(org: Org, reason: str) -> GuideHandover:
    if reason == "resigned":
        return leave(org)
    if reason == "moved_store":
        return move(org)
    return plan_giving(org.guide, reason=reason, actor=actor(org.manager), now=NOW)


@pytest.mark.parametrize(
    ("reason", "heading", "label", "why", "pack", "told", "said"),
    [
        ("resigned", "离职", "离职交接问候", "原来的导购离职了", "晓雯离职", "晓雯离职了，1 位会员交给你照顾", "因为工作变动"),
        ("moved_store", "调店", "调店交接问候", "原来的导购调去别的店了", "晓雯调店", "晓雯调店了，1 位会员交给你照顾", "因为工作变动"),
        ("long_leave", "长假", "长假交接问候", "原来的导购要休一段长假", "晓雯休长假", "晓雯休长假，1 位会员交给你照顾", "以后由我来照顾您"),
        ("given", "转交", "转交问候", "原来的导购转给你照顾", "晓雯转给同事", "晓雯的 1 位会员转给你照顾", "以后由我来照顾您"),
    ],
)  # fmt: skip
def test_each_kind_tells_one_true_story(
    manager: Client, org: Org, reason: str, heading: str, label: str, why: str, pack: str, told: str, said: str
) -> None:
    load_scripts(now=NOW)
    yong, _ = colleagues(org)
    member = make_member(owner=org.guide, name="王建平", phone_consent=True)
    handover = opened(org, reason)
    page = manager.get(f"/m/handovers/{handover.pk}/").text
    assert (
        f'<span class="tag">{heading}</span>' in page and f"{heading} · 1 位会员" in manager.get("/m/handovers/").text
    )
    confirm(handover, Plan((yong.pk,)), org.manager)
    intro = Task.objects.get(task_type="handover_intro")
    assert intro.why == f"{why}，先认识一下，别急着谈衣服"
    story = open_story(actor(yong), intro.pk, now=NOW)
    assert (story.label, story.headline) == (label, f"{member.called}以后由你照顾，先打个招呼")
    words = [one.text for one in offer(intro, guide=yong, now=NOW)]
    assert said in words[0] and "晓雯" in words[0]
    assert any("工作变动" in one or "走之前" in one for one in words) == (reason in ("resigned", "moved_store"))
    task_page = sign_in(manager, yong).get(f"/g/tasks/{intro.pk}/").text
    assert pack in task_page
    assert Notification.objects.get(staff=yong, kind="member").title == told


def test_what_is_given_away_waits_for_the_manager(org: Org) -> None:
    colleagues(org)
    make_member(owner=org.guide)
    plan_giving(org.guide, reason="given", actor=actor(org.manager), now=NOW)
    assert apply_due_handovers(now=NOW + 30 * DAY)["handed_over"] == 0


# ---------------------------------------------------------------- who takes over is told


def test_everybody_who_got_members_is_told_how_many(org: Org) -> None:
    yong, chao = colleagues(org)
    for tier in ("core", "common", "common"):
        make_member(owner=org.guide, tier_631=tier)
    confirm(move(org), Plan((yong.pk,), {"core": org.guide.pk, "common": chao.pk}), org.manager)
    told = Notification.objects.values_list("staff__name", "kind", "title", "url")
    assert list(told) == [("马超", "member", "晓雯调店了，2 位会员交给你照顾", "/g/members/")]


def test_by_itself_too_and_once_more_where_it_is_planned_again(org: Org, door: Gateway, sandbox: Any) -> None:
    yong, chao = colleagues(org)
    make_friend(make_member(owner=org.guide))
    handover = leave(org)
    save_plan(handover, plan=Plan((yong.pk,)), version=0, actor=actor(org.manager), now=NOW)
    apply_due_handovers(now=NOW + DAY)
    assert Notification.objects.get().staff == yong
    FriendTransfer.objects.update(state="failed")
    replan(handover, state="failed", taker_id=yong.pk, to=chao, actor=actor(org.manager), now=NOW + DAY)
    assert Notification.objects.get(staff=chao).title == "晓雯离职了，1 位会员交给你照顾"


# ---------------------------------------------------------------- one wording of how far a friend is


def test_both_pages_say_the_same_of_a_friend(manager: Client, org: Org) -> None:
    yong, _ = colleagues(org)
    make_friend(make_member(owner=org.guide, name="王建平"))
    handover = confirm(leave(org), Plan((yong.pk,)), org.manager)
    intro, yongs = Task.objects.get(task_type="handover_intro"), sign_in(Client(HTTP_ACCEPT="text/html"), yong)
    for state, words in (("planned", "排队等转"), ("asked", "排队等转"), ("waiting", "等 24 小时"), ("done", "已转好")):
        FriendTransfer.objects.update(state=state, asked_at=NOW)
        progress = manager.get(f"/m/handovers/{handover.pk}/").text
        mine = yongs.get(f"/g/tasks/{intro.pk}/").text
        assert f"微信好友{words}" in mine, state
        assert (f"1 位{words}" if state != "done" else "都转好了") in progress, state
        assert ("等 24 小时" in progress) == ("等 24 小时" in mine) == (state == "waiting"), state


# ---------------------------------------------------------------- who may do what, in words that are true


@pytest.mark.parametrize(
    ("role", "title", "kinds"),
    [
        ("store_manager", "请假 / 转交会员", ["leave", "give"]),
        ("area_supervisor", "请假 / 调店", ["leave", "move"]),
        ("region_manager", "调店", ["move"]),
        ("branch_manager", "调店", ["move"]),
        ("sys_admin", "调店", ["move"]),
    ],
)
def test_each_role_reads_what_it_may_do(client: Client, org: Org, role: str, title: str, kinds: list[str]) -> None:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    sign_in(client, org.manager if role == "store_manager" else holder_of(role, org))
    page = client.get("/m/handovers/new/")
    assert page.status_code == 200 and f"<title>{title}" in page.text
    assert [key for key, _ in page.context["kinds"]] == kinds
    if role == "store_manager":
        assert f">{title}</a>" in client.get("/m/handovers/").text
    else:
        assert 'href="/m/handovers/new/"' in page.text  # in the menu
    if "move" in kinds and role != "area_supervisor":  # the other store is in another area
        form = {"kind": "move", "person": org.guide.pk, "store": org.other_store.pk, "starts_on": "2026-11-30"}
        assert "林晓雯11-30 起在观前店上班" in client.post("/m/handovers/new/", form, follow=True).text
