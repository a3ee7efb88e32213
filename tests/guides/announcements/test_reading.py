"""Announcements that are out: read, confirmed, urged and reminded of, taken back."""

from datetime import timedelta
from typing import Any

import pytest

from guides.announcements import services
from guides.announcements.audience import Audience
from guides.announcements.models import Announcement, AnnouncementReceipt
from guides.announcements.services.reading import Gone, TooQuick
from guides.events import AnnouncementSettled
from guides.notices.models import Notification
from guides.org.models import Staff
from tasks.duties.models import Duty
from tests.factories.guides import Org, actor, holder_of
from yejibao.core import outbox
from yejibao.core.errors import Conflict, Forbidden, NotFound
from yejibao.core.models import OutboxEvent, OutboxMessage
from yejibao.core.scope import Actor

from .conftest import NOW

pytestmark = pytest.mark.django_db
State = Announcement.State


# ---------------------------------------------------------------- reading


def test_opening_is_reading_and_a_tap_confirms(published: Any, org: Org) -> None:
    held = published(min_read_seconds=30)
    outbox.drain_events()
    me = actor(org.guide)
    first = services.mark_read(held, actor=me, now=NOW)
    assert first is not None and (first.read_at, first.done_at) == (NOW, None)
    assert not Notification.objects.unread().filter(staff=org.guide).exists()
    with pytest.raises(TooQuick, match="再看 20 秒"):
        services.confirm(held, actor=me, now=NOW + timedelta(seconds=10))
    later = NOW + timedelta(seconds=31)
    assert services.mark_read(held, actor=me, now=later).read_at == NOW, "the first time counts"  # type: ignore[union-attr]
    done = services.confirm(held, actor=me, now=later)
    assert done.confirmed_at == done.done_at == later
    assert services.confirm(held, actor=me, now=later + timedelta(hours=1)).confirmed_at == later, "again is the same"
    outbox.drain_events()
    assert Duty.objects.get(assignee=org.guide).state == "done"
    assert set(Duty.objects.filter(state="open").values_list("assignee", flat=True)) == {
        org.manager.pk,
        org.stranger.pk,
    }


def test_what_need_not_be_confirmed_is_done_when_it_is_read(published: Any, org: Org) -> None:
    held = published(needs_confirm=False)
    assert not OutboxEvent.objects.filter(topic="guides.announcement_unread").exists(), "no duty before its deadline"
    receipt = services.mark_read(held, actor=actor(org.guide), now=NOW)
    assert receipt is not None and receipt.done_at == NOW
    assert services.mark_overdue(now=NOW) == {"overdue": 0}
    late = NOW.replace(hour=14)  # 22:00 in Shanghai: the evening of that day
    assert services.mark_overdue(now=late) == {"overdue": 2} and services.mark_overdue(now=late) == {"overdue": 0}
    outbox.drain_events()
    assert set(Duty.objects.values_list("assignee", flat=True)) == {org.manager.pk, org.stranger.pk}


def test_a_stranger_has_nothing_to_read_or_confirm(published: Any, org: Org) -> None:
    held = published(audience=Audience(units=[org.area.pk]))
    assert services.mark_read(held, actor=actor(org.stranger), now=NOW) is None
    with pytest.raises(NotFound):
        services.confirm(held, actor=actor(org.stranger), now=NOW)


# ---------------------------------------------------------------- urging


def test_only_the_unread_are_urged_once_in_two_hours_whoever_taps(published: Any, org: Org, publisher: Staff) -> None:
    held = published(needs_confirm=False)
    services.mark_read(held, actor=actor(org.stranger), now=NOW)
    boss, store = actor(publisher), actor(org.manager)
    assert services.urge(held, actor=store, now=NOW) == services.UrgeResult(2, 0, 0), "her store, herself too"
    assert services.urge(held, actor=boss, now=NOW + timedelta(hours=1)) == services.UrgeResult(0, 0, 2)
    assert services.urge(held, actor=boss, now=NOW + timedelta(hours=2)) == services.UrgeResult(2, 0, 0)
    assert OutboxMessage.objects.filter(kind="announcement_urge").count() == 4
    assert AnnouncementReceipt.objects.get(announcement=held, staff=org.guide).urge_count == 2
    with pytest.raises(Forbidden):
        services.urge(held, actor=actor(org.guide), now=NOW)


