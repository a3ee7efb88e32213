"""The night's run over approved deletions, and the list of who was forgotten."""

import logging
from collections.abc import Collection
from datetime import datetime

from django.db import connection, transaction

from crm.events import MemberChanged
from crm.members.models import Member
from crm.members.services import lock_members
from crm.privacy.models import MemberRequest
from yejibao.core import audit, clock, erasing, outbox
from yejibao.core.scope import Actor

log = logging.getLogger("yejibao.privacy")
AT_ONCE = 200  # requests a transaction
State = MemberRequest.State


def forget_approved(*, now: datetime, seconds: float = 600.0) -> dict[str, int]:
    """Forget whoever's deletion was approved, a bounded batch a transaction; then write the list outside the database."""
    deadline = clock.monotonic() + seconds
    counts = {"requests": 0, "members": 0}
    while clock.monotonic() < deadline:
        with transaction.atomic():
            waiting = MemberRequest.objects.filter(kind=MemberRequest.Kind.DELETE, state=State.APPROVED).order_by("pk")
            batch = list(waiting.select_for_update(skip_locked=True, of=("self",))[:AT_ONCE])
            if not batch:
                break
            counts["members"] += len(forget_members([one.member_id for one in batch], now=now))
            MemberRequest.objects.filter(pk__in=[one.pk for one in batch]).update(
                state=State.DONE, done_at=now, wish="", answer="已清除，只留法律要求保存的订单和账"
            )
            for one in batch:
                audit.record(Actor.system("forget"), "member_request.deleted", one, after={"member": one.member_id})
        counts["requests"] += len(batch)
    erasing.write_list(erasing.kept_list())
    return counts


@transaction.atomic
def forget_members(ids: Collection[int], *, now: datetime) -> list[int]:
    """Forget members, with every card that was merged into theirs; open work about them ends. Returns all their ids."""
    everybody = set(ids)
    while found := set(
        Member.objects.filter(merged_into_id__in=everybody).exclude(pk__in=everybody).values_list("pk", flat=True)
    ):
        everybody |= found
    locked = lock_members(everybody)
    for pk in locked:
        outbox.publish(MemberChanged(pk, "closed"))
    with connection.cursor() as cursor:
        counts = erasing.erase(cursor, locked, now=now)
    log.info("members forgotten", extra={"facts": {"members": len(locked), "rows": counts}})
    return locked
