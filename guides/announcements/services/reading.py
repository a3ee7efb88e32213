"""A reader's side: opening is reading, and a tap confirms."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.events import AnnouncementSettled
from guides.notices.models import Notification
from yejibao.core import outbox
from yejibao.core.errors import Conflict, NotFound
from yejibao.core.scope import Actor

from ..models import Announcement, AnnouncementReceipt


class TooQuick(Conflict):
    code, title = "announcement.too_quick", _("还没看完")


class Gone(Conflict):
    code, title = "announcement.withdrawn", _("这条公告已经撤回")


@transaction.atomic
def mark_read(announcement: Announcement, *, actor: Actor, now: datetime) -> AnnouncementReceipt | None:
    """Note that a person opened an announcement; the first time counts. None for who is not in its audience."""
    receipt = AnnouncementReceipt.objects.filter(announcement=announcement, staff_id=actor.staff_id or 0).first()
    if receipt is None or receipt.read_at or not announcement.is_told:
        return receipt
    done = None if announcement.needs_confirm else now
    first = AnnouncementReceipt.objects.filter(pk=receipt.pk, read_at=None)
    if first.update(read_at=now, done_at=done):
        receipt.read_at, receipt.done_at = now, done
        _settle(announcement, receipt, now=now)
    else:  # two taps at once
        receipt.refresh_from_db()
    return receipt


@transaction.atomic
def confirm(announcement: Announcement, *, actor: Actor, now: datetime) -> AnnouncementReceipt:
    """我知道了. Again is the same. Raises NotFound, Gone for a withdrawn one, TooQuick before the time its text takes."""
    receipt = (
        AnnouncementReceipt.objects.select_for_update()
        .filter(announcement=announcement, staff_id=actor.staff_id or 0)
        .first()
    )
    if receipt is None:
        raise NotFound()
    if not Announcement.objects.filter(pk=announcement.pk, state=Announcement.State.PUBLISHED).exists():
        raise Gone()
    if receipt.confirmed_at or not announcement.needs_confirm:
        return receipt
    opened = receipt.read_at or now
    if (left := opened + timedelta(seconds=announcement.min_read_seconds) - now) > timedelta(0):
        raise TooQuick(_("再看 %(count)d 秒，看完就能点") % {"count": max(1, round(left.total_seconds()))})
    receipt.read_at, receipt.confirmed_at, receipt.done_at = opened, now, now
    receipt.save(update_fields=["read_at", "confirmed_at", "done_at"])
    _settle(announcement, receipt, now=now)
    return receipt


def _settle(announcement: Announcement, receipt: AnnouncementReceipt, *, now: datetime) -> None:
    """Once read, 消息 waits no more; once nothing is wanted, nor does the task."""
    Notification.objects.filter(staff_id=receipt.staff_id, key=announcement.key, read_at=None).update(read_at=now)
    if receipt.done_at:
        outbox.publish(AnnouncementSettled(announcement.pk, [receipt.staff_id], "read"))