def test_a_manager_urges_no_other_store_and_one_who_left_is_not_urged(published: Any, org: Org) -> None:
    held = published()
    Staff.objects.filter(pk=org.guide.pk).update(state="resigned")
    assert services.urge(held, actor=actor(org.manager), now=NOW) == services.UrgeResult(1, 0, 0)
    assert services.urge(held, actor=actor(org.manager), now=NOW, staff_ids=[org.stranger.pk]) == services.UrgeResult(
        0, 0, 0
    )


def test_at_night_an_urge_waits_for_the_morning(published: Any, org: Org, publisher: Staff) -> None:
    held = published()
    night = NOW.replace(hour=15)  # 23:00
    assert services.urge(held, actor=actor(publisher), now=night, unit=org.store.unit) == services.UrgeResult(0, 2, 0)


@pytest.mark.parametrize(("level", "after"), [("urgent", [2, 4]), ("important", [23.5]), ("normal", [])])
def test_reminders_come_as_the_level_says(published: Any, org: Org, level: str, after: list[float]) -> None:
    held = published(level=level)
    services.confirm(held, actor=actor(org.stranger), now=NOW)
    rung = []
    for quarter in range(4 * 30):
        moment = NOW + timedelta(minutes=15 * quarter)
        if services.remind_due(now=moment)["reminded"]:
            rung.append(quarter / 4)
    assert rung == after


def test_managers_hear_after_two_hours_who_has_not_read(published: Any, org: Org) -> None:
    held = published(tells_managers=True)
    assert services.tell_managers_due(now=NOW + timedelta(hours=1)) == {"managers": 0}
    services.confirm(held, actor=actor(org.manager), now=NOW)
    assert services.tell_managers_due(now=NOW + timedelta(hours=2)) == {"managers": 1}
    told = Notification.objects.get(staff=org.manager, key=f"{held.key}:store")
    assert (told.title, told.url) == ("本店还有 1 人没读", f"/m/announcements/{held.pk}/")
    assert services.tell_managers_due(now=NOW + timedelta(hours=3)) == {"managers": 0}


# ---------------------------------------------------------------- taking back


def test_what_is_withdrawn_is_gone_from_everywhere_at_once(published: Any, org: Org, publisher: Staff) -> None:
    held = published(pinned_days=3)
    outbox.drain_events()
    services.mark_read(held, actor=actor(org.guide), now=NOW)
    services.withdraw(held, actor=actor(publisher), now=NOW, reason="价格写错了")
    outbox.drain_events()
    assert set(Duty.objects.values_list("state", flat=True)) == {"cancelled"}
    assert not Notification.objects.unread().filter(key=held.key).exists()
    with pytest.raises(Gone):
        services.confirm(held, actor=actor(org.guide), now=NOW)
    with pytest.raises(Conflict):
        services.urge(held, actor=Actor.system(), now=NOW)
    with pytest.raises(Conflict):
        services.withdraw(held, actor=actor(publisher), now=NOW, reason="再撤一次")
    assert services.spread_to_newcomers(now=NOW) == {"told": 0}
    assert services.remind_due(now=NOW + timedelta(days=1)) == {"reminded": 0}


def test_a_branch_withdraws_nothing_of_the_company(published: Any, org: Org) -> None:
    with pytest.raises(NotFound):
        services.withdraw(published(), actor=actor(holder_of("branch_manager", org)), now=NOW, reason="不归我")


def test_events_of_reading_are_settled_together(org: Org) -> None:
    from tasks.handlers import settle_reading

    settle_reading([AnnouncementSettled(1, [org.guide.pk], "read"), AnnouncementSettled(1, [org.manager.pk], "read")])
