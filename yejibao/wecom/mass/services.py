"""Planning, cancelling and reminding; claiming and settling for those who do the steps (`steps.py`, `results.py`)."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import clock
from yejibao.core.errors import Conflict, Invalid, TooMany

from .. import gateway, groupsends, moments
from ..errors import GatewayError, Kind
from ..gateway import Gateway
from .models import MassSend, MassSender, MassTarget

State = MassSend.State
A_DAY, A_MONTH = 1, 4  # so many a customer gets at most from us; the platform allows as many as the month has days
REMINDERS, REMINDER_HOURS = 3, 24
LEASE_SECONDS = 120
PLANNING_LOCK = 0x59_4A_42_0A  # two plans at once would each count without the other


class AlreadyAsked(Conflict):
    code, title = "mass.already_asked", _("正在和企业微信核对，稍后再试")


class TooManyReminders(TooMany):
    code, title, retryable = "mass.reminded", _("24 小时内已经提醒过 3 次"), False


# ---------------------------------------------------------------- planning


@transaction.atomic
def plan_message(
    *, key: str, targets: Sequence[str], sender: str = "", is_group: bool = False, text: str = "",
    attachments: Sequence[dict[str, Any]] = (), due_at: datetime, not_after: datetime | None = None,
    remind_at: Sequence[datetime] = (),
) -> list[int]:  # fmt: skip
    """Plan a message of one member to customers (or groups), in parts of what a call takes. Returns the ids of the parts.

    A key that is known changes nothing: its parts are returned as they stand. Customers who got one that day or four that
    month are left out and kept as `capped`. Raises Invalid for a content the platform would refuse.
    """
    _check(text, attachments, text_fits=len(text.encode()) <= groupsends.TEXT_BYTES)
    wanted = list(dict.fromkeys(targets))
    if not wanted or is_group and not sender:
        raise Invalid(errors=[{"field": "targets", "code": "required", "message": str(_("没有选中任何人"))}])
    if known := _known(key):
        return known
    day = clock.local_day(due_at)
    capped = set() if is_group else _capped(wanted, day)
    left = [one for one in wanted if one not in capped]
    size = groupsends.MOST_CHATS if is_group else groupsends.MOST_CUSTOMERS
    facts = {
        "key": key, "kind": MassSend.Kind.GROUP if is_group else MassSend.Kind.MESSAGE, "sender": sender.casefold(),
        "text": text, "attachments": list(attachments), "due_at": due_at, "next_at": due_at, "not_after": not_after,
        "created_at": clock.now(), "remind_at": sorted(remind_at)[:REMINDERS],
    }  # fmt: skip
    parts = [left[start : start + size] for start in range(0, len(left), size)]
    sends = MassSend.objects.bulk_create(
        MassSend(part=number, target_count=len(part), **facts) for number, part in enumerate(parts, 1)
    )
    if not sends:
        sends = [MassSend.objects.create(state=State.FAILED, error="nobody is left", **facts)]
    for send, part in zip(sends, parts, strict=False):
        _add_targets(send.pk, part, MassTarget.State.WAITING, sender.casefold(), None if is_group else day)
    _add_targets(sends[0].pk, sorted(capped), MassTarget.State.CAPPED, sender.casefold(), None)
    return [send.pk for send in sends]


@transaction.atomic
def plan_moment(
    *, key: str, senders: Sequence[str], tag_ids: Sequence[str] = (), text: str = "",
    attachments: Sequence[dict[str, Any]] = (), due_at: datetime, not_after: datetime | None = None,
) -> int:  # fmt: skip
    """Plan a moment that these members are asked to publish, to all their customers or those with a corp tag. Returns its id."""
    _check(
        text,
        attachments,
        text_fits=len(text) <= moments.TEXT_CHARACTERS and len(text.encode()) <= groupsends.TEXT_BYTES,
    )
    if len({one.get("msgtype") for one in attachments}) > 1:
        raise Invalid(errors=[{"field": "attachments", "code": "mixed", "message": str(_("朋友圈只能放一种附件"))}])
    people = list(dict.fromkeys(one.casefold() for one in senders))
    if not 0 < len(people) <= moments.MOST_SENDERS:
        raise Invalid(errors=[{"field": "senders", "code": "range", "message": str(_("发朋友圈的人数不对"))}])
    if known := _known(key):
        return known[0]
    send = MassSend.objects.create(
        key=key, kind=MassSend.Kind.MOMENT, text=text, attachments=list(attachments), tag_ids=list(tag_ids), due_at=due_at,
        next_at=due_at, not_after=not_after, created_at=clock.now(),
    )  # fmt: skip
    MassSender.objects.bulk_create([MassSender(send=send, userid=one) for one in people], batch_size=5000)
    return send.pk


def _check(text: str, attachments: Sequence[dict[str, Any]], *, text_fits: bool) -> None:
    if not (text or attachments) or not text_fits or len(attachments) > groupsends.MOST_ATTACHMENTS:
        raise Invalid(errors=[{"field": "text", "code": "range", "message": str(_("内容是空的，或者太长"))}])


def _known(key: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PLANNING_LOCK])
    return list(MassSend.objects.filter(key=key).order_by("part").values_list("pk", flat=True))


def _capped(targets: Sequence[str], day: Any) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT target FROM wecom_masstarget WHERE target = ANY (%(targets)s)
              AND counts_on >= date_trunc('month', %(day)s::date) AND counts_on < date_trunc('month', %(day)s::date) + interval '1 month'
            GROUP BY 1 HAVING count(*) >= %(month)s OR count(*) FILTER (WHERE counts_on = %(day)s) >= %(a_day)s
            """,
            {"targets": list(targets), "day": day, "month": A_MONTH, "a_day": A_DAY},
        )
        return {row[0] for row in cursor.fetchall()}


