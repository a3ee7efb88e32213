"""The night's run over approved deletions, and the list of who was forgotten."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import OperationalError, connection, transaction

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
    """Forget whoever's deletion was approved, a bounded batch a transaction; then write the list outside the database.

    Who cannot be forgotten holds nobody else up: he stays approved, shown as such, and the next night tries again.
    """
    deadline = clock.monotonic() + seconds
    counts = {"requests": 0, "members": 0, "failed": 0}
    failed: list[int] = []
    while clock.monotonic() < deadline:
        with transaction.atomic():
            waiting = MemberRequest.objects.filter(kind=MemberRequest.Kind.DELETE, state=State.APPROVED).order_by("pk")
            waiting = waiting.exclude(pk__in=failed)
            batch = list(waiting.select_for_update(skip_locked=True, of=("self",))[:AT_ONCE])
            if not batch:
                break
            members, stuck = _answer(batch, now=now)
        failed += stuck
        counts["members"] += members
        counts["requests"] += len(batch) - len(stuck)
    counts["failed"] = len(failed)
    erasing.write_list(erasing.kept_list())
    return counts


def _answer(batch: Sequence[MemberRequest], *, now: datetime) -> tuple[int, list[int]]:
    """Forget who is named by these locked requests; a batch that fails is halved until the one stands alone.

    Returns how many members were forgotten, and the requests that failed.
    """
    try:
        with transaction.atomic():
            members = len(forget_members([one.member_id for one in batch], now=now))
            MemberRequest.objects.filter(pk__in=[one.pk for one in batch]).update(
                state=State.DONE, done_at=now, wish="", answer="已清除，只留法律要求保存的订单和账"
            )
            for one in batch:
                audit.record(Actor.system("forget"), "member_request.deleted", one, after={"member": one.member_id})
        return members, []
    except OperationalError:  # a deadlock, a lost connection: no fault of any of them, the next night begins anew
        raise
    except Exception as error:  # noqa: BLE001  whatever one of them meets must not keep the others from being forgotten
        if len(batch) == 1:
            facts = {"request": batch[0].pk, "error": type(error).__name__}  # its text may hold a row
            log.error("a member could not be forgotten", extra={"facts": facts})
            return 0, [batch[0].pk]
        middle = len(batch) // 2
        first, second = _answer(batch[:middle], now=now), _answer(batch[middle:], now=now)
        return first[0] + second[0], first[1] + second[1]


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
