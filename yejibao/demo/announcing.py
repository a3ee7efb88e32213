"""公告 of the demo: the samples of the domain book as they would have gone out, read by most, one waiting to be confirmed."""

import random
from datetime import datetime, time, timedelta

from django.db import connection

from guides.announcements import services
from guides.announcements.models import Announcement
from guides.approvals.models import Approval
from guides.approvals.services import approve
from guides.events import AnnouncementSettled
from guides.org.actors import actor_for
from guides.org.models import Staff
from yejibao.core import clock, outbox
from yejibao.core.models import OutboxMessage

# sample, by whom, how many days ago at what hour (None: just now), of a hundred readers so many, how many of these have confirmed
TOLD = (
    ("ann_champion", "liangbin", (9, time(9, 40)), 97, 100),
    ("ann_stored_value_rule", "liangbin", (6, time(10, 5)), 99, 99),
    ("ann_holiday", "liangbin", (3, time(14, 30)), 88, 94),
    ("ann_autumn_launch", "qiushan", None, 55, 80),
)
DRAFT = ("ann_safety", "qiushan")
NOT_YET = "linxiaowen"  # whose phone a newcomer holds: one announcement waits for her

_READ = """
UPDATE guides_announcementreceipt r SET read_at = n.at,
    confirmed_at = CASE WHEN n.is_confirmed THEN n.at + interval '50 seconds' END,
    done_at = CASE WHEN n.is_confirmed THEN n.at + interval '50 seconds' WHEN NOT %(needs)s THEN n.at END
FROM unnest(%(people)s::bigint[], %(at)s::timestamptz[], %(confirmed)s::bool[]) AS n(staff_id, at, is_confirmed)
WHERE r.announcement_id = %(pk)s AND r.staff_id = n.staff_id
"""


def build(*, now: datetime) -> None:
    """Build it up to now; the company's management has said yes to what goes to all."""
    dice, people = random.Random(617), {one.wecom_user_id: one for one in Staff.objects.employed()}
    boss = people.get("jiangweimin")
    for sample, userid, ago, read, confirmed in TOLD:
        if userid not in people or boss is None:
            continue
        at = (
            clock.local_moment(clock.local_day(now) - timedelta(days=ago[0]), ago[1])
            if ago
            else now - timedelta(minutes=50)
        )
        actor = actor_for(people[userid])
        held = services.begin(actor=actor, now=at, sample=sample)
        held = services.publish(held, seen=held.version, actor=actor, now=at, reason="按年度计划发布")
        if held.state == Announcement.State.ASKED:
            approve(Approval.objects.get(key=held.key), actor=actor_for(boss), now=at)
        services.spread(now=at, budget=timedelta(seconds=10))
        held.refresh_from_db()
        _read(held, dice, now=now, read=read, confirmed=confirmed, hers=people.get(NOT_YET), is_new=ago is None)
    if DRAFT[1] in people:
        services.begin(actor=actor_for(people[DRAFT[1]]), now=now - timedelta(minutes=20), sample=DRAFT[0])
    # What was told in the days before has arrived then; nobody's phone rings for it today.
    OutboxMessage.objects.filter(kind="announcement", due_at__lt=now - timedelta(hours=2)).update(
        state="sent", sent_at=now
    )
    Announcement.objects.filter(published_at__lt=now - timedelta(hours=2)).update(remind_at=None, managers_at=None)
    outbox.drain_events()


def _read(
    held: Announcement,
    dice: random.Random,
    *,
    now: datetime,
    read: int,
    confirmed: int,
    hers: Staff | None,
    is_new: bool,
) -> None:
    told = held.published_at or now
    span = max(1.0, min((now - told).total_seconds() - 120, 8 * 3600))
    readers = []
    for receipt in held.receipts.order_by("staff"):
        is_hers = hers is not None and receipt.staff_id == hers.pk
        if not is_new if is_hers else dice.randrange(100) < read:
            at = told + timedelta(seconds=dice.uniform(20, span))
            readers.append((receipt.staff_id, at, held.needs_confirm and (is_hers or dice.randrange(100) < confirmed)))
    with connection.cursor() as cursor:
        cursor.execute(
            _READ,
            {"pk": held.pk, "needs": held.needs_confirm, "people": [one[0] for one in readers],
             "at": [one[1] for one in readers], "confirmed": [one[2] for one in readers]},
        )  # fmt: skip
    done = list(held.receipts.filter(done_at__isnull=False).values_list("staff", flat=True))
    if done:
        outbox.publish(AnnouncementSettled(held.pk, done, "read"))
