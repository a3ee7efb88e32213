"""The plan on its page: changed, confirmed, and what did not go over decided."""

from typing import Any

import pytest
from django.test import Client

from crm.members.models import FriendTransfer, GuideHandover, Member
from crm.members.services import choose_heir
from guides.org.services import resign_staff
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, holder_of, sign_in
from yejibao.core import outbox

from .conftest import HTMX, NOW, SYSTEM, colleagues, leave, owners

pytestmark = pytest.mark.django_db


def test_the_page_shows_changes_and_confirms(manager: Client, org: Org) -> None:
    yong, chao = colleagues(org)
    for number in range(4):
        make_friend(make_member(owner=org.guide, name=f"王{number}", tier_631="core" if number else "common"))
    handover = leave(org)
    path = f"/m/handovers/{handover.pk}/"
    page = manager.get(path)
    for words in (
        "林晓雯的会员",
        "没确认的话，明天 10:00 全部自动交给",
        "认识的优先，其余平均分",
        "马上能转",
        "确认交接 4 位",
    ):
        assert words in page.text, words
    assert [(one.candidate.person, one.is_taking, one.count) for one in page.context["takers"]] == [
        (yong, True, 2), (chao, True, 2), (org.manager, False, 0),
    ]  # fmt: skip
    form = {"taker": [yong.pk, chao.pk], "group-core": chao.pk, "version": 0}
    part = manager.post(path + "plan/", form, headers=HTMX)
    assert part.status_code == 200 and "马超 3" in part.text and 'name="version" value="1"' in part.text
    assert "按这个方案自动交" in manager.get(path).text
    late = manager.post(path + "confirm/", form | {"idempotency_key": "late"}, follow=True)
    assert "方案刚被别人改过" in late.text and Member.objects.filter(owner_guide=org.guide).count() == 4
    form |= {"version": 1, "idempotency_key": "one"}
    for _ in range(2):
        done = manager.post(path + "confirm/", form, follow=True)
    assert "位会员换了导购" in done.text and "4 位排队等转" in done.text
    assert Member.objects.filter(owner_guide=chao).count() == 3
    assert "已经交接完成" in manager.post(path + "confirm/", form | {"idempotency_key": "two"}, follow=True).text


def test_what_did_not_go_over_is_decided_on_the_page(manager: Client, org: Org) -> None:
    yong, chao = colleagues(org)
    for name in ("王一", "王二"):
        make_friend(make_member(owner=org.guide, name=name))
    handover = leave(org)
    choose_heir(handover, heir=yong, actor=SYSTEM, now=NOW)
    FriendTransfer.objects.update(state="taker_full", next_at=None)
    path = f"/m/handovers/{handover.pk}/"
    page = manager.get(path).text
    assert "何勇的微信好友满了" in page and "王一、王二" in page
    form = {"state": "taker_full", "taker": yong.pk, "to": chao.pk}
    assert "2 位改由马超接手" in manager.post(path + "again/", form, follow=True).text
    assert set(owners().values()) == {"马超"}
    for bad in (form | {"to": org.stranger.pk}, form | {"state": "x"}, form | {"taker": "x"}):
        assert manager.post(path + "again/", bad).status_code == 422


@pytest.mark.parametrize("count", [1, 5])
def test_the_pages_cost_the_same_for_any_number(
    manager: Client, org: Org, count: int, django_assert_max_num_queries: Any
) -> None:
    heir, _ = colleagues(org)
    for _ in range(count):
        make_friend(make_member(owner=org.guide))
    handover = leave(org)
    path = f"/m/handovers/{handover.pk}/"
    manager.get(path)
    with django_assert_max_num_queries(12):
        manager.get(path)
    choose_heir(handover, heir=heir, actor=SYSTEM, now=NOW)
    with django_assert_max_num_queries(13):
        manager.get(path)


def test_another_store_is_out_of_sight(manager: Client, org: Org) -> None:
    resign_staff(org.stranger, actor=SYSTEM, now=NOW)
    outbox.drain_events()
    path = f"/m/handovers/{GuideHandover.objects.get().pk}/"
    assert manager.get(path).status_code == 404
    for act in ("plan", "confirm", "withdraw", "again"):
        assert manager.post(f"{path}{act}/", {"taker": org.manager.pk, "version": 0}).status_code == 404


def test_leave_with_an_end_moves_nobody(manager: Client, org: Org) -> None:
    backup, _ = colleagues(org)
    make_member(owner=org.guide)
    form = {
        "kind": "leave",
        "person": org.guide.pk,
        "starts_on": "2026-12-01",
        "ends_on": "2026-12-30",
        "backup": backup.pk,
    }
    assert "林晓雯请假 30 天，会员不动" in manager.post("/m/handovers/new/", form, follow=True).text
    assert not GuideHandover.objects.exists()
    bad = manager.post("/m/handovers/new/", form | {"ends_on": "2026-11-30"})
    assert (bad.status_code, "起止日期不对" in bad.text) == (422, True)
    stranger = manager.post("/m/handovers/new/", form | {"person": org.stranger.pk})
    assert (stranger.status_code, "选一位同事" in stranger.text) == (422, True)


def test_leave_for_good_leads_to_the_plan(manager: Client, org: Org) -> None:
    colleagues(org)
    form = {"kind": "give", "person": org.guide.pk}
    silent = manager.post("/m/handovers/new/", form)
    assert (silent.status_code, "选一下为什么交" in silent.text) == (422, True)
    page = manager.post("/m/handovers/new/", form | {"why": "long_leave"}, follow=True)
    assert "长假" in page.text and "你确认了才交" in page.text
    path = f"/m/handovers/{GuideHandover.objects.get().pk}/withdraw/"
    assert "会员不交了" in manager.post(path, follow=True).text


def test_a_region_manager_moves_and_takes_back(client: Client, org: Org) -> None:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    sign_in(client, holder_of("region_manager", org))
    form = {"kind": "move", "person": org.guide.pk, "store": org.other_store.pk, "starts_on": "2026-11-30"}
    page = client.post("/m/handovers/new/", form, follow=True).text
    assert "林晓雯11-30 起在观前店上班" in page and "等生效的" in page
    change = org.guide.store_changes.get()
    assert "林晓雯不调了" in client.post(f"/m/handovers/moves/{change.pk}/cancel/", follow=True).text
    sign_in(client, org.manager)
    assert client.get("/m/handovers/new/?kind=move").context["kind"] == "leave"  # not hers to do
    assert client.post(f"/m/handovers/moves/{change.pk}/cancel/").status_code == 403
