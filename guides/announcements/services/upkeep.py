"""What the beat sees to: reminders by level, managers told after two hours, deadlines, and pushes to call back."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.urls import reverse

from guides.notices import services as notices
from guides.notices.services import Notice
from guides.org.models import Staff
from guides.org.queries import managers_of_stores
from yejibao.core import clock, outbox
from yejibao.core.models import OutboxMessage
from yejibao.core.scope import Actor
from yejibao.wecom.sender import recall_messages

from ..models import Announcement, AnnouncementReceipt
from .publishing import next_reminder, outstanding_of, unread_events
from .urging import urge

RECALL_ROWS = 100
RECALLABLE = timedelta(hours=24)
State = OutboxMessage.State


def _each(due: str, now: datetime, work: Callable[[Announcement], int]) -> int:
    """Do something for each published announcement whose moment has come, each in its own transaction."""
    total = 0
    told = Announcement.objects.filter(state=Announcement.State.PUBLISHED, **{f"{due}__lte": now})
    for pk in list(told.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            rows = Announcement.objects.select_for_update(skip_locked=True, no_key=True)
            held = rows.filter(pk=pk, state=Announcement.State.PUBLISHED, **{f"{due}__lte": now}).first()
            if held is not None:
                total += work(held)
    return total


def remind_due(*, now: datetime) -> dict[str, int]:
    """Tell those who have not read it again, as the level's rule says."""

    def work(held: Announcement) -> int:
        held.reminded_count += 1
        held.remind_at = next_reminder(held.level, held.reminded_count, published_at=held.published_at or now)
        held.save(update_fields=["reminded_count", "remind_at"])
        result = urge(held, actor=Actor.system("公告提醒"), now=now)
        return result.sent + result.waits_for_morning

    return {"reminded": _each("remind_at", now, work)}


def tell_managers_due(*, now: datetime) -> dict[str, int]:
    """Tell managers how many of their store have not read it two hours on."""

    def work(held: Announcement) -> int:
        held.managers_at = None
        held.save(update_fields=["managers_at"])
        rows = AnnouncementReceipt.objects.outstanding().filter(
            announcement=held, staff__state__in=Staff.MAY_SIGN_IN, staff__store__isnull=False
        )
        by_store = Counter(rows.values_list("staff__store", flat=True))
        heads = managers_of_stores(list(by_store), day=clock.local_day(now))
        url = reverse("guides:manager-announcement", args=[held.pk])
        told = [
            (head, Notice("announcement", f"{held.key}:store", f"本店还有 {by_store[store]} 人没读", url, held.title))
            for store, head in heads.items()
        ]
        return notices.tell_each(told, now=now)

    return {"managers": _each("managers_at", now, work)}


def mark_overdue(*, now: datetime) -> dict[str, int]:
    """Once the deadline is over, what need not be confirmed becomes a task of whoever has not read it."""

    def work(held: Announcement) -> int:
        held.overdue_at = now
        held.save(update_fields=["overdue_at"])
        if held.needs_confirm:
            return 0  # has been one since it was published
        late = outstanding_of(held)
        outbox.publish_many(unread_events(held, late))
        return len(late)

    total = 0
    late = Announcement.objects.filter(state=Announcement.State.PUBLISHED, overdue_at=None, deadline_at__lte=now)
    for pk in list(late.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            rows = Announcement.objects.select_for_update(skip_locked=True, no_key=True)
            held = rows.filter(pk=pk, state=Announcement.State.PUBLISHED, overdue_at=None).first()
            total += work(held) if held is not None else 0
    return {"overdue": total}


def recall_withdrawn(*, now: datetime, budget: timedelta) -> dict[str, int]:
    """Call back the pushes of withdrawn announcements, as far as the platform lets us (24 hours). Goes on next time."""
    ends, tally = clock.monotonic() + budget.total_seconds(), Counter[str]()
    waiting = Announcement.objects.filter(state=Announcement.State.WITHDRAWN, recalled_at=None).order_by("withdrawn_at")
    for pk in list(waiting.values_list("pk", flat=True)):
        while clock.monotonic() < ends:
            with connection.cursor() as cursor:
                cursor.execute(
                    """SELECT r.id, m.msgid FROM guides_announcementreceipt r JOIN core_outboxmessage m ON m.id = r.message_id
                    WHERE r.announcement_id = %s AND m.state = 'sent' AND m.msgid <> '' AND m.sent_at > %s LIMIT %s""",
                    [pk, now - RECALLABLE, RECALL_ROWS],
                )
                found = cursor.fetchall()
            if not found:
                _end_recall(pk, now=now)
                break
            tally.update(recall_messages([msgid for _, msgid in found]))
            AnnouncementReceipt.objects.filter(pk__in=[pk for pk, _ in found]).update(message_id=None)
    return dict(tally)


def _end_recall(pk: int, *, now: datetime) -> None:
    """Nothing is left to call back, once nothing is on its way any more."""
    ids = AnnouncementReceipt.objects.filter(announcement_id=pk, message_id__isnull=False).values("message_id")
    if not OutboxMessage.objects.filter(pk__in=ids, state__in=(State.PENDING, State.CLAIMED, State.UNKNOWN)).exists():
        Announcement.objects.filter(pk=pk, recalled_at=None).update(recalled_at=now)
