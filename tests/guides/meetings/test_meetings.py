"""Meetings: those asked are told and reminded, the platform makes the call, who came is counted and exported."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from guides.announcements.audience import Audience
from guides.announcements.choosing import Chosen
from guides.exports import services as exports
from guides.exports.models import Export
from guides.meetings import queries, services
from guides.meetings.models import Meeting, MeetingAttendee
from guides.meetings.services.coming import NotNow
from guides.notices.models import Notification
from tests.factories.guides import Org, actor, holder_of, make_org, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.models import OutboxMessage
from yejibao.wecom import gateway

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-21 10:00")
MINUTE = timedelta(seconds=60)
BEGINS = NOW + timedelta(hours=5)


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


def planned(org: Org, *, tell: bool = True, **facts: Any) -> Meeting:
    who = facts.pop("by", None) or holder_of("hq_training", org)
    chosen = Chosen(Audience(roles=["guide"]), "全公司 · 导购", org.hq)
    meeting = services.plan_meeting(
        **{"title": "秋季上新线上培训", "text": "", "starts_at": BEGINS, "minutes": 60, "place": "", "link": "https://meeting.tencent.com/dm/x",
           "on_platform": False, "needs_sign_in": True} | facts,
        chosen=chosen, actor=actor(who), now=NOW,
    )  # fmt: skip
    if tell:
        services.tell_attendees(now=NOW, budget=MINUTE)
    return Meeting.objects.get(pk=meeting.pk)


def told(person: Any) -> list[str]:
    return list(
        Notification.objects.filter(staff=person, kind="meeting").order_by("at").values_list("title", flat=True)
    )


def test_those_asked_hear_of_it_and_again_a_quarter_of_an_hour_before(org: Org) -> None:
    meeting = planned(org)
    assert set(MeetingAttendee.objects.values_list("staff_id", flat=True)) == {org.guide.pk, org.stranger.pk}
    assert told(org.guide) == ["会议：秋季上新线上培训"]
    assert services.remind(now=BEGINS - timedelta(minutes=16)) == {"reminded": 0}
    assert services.remind(now=BEGINS - timedelta(minutes=15)) == {"reminded": 2}
    assert services.remind(now=BEGINS - timedelta(minutes=14)) == {"reminded": 0}
    assert told(org.guide) == ["15 分钟后开会：秋季上新线上培训"]
    assert OutboxMessage.objects.filter(recipient=org.guide.wecom_user_id).count() == 2
    meeting.refresh_from_db()
    assert (meeting.attendee_count, meeting.spread_at) == (2, NOW)


def test_signing_in_counts_once_and_only_then(org: Org) -> None:
    meeting = planned(org)
    with pytest.raises(NotNow):
        services.sign_in(meeting, actor=actor(org.guide), now=NOW)
    assert services.sign_in(meeting, actor=actor(org.guide), now=BEGINS) is True
    assert services.sign_in(meeting, actor=actor(org.guide), now=BEGINS) is False
    with pytest.raises(NotFound):
        services.sign_in(meeting, actor=actor(org.manager), now=BEGINS)
    coming = queries.counts_of([meeting])[meeting.pk]
    assert (coming.asked, coming.signed, coming.there, coming.percent) == (2, 1, 1, 50)


def test_the_platform_makes_the_call_and_says_who_joined(org: Org, sandbox: Any) -> None:
    trainer = holder_of("hq_training", org)
    people = [
        {"userid": one.wecom_user_id, "name": one.name, "department": [1]} for one in (org.guide, org.stranger, trainer)
    ]
    sandbox.post("world", people=people)
    meeting = planned(
        org, by=trainer, on_platform=True, link="", tell=False, title="秋季第一波段上新线上培训（全体导购必须参加）"
    )
    assert services.tell_attendees(now=NOW, budget=MINUTE) == {"told": 0}, "first the call, then the news"
    sandbox.post("clock", now=NOW.isoformat())
    door = gateway.default()
    assert services.make_calls(now=NOW, budget=MINUTE, door=door)["made"] == 1
    meeting.refresh_from_db()
    assert (meeting.platform, bool(meeting.platform_code)) == ("made", True) and meeting.link.startswith("https://")
    assert services.tell_attendees(now=NOW, budget=MINUTE) == {"told": 2}
    sandbox.post(
        "meetings/join",
        meetingid=meeting.platform_id,
        joined={org.guide.wecom_user_id: 1800, "stranger": 60},
        over=True,
    )
    assert services.count_joined(now=meeting.ends_at, door=door) == {"counted": 0}
    assert services.count_joined(now=meeting.ends_at + timedelta(minutes=11), door=door) == {"counted": 1}
    assert dict(MeetingAttendee.objects.values_list("staff_id", "joined_seconds")) == {
        org.guide.pk: 1800,
        org.stranger.pk: None,
    }
    assert queries.counts_of([meeting])[meeting.pk].there == 1


def test_where_the_platform_refuses_people_are_told_all_the_same(org: Org, sandbox: Any) -> None:
    trainer = holder_of("hq_training", org)
    sandbox.post("world", people=[{"userid": trainer.wecom_user_id, "name": trainer.name, "department": [1]}])
    sandbox.post("clock", now=NOW.isoformat())
    sandbox.fault("meeting/create", errcode=48002)
    meeting = planned(org, by=trainer, on_platform=True, link="", place="新街口店二楼")
    services.make_calls(now=NOW, budget=MINUTE, door=gateway.default())
    services.tell_attendees(now=NOW, budget=MINUTE)
    meeting.refresh_from_db()
    assert meeting.platform == "failed" and "权限" in meeting.platform_error
    assert told(org.guide)


def test_called_off_everybody_hears_of_it_and_nobody_is_reminded(org: Org) -> None:
    meeting = planned(org)
    services.call_off(meeting, actor=actor(meeting.author), now=NOW)
    assert told(org.guide) == ["会议：秋季上新线上培训", "会议取消：秋季上新线上培训"]
    assert services.remind(now=BEGINS - timedelta(minutes=10)) == {"reminded": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": ""}, {"starts_at": NOW}, {"starts_at": NOW + timedelta(days=200)}, {"minutes": 0}, {"minutes": 9999},
        {"link": "javascript:alert(1)"}, {"link": "http://x.cn/a"}, {"link": ""},
    ],
)  # fmt: skip
def test_what_is_no_meeting_is_refused(org: Org, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        planned(org, **wrong)


def test_pages_of_both_sides(client: Client, org: Org, clock: Any) -> None:
    sign_in(client, org.manager)
    assert "用企业微信会议" in client.get("/m/meetings/new/").content.decode()
    given = {
        "title": "周一早会·会员周报",
        "starts_at": "2026-11-23T09:40",
        "minutes": "20",
        "place": "店里",
        "sign_in": "1",
        "roles": ["guide"],
    }
    assert client.post("/m/meetings/new/", given | {"minutes": "x"}).status_code == 422
    made = client.post("/m/meetings/new/", given)
    meeting = Meeting.objects.get()
    assert made["Location"] == f"/m/meetings/{meeting.pk}/" and meeting.unit_id == org.store.unit_id
    services.tell_attendees(now=NOW, budget=MINUTE)
    assert client.get(f"/m/meetings/{meeting.pk}/").status_code == 200
    sign_in(client, org.stranger)
    assert client.get(f"/g/meetings/{meeting.pk}/").status_code == 404
    sign_in(client, org.guide)
    assert "周一早会" in client.get("/g/meetings/").content.decode()
    clock.travel("2026-11-23 09:30")
    client.post(f"/g/meetings/{meeting.pk}/sign/")
    assert "签到了" in client.get(f"/g/meetings/{meeting.pk}/").content.decode()


def test_the_list_of_who_came_is_exported(client: Client, org: Org) -> None:
    meeting = planned(org)
    services.sign_in(meeting, actor=actor(org.guide), now=BEGINS)
    sign_in(client, meeting.author)
    asked = client.post("/me/exports/ask/meeting/", {"meeting": meeting.pk, "idempotency_key": "k"})
    assert asked.status_code == 302
    exports.make_due(now=NOW, budget=MINUTE)
    export = Export.objects.get()
    assert (export.state, export.rows_total) == ("ready", 2)
    sign_in(client, org.manager)
    assert client.post("/me/exports/ask/meeting/", {"meeting": meeting.pk, "idempotency_key": "m"}).status_code in (
        404,
        422,
    )


@pytest.mark.parametrize("rows", [1, 4])
def test_lists_need_the_same_statements_for_any_length(
    client: Client, org: Org, rows: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(rows):
        meeting = planned(org, title=f"第 {number} 场培训")
    for person, url in ((org.guide, "/g/meetings/"), (meeting.author, "/m/meetings/")):
        sign_in(client, person)
        client.get(url)
        with django_assert_max_num_queries(7):
            assert len(client.get(url).context["rows"]) >= 1