def _add_targets(send_id: int, targets: Sequence[str], state: str, userid: str, counts_on: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO wecom_masstarget (send_id, target, userid, state, counts_on)"
            " SELECT %s, target, %s, %s, %s FROM unnest(%s::text[]) target",
            [send_id, userid, state, counts_on, list(targets)],
        )


# ---------------------------------------------------------------- a person decides


def cancel(send_id: int, *, door: Gateway | None = None, now: datetime) -> None:
    """Stop it: nobody is asked any more. Raises AlreadyAsked while nobody knows whether it exists, GatewayError."""
    if MassSend.objects.filter(pk=send_id, state__in=[State.PLANNED, State.HELD]).update(state=State.CANCELLED):
        _uncount(send_id)
        return
    send = MassSend.objects.get(pk=send_id)
    if send.state in (State.CANCELLED, State.ENDED, State.FAILED):
        return
    if send.state != State.CREATED:
        raise AlreadyAsked()
    door = door or gateway.default()
    try:
        if send.kind == MassSend.Kind.MOMENT:
            moments.cancel(door, send.platform_id)
        else:
            groupsends.cancel(door, send.platform_id)
    except GatewayError as error:
        if error.code != groupsends.CANCELLED:
            raise
    MassSend.objects.filter(pk=send_id, state=State.CREATED).update(state=State.CANCELLED, next_at=now)


def _uncount(send_id: int) -> None:
    """What was never made counts for nobody."""
    MassTarget.objects.filter(send_id=send_id, counts_on__isnull=False).update(counts_on=None)


def remind(send: MassSend, *, door: Gateway | None = None, now: datetime) -> None:
    """Remind who has not confirmed. Booked before it is asked for: a try nobody answered counts too.

    Raises TooManyReminders after three in 24 hours, Conflict where there is nobody to remind, GatewayError.
    """
    if send.kind == MassSend.Kind.MOMENT or send.state != State.CREATED:
        raise Conflict(_("现在没有要提醒的人"))
    if not send.senders.filter(has_sent=False).exists() and send.read_at:
        raise Conflict(_("大家都确认过了"))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE wecom_masssend SET reminded_at = reminded_at || %(now)s::timestamptz
            WHERE id = %(id)s AND state = 'created'
              AND (SELECT count(*) FROM unnest(reminded_at) at WHERE at > %(since)s) < %(most)s
            """,
            {"id": send.pk, "now": now, "since": now - timedelta(hours=REMINDER_HOURS), "most": REMINDERS},
        )
        if not cursor.rowcount:
            raise TooManyReminders()
    try:
        groupsends.remind(door or gateway.default(), send.platform_id)
    except GatewayError as error:
        if not error.may_have_happened and error.code != groupsends.TOO_MANY_REMINDERS:
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE wecom_masssend SET reminded_at = array_remove(reminded_at, %s::timestamptz) WHERE id = %s",
                    [now, send.pk],
                )
        raise


# ---------------------------------------------------------------- claiming and settling

_CLAIM = """
WITH due AS (
    SELECT id FROM wecom_masssend
    WHERE state IN ('planned', 'asked', 'unknown', 'making', 'created') AND next_at <= %(now)s
      AND (lease_until IS NULL OR lease_until < clock_timestamp())
    ORDER BY next_at FOR UPDATE SKIP LOCKED LIMIT %(limit)s
)
UPDATE wecom_masssend m SET claim_token = %(token)s, lease_until = clock_timestamp() + %(lease)s * interval '1 second',
    asked_at = CASE WHEN m.state = 'planned' THEN %(now)s ELSE m.asked_at END,
    asked_count = m.asked_count + (m.state = 'planned')::int,
    -- asked, and whoever asked is gone: it may exist
    state = CASE m.state WHEN 'planned' THEN 'asked' WHEN 'asked' THEN 'unknown' ELSE m.state END
FROM due WHERE m.id = due.id RETURNING m.*
"""


def claim(*, now: datetime, limit: int = 1) -> list[MassSend]:
    """Take what is due in hand for two minutes. What was planned is `asked` from then on, whatever happens to us."""
    return list(
        MassSend.objects.raw(_CLAIM, {"now": now, "limit": limit, "token": uuid.uuid4(), "lease": LEASE_SECONDS})
    )


@transaction.atomic
def settle(send: MassSend, state: str, *, next_at: datetime, unusable: Sequence[str] = (), **facts: Any) -> bool:
    """Note what came of a step, under its token; False when the lease was lost and nothing was written."""
    held = MassSend.objects.filter(pk=send.pk, claim_token=send.claim_token)
    if not held.update(state=state, next_at=next_at, claim_token=None, lease_until=None, **facts):
        return False
    if unusable:
        send.targets.filter(target__in=list(unusable)).update(state=MassTarget.State.UNUSABLE, counts_on=None)
    if state == State.FAILED:
        _uncount(send.pk)
    return True


def pause_of(error: GatewayError, *, usual: timedelta) -> timedelta:
    """Return how long to wait after an error of the platform."""
    if error.retry_after:
        return timedelta(seconds=error.retry_after)
    return {Kind.ADMIN: timedelta(hours=1), Kind.THROTTLE: timedelta(minutes=2)}.get(error.kind, usual)


def held_facts(error: GatewayError) -> Mapping[str, Any]:
    """Return what is kept of an error."""
    return {"errcode": error.code, "error": error.message[:255]}
