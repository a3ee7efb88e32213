"""Announcements: one draft for two editors, one publishing, one urge, and nothing left of what is withdrawn."""

from datetime import timedelta

from guides.announcements import services
from guides.announcements.audience import Audience
from guides.announcements.models import Announcement, AnnouncementReceipt
from guides.announcements.services import Draft
from guides.announcements.services.publishing import spread_batch
from guides.notices.models import Notification
from guides.org.models import Staff
from tasks.duties.models import Duty
from tasks.duties.services import NewDuty, open_duties
from tests.factories.guides import actor, holder_of
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.errors import Conflict, Stale
from yejibao.core.models import OutboxMessage


def _draft(world: World) -> tuple[Announcement, Staff]:
    """Return a draft for the guide and her manager; what earlier races told is gone."""
    AnnouncementReceipt.objects.all().delete()
    Announcement.objects.all().delete()
    Notification.objects.all().delete()
    who = holder_of("hq_retail", world.org)
    held = services.begin(actor=actor(who), now=NOON)
    wanted = Audience(units=[world.org.store.unit_id], roles=["guide", "store_manager"])
    content = Draft(title="小雪换季陈列调整", body="今天要做三件事", audience=wanted, needs_confirm=True)
    return services.save_draft(held, content, seen=held.version, actor=actor(who), now=NOON), who


def _told(world: World) -> tuple[Announcement, Staff]:
    held, who = _draft(world)
    held = services.publish(held, seen=held.version, actor=actor(who), now=NOON)
    services.spread(now=NOON, budget=timedelta(seconds=10))
    held.refresh_from_db()
    return held, who


def two_who_edit_a_draft(world: World) -> None:
    held, who = _draft(world)
    other = holder_of("hq_crm", world.org)
    both = overtaken(
        lambda: services.save_draft(held, Draft(title="我的"), seen=held.version, actor=actor(who), now=NOON),
        lambda: services.save_draft(held, Draft(title="他的"), seen=held.version, actor=actor(other), now=NOON),
    )
    held.refresh_from_db()
    assert isinstance(both.second, Stale) and held.title == "我的"


def two_beats_publish_what_is_scheduled(world: World) -> None:
    held, who = _draft(world)
    services.publish(held, seen=held.version, actor=actor(who), now=NOON, at=NOON + timedelta(hours=1))
    both = overtaken(*[lambda: services.publish_due(now=NOON + timedelta(hours=1))] * 2)
    assert (both.first, both.second) == (1, 0)


def one_withdraws_while_it_spreads(world: World) -> None:
    held, who = _draft(world)
    services.publish(held, seen=held.version, actor=actor(who), now=NOON)
    both = overtaken(
        lambda: services.withdraw(held, actor=actor(who), now=NOON, reason="价格写错了"),
        lambda: spread_batch(held.pk, now=NOON),
    )
    assert in_peace(both.second) == 0
    assert not Notification.objects.unread().filter(key=held.key).exists()


def two_who_withdraw(world: World) -> None:
    held, who = _told(world)
    both = overtaken(*[lambda: services.withdraw(held, actor=actor(who), now=NOON, reason="价格写错了")] * 2)
    assert isinstance(both.second, Conflict)


def two_taps_that_confirm(world: World) -> None:
    held, _who = _told(world)
    both = overtaken(
        lambda: services.confirm(held, actor=world.guide, now=NOON),
        lambda: services.confirm(held, actor=world.guide, now=NOON + timedelta(minutes=1)),
    )
    in_peace(both.second)
    receipt = AnnouncementReceipt.objects.get(announcement=held, staff=world.org.guide)
    assert receipt.confirmed_at == NOON, "the first tap counts"


def two_who_urge_the_same(world: World) -> None:
    held, who = _told(world)
    both = overtaken(
        lambda: services.urge(held, actor=actor(who), now=NOON),
        lambda: services.urge(held, actor=world.manager, now=NOON),
    )
    assert in_peace(both.second).sent == 0
    assert OutboxMessage.objects.filter(kind="announcement_urge").count() == in_peace(both.first).sent > 0


def a_duty_asked_for_twice(world: World) -> None:
    Duty.objects.all().delete()
    one = NewDuty(world.org.guide.pk, "announcement_read", "announcement:1", "公告", "/g/announcements/1/", NOON, NOON)
    both = overtaken(*[lambda: open_duties([one], now=NOON)] * 2)
    assert (in_peace(both.first), in_peace(both.second)) == (1, 0)
