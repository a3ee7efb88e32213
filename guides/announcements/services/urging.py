"""催读: those who have not read it, at most once in two hours, whoever taps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from guides.notices import services as notices
from guides.org import matrix
from guides.org.hours import next_push
from guides.org.models import OrgUnit, Staff, Store
from yejibao.core import audit, outbox
from yejibao.core.errors import Conflict, Forbidden
from yejibao.core.scope import Actor

from ..models import Announcement, AnnouncementReceipt
from ..rules import URGE_EVERY
from ..scoped import URGE, staff_within
from .publishing import notice_of

AT_ONCE = 2_000


@dataclass(frozen=True)
class UrgeResult:
    """What became of 催读: how many are told now, how many in the morning, how many were urged less than two hours ago."""

    sent: int
    waits_for_morning: int
    too_soon: int


@transaction.atomic
def urge(
    announcement: Announcement,
    *,
    actor: Actor,
    now: datetime,
    unit: OrgUnit | None = None,
    staff_ids: Sequence[int] | None = None,
) -> UrgeResult:
    """Urge those of one's reach who have not read (or not confirmed) it; of a unit or of named people where said.

    In quiet hours it waits for the morning. Raises Forbidden, Conflict when it is not out any more.
    """
    if not actor.has_role(*matrix.holders(URGE)):
        raise Forbidden(permission=URGE)
    if not Announcement.objects.filter(pk=announcement.pk, state=Announcement.State.PUBLISHED).exists():
        raise Conflict(_("这条公告不在发布中，不用催了"))
    waiting = AnnouncementReceipt.objects.outstanding().filter(
        staff_within(actor, URGE), announcement=announcement, staff__state__in=Staff.MAY_SIGN_IN
    )
    if unit is not None:
        waiting = waiting.filter(staff__unit__path__startswith=unit.path or "-")
    if staff_ids is not None:
        waiting = waiting.filter(staff_id__in=staff_ids)
    asked = waiting.count()
    free = waiting.filter(Q(urged_at=None) | Q(urged_at__lte=now - URGE_EVERY)).order_by("pk")
    ids = list(free.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
    later = 0
    for first in range(0, len(ids), AT_ONCE):
        later += _urge_batch(announcement, ids[first : first + AT_ONCE], now=now)
    if ids and not actor.is_system:
        audit.record(actor, "announcement.urged", announcement, after={"title": announcement.title, "people": len(ids)})
    return UrgeResult(len(ids) - later, later, asked - len(ids))


def _urge_batch(announcement: Announcement, ids: list[int], *, now: datetime) -> int:
    """Queue a push for each and note the urge. Returns for how many it waits for the morning."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE guides_announcementreceipt SET urged_at = %s, urge_count = urge_count + 1 WHERE id = ANY (%s)
            RETURNING staff_id, urge_count""",
            [now, ids],
        )
        counts = dict(cursor.fetchall())
    people = list(Staff.objects.filter(pk__in=counts).select_related("store").order_by("pk"))
    nowhere, messages = Store(), []
    for person in people:
        due = next_push(person.store or nowhere, now, minute=person.digest_minute)
        key = f"announcement_urge:{announcement.pk}:{person.pk}:{counts[person.pk]}"
        until = due + timedelta(hours=12)
        messages.append(
            outbox.NewMessage("announcement_urge", key, person.wecom_user_id, due, announcement.key, until, 3)
        )
    outbox.enqueue(messages)
    notice = notice_of(
        announcement,
        "还没读，请在下班前看完。" if not announcement.needs_confirm else "请在下班前看完并点「我知道了」。",
    )
    notices.tell_each([(one.pk, notice) for one in people], now=now, pushed=[one.dedupe_key for one in messages])
    return sum(one.due_at > now for one in messages)
