"""交接资料: what the new guide reads of a member in the first weeks, and what waits behind the introduction."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import GuideHandover, Member
from crm.members.services import choose_heir
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag, Tag
from guides.org.models import Staff
from guides.org.services import resign_staff
from tasks.followups import services, upkeep
from tasks.followups.handover_pack import pack_of
from tasks.followups.models import Reach, Task, TaskEvidence
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script, ScriptUse
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, actor, make_org, make_staff, sign_in
from tests.factories.tasks import make_task
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-23 10:00")
SYSTEM = Actor.system()


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def heir(org: Org) -> Staff:
    return make_staff(store=org.store, name="何勇", display_name="何勇")


def hand_over(org: Org, heir: Staff) -> None:
    resign_staff(org.guide, actor=SYSTEM, now=NOW)
    outbox.drain_events()
    choose_heir(GuideHandover.objects.get(), heir=heir, actor=SYSTEM, now=NOW)
    outbox.drain_events()


def known_member(org: Org) -> Member:
    """Somebody the former guide knew well."""
    load_tags(now=NOW)
    member = make_member(owner=org.guide, name="王建平", phone_consent=True)
    make_friend(member)
    order = make_order(member, paid_at=NOW - timedelta(days=40), guide=org.guide)
    for key, value in (("color_taboo", "红"), ("size_bottom", "33"), ("contact_time_preference", "下班后")):
        MemberTag.objects.create(member=member, tag=Tag.objects.get(key=key), source="GUIDE", values=[value], at=NOW)
    make_ticket(member, kind="alteration", order=order, opened_at=NOW - timedelta(days=2), pickup_at="2026-11-25 15:00")
    call = make_task(member, org.guide, now=NOW - timedelta(days=3))
    services.log_call(
        call, actor=actor(org.guide), result="connected", note="答应月底前帮他找灰色西裤", now=NOW - timedelta(days=3)
    )
    TaskEvidence.objects.create(
        task=call, kind="visit_booked", level=4, at=NOW, payload={"visit_at": parse_iso("2026-11-28 15:00").isoformat()}
    )
    make_task(member, org.guide, now=NOW - timedelta(hours=3), why="30 天前买了藏青套西")
    return member


def test_the_pack_says_what_the_former_guide_knew(org: Org, heir: Staff, django_assert_num_queries: Any) -> None:
    member = known_member(org)
    hand_over(org, heir)
    member.refresh_from_db()
    with django_assert_num_queries(1):
        pack = pack_of(member, now=NOW)
    assert pack is not None
    assert (pack.former, pack.reason, pack.friend_words) == ("晓雯", "离职", "微信好友排队等转")
    assert pack.sizes == [("裤", "33"), ("上衣", "175/92A")]
    assert pack.taboos == [("忌讳颜色", "红"), ("方便联系", "下班后")]
    assert pack.promises == ["约了 11-28 15:00 到店", "说好 11-25 15:00 取改好的衣服"]
    assert pack.last_talk == {"said": "11-20 10:00 晓雯打了电话", "words": "答应月底前帮他找灰色西裤", "outcome": ""}
    assert [(one["why"], one["is_held"]) for one in pack.open_tasks] == [("30 天前买了藏青套西", True)]
    assert pack_of(member, now=NOW + timedelta(days=29)) is None


def test_nothing_known_is_said_so(org: Org, heir: Staff, client: Client) -> None:
    member = make_member(owner=org.guide, phone_consent=True)
    hand_over(org, heir)
    client.defaults["HTTP_ACCEPT"] = "text/html"
    page = sign_in(client, heir).get(f"/g/members/{member.public_id}/").text
    for words in ("交接资料", "晓雯离职，今天交来", "还不知道，聊的时候问一句", "还没聊过"):
        assert words in page, words


def test_the_introduction_shows_it_and_the_words_of_the_book(org: Org, heir: Staff, client: Client) -> None:
    load_scripts(now=NOW)
    known_member(org)
    hand_over(org, heir)
    client.defaults["HTTP_ACCEPT"] = "text/html"
    intro = Task.objects.get(task_type="handover_intro")
    page = sign_in(client, heir).get(f"/g/tasks/{intro.pk}/").text
    for words in ("交接资料", "答应月底前帮他找灰色西裤", "招呼后再做", "原来的导购离职了", "郑重托付给我了"):
        assert words in page, words
    other = Task.objects.exclude(task_type="handover_intro").get(state="open")
    assert "交接资料" not in client.get(f"/g/tasks/{other.pk}/").text


def test_nobody_else_reads_it(org: Org, heir: Staff, client: Client) -> None:
    member = make_member(owner=org.guide, phone_consent=True)
    hand_over(org, heir)
    client.defaults["HTTP_ACCEPT"] = "text/html"
    assert sign_in(client, org.stranger).get(f"/g/members/{member.public_id}/").status_code == 404
    plain = make_member(owner=heir)
    assert "交接资料" not in sign_in(client, heir).get(f"/g/members/{plain.public_id}/").text


def test_a_refused_step_behind_the_introduction_is_let_go(org: Org, heir: Staff) -> None:
    member = known_member(org)
    hand_over(org, heir)
    held = Task.objects.get(held_reason="handover")
    assert upkeep.release_held(now=NOW + timedelta(hours=1))["handover"] == 0
    intro = Task.objects.get(task_type="handover_intro", member=member)
    services.log_call(intro, actor=actor(heir), result="connected", note="认识了一下他", now=NOW + timedelta(hours=2))
    assert upkeep.release_held(now=NOW + timedelta(hours=2))["handover"] == 1
    held.refresh_from_db()
    assert held.held_at is None


def test_words_sent_as_they_stood_are_named_and_not_shown_with_their_gaps(org: Org, heir: Staff) -> None:
    load_scripts(now=NOW)
    member = known_member(org)
    script = Script.objects.get(key="d60_any_visit")
    guide = {"guide_id": org.guide.pk, "day": NOW.date(), "channel": "wecom_message", "level": 2}
    sent = make_task(member, org.guide, now=NOW - timedelta(hours=5), node="d60")
    Reach.objects.create(member=member, task=sent, at=NOW, **guide)
    used = ScriptUse.objects.create(
        script=script, script_key=script.key, task=sent, member=member, guide=org.guide, at=NOW
    )
    hand_over(org, heir)
    member.refresh_from_db()
    pack = pack_of(member, now=NOW)
    assert pack and pack.last_talk and pack.last_talk["words"] == f"话术「{script.title}」"
    ScriptUse.objects.filter(pk=used.pk).update(text="王先生，那套西服还合身吗？", was_edited=True)
    pack = pack_of(member, now=NOW)
    assert pack and pack.last_talk and pack.last_talk["words"] == "王先生，那套西服还合身吗？"
