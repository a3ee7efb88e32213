"""Friends passed on through the platform (planned in `passing_on`): asked for in hundreds, read back until settled.

The platform (wecom-api §5.8) completes a transfer 24 hours after the start unless the customer refuses.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import QuerySet

from crm.events import FriendChanged, MemberChanged
from crm.members.models import FriendLink, FriendTransfer, Member, OwnershipTransfer
from crm.members.services.locking import lock_members
from crm.members.services.passing_on import PLATFORM_HOURS
from guides.org.models import Staff, platform_id
from guides.org.queries import heads_of_stores
from yejibao.core import audit, outbox
from yejibao.core.clock import local_day
from yejibao.core.scope import Actor
from yejibao.wecom import transfers as platform
from yejibao.wecom.errors import GatewayError, Kind
from yejibao.wecom.gateway import Gateway

log = logging.getLogger("yejibao.transfers")

State = FriendTransfer.State
LOOK_EVERY = timedelta(minutes=30)
TRY_AGAIN = timedelta(minutes=5)  # the platform was busy, or another transfer was running
PAIRS_AT_ONCE = 50  # pairs of giver and taker a run
GONE = {
    40096: FriendLink.State.DELETED_BY_MEMBER,
    40131: FriendLink.State.DELETED_BY_MEMBER,
    40143: FriendLink.State.BLOCKED,
}


# ---------------------------------------------------------------- asking


def ask_due(*, now: datetime, door: Gateway) -> dict[str, int]:
    """Start the transfers whose time has come, a hundred a call. Returns counts by what was answered.

    Marked before the call: a call that ends without an answer leaves ASKED rows, which `read_back` settles.
    """
    tally: Counter[str] = Counter()
    for _turn in range(PAIRS_AT_ONCE):
        batch = _claim(now)
        if not batch:
            break
        first = batch[0]
        both = Staff.objects.filter(pk__in=[first.giver_id, first.taker_id]).values_list("pk", "wecom_user_id")
        people = {pk: platform_id(userid) for pk, userid in both}
        try:
            codes = platform.start(
                door, is_resigned=first.is_resigned, giver=people[first.giver_id], taker=people[first.taker_id],
                external_userids=[one.external_user_id for one in batch],
            )  # fmt: skip
        except GatewayError as error:
            tally.update(_refused_whole(batch, error, now))
            if error.kind in (Kind.THROTTLE, Kind.TRANSIENT):
                break
            continue
        tally.update(_note(batch, codes, now))
    return dict(tally)


@transaction.atomic
def _claim(now: datetime) -> list[FriendTransfer]:
    """Mark up to a hundred due transfers of one pair as asked, and return them."""
    due = FriendTransfer.objects.select_for_update(skip_locked=True).filter(state=State.PLANNED, next_at__lte=now)
    first = due.order_by("next_at", "pk").first()
    if first is None:
        return []
    same = due.filter(giver=first.giver_id, taker=first.taker_id, is_resigned=first.is_resigned)
    batch = list(same.order_by("pk")[: platform.AT_ONCE])
    FriendTransfer.objects.filter(pk__in=[one.pk for one in batch]).update(
        state=State.ASKED, asked_at=now, next_at=now + LOOK_EVERY
    )
    return batch


def _refused_whole(batch: Sequence[FriendTransfer], error: GatewayError, now: datetime) -> dict[str, int]:
    """Note a call that failed as a whole: surely not started → later; nobody knows → left as asked; a refusal → failed."""
    rows = FriendTransfer.objects.filter(pk__in=[one.pk for one in batch], state=State.ASKED)
    if error.kind is Kind.UNKNOWN:
        return {"unknown": len(batch)}
    if error.kind in (Kind.THROTTLE, Kind.TRANSIENT) or error.code == 45035:
        rows.update(state=State.PLANNED, asked_at=None, next_at=now + TRY_AGAIN)
        return {"later": len(batch)}
    log.warning("transfer refused: %s", error.code)
    _fail([one.pk for one in batch], error.code, now)
    return {"failed": len(batch)}


def _note(batch: Sequence[FriendTransfer], codes: Mapping[str, int], now: datetime) -> dict[str, int]:
    by_state: dict[str, list[FriendTransfer]] = defaultdict(list)
    for one in batch:
        code = codes.get(one.external_user_id)
        if code == 0:
            by_state["waiting"].append(one)
        elif code in platform.IN_PROGRESS:  # this one, or one to somebody else: reading the results tells which
            by_state["in_progress"].append(one)
        elif code is None:
            by_state["unknown"].append(one)
        else:
            one.code = code
            by_state["taker_full" if code == platform.TAKER_FULL else "failed"].append(one)
    # Only what still waits for this answer: a callback may have settled one already.
    asked = FriendTransfer.objects.filter(state=State.ASKED)
    asked.filter(pk__in=[one.pk for one in by_state["waiting"]]).update(state=State.WAITING)
    full = asked.filter(pk__in=[one.pk for one in by_state["taker_full"]])
    full.update(state=State.TAKER_FULL, code=platform.TAKER_FULL, settled_at=now, next_at=None)
    for code in sorted({one.code for one in by_state["failed"] if one.code}):
        _fail([one.pk for one in by_state["failed"] if one.code == code], code, now)
    return {state: len(rows) for state, rows in by_state.items() if rows}


@transaction.atomic
def _fail(ids: Sequence[int], code: int | None, now: datetime) -> None:
    """Note what the platform will not do. The relation stays as it was, or ends where there is none any more."""
    asked = _rows(ids).select_for_update(of=("self",)).filter(state=State.ASKED)
    failed = list(asked.order_by("pk").values_list("pk", flat=True))
    _rows(failed).update(state=State.FAILED, code=code, settled_at=now, next_at=None)
    links = FriendLink.objects.filter(passed_on__in=failed, state=FriendLink.State.PENDING_TRANSFER)
    members = sorted(set(links.exclude(member=None).values_list("member_id", flat=True)))
    gone = GONE.get(code or 0)
    links.update(state=gone or FriendLink.State.FRIEND, ended_at=now if gone else None)
    outbox.publish_many(MemberChanged(pk, "not_transferred") for pk in members)


# ---------------------------------------------------------------- what became of them


def read_back(*, now: datetime, door: Gateway) -> dict[str, int]:
    """Ask the platform what became of the transfers under way, a pair of people at a time, and settle them."""
    tally: Counter[str] = Counter()
    pairs = (
        FriendTransfer.objects.filter(state__in=[State.ASKED, State.WAITING], next_at__lte=now)
        .values_list("giver_id", "taker_id", "is_resigned", "giver__wecom_user_id", "taker__wecom_user_id")
        .distinct()[:PAIRS_AT_ONCE]
    )
    for giver_id, taker_id, is_resigned, giver, taker in pairs:
        try:
            found = list(platform.read_results(door, is_resigned=is_resigned, giver=platform_id(giver), taker=taker))
        except GatewayError as error:
            log.warning("transfer results not read: %s", error.code or error.kind)
            continue
        tally.update(_settle(found, giver_id, taker_id, is_resigned, now))
    return dict(tally)


@transaction.atomic
def _settle(
    found: Sequence[platform.Result], giver_id: int, taker_id: int, is_resigned: bool, now: datetime
) -> Counter[str]:
    """Write the newest result of each customer; one the platform has never heard of is asked for again."""
    tally: Counter[str] = Counter()
    results = {one.external_userid: one for one in found}  # the last one counts
    rows = FriendTransfer.objects.select_for_update(of=("self",)).filter(
        giver=giver_id,
        taker=taker_id,
        is_resigned=is_resigned,
        state__in=[State.ASKED, State.WAITING],
        next_at__lte=now,
    )
    by_state: dict[str, list[int]] = defaultdict(list)
    for row in rows.order_by("pk"):
        result = results.get(row.external_user_id)
        if result is None:
            is_lost = row.state == State.ASKED or (
                row.asked_at is not None and row.asked_at < now - timedelta(hours=2 * PLATFORM_HOURS)
            )
            by_state["again" if is_lost else "waiting"].append(row.pk)
        else:
            by_state[result.status.name.lower()].append(row.pk)
    _rows(by_state["again"]).update(state=State.PLANNED, asked_at=None, next_at=now)
    _rows(by_state["waiting"]).update(state=State.WAITING, next_at=now + LOOK_EVERY)
    _rows(by_state["taker_full"]).update(state=State.TAKER_FULL, settled_at=now, next_at=None)
    settle_done(by_state["done"], now)
    for pk in by_state["refused"]:
        _refuse(pk, now)
    tally.update({state: len(ids) for state, ids in by_state.items() if ids})
    return tally


def note_failure(*, external_userid: str, taker: str, reason: str, now: datetime) -> bool:
    """Settle a transfer the platform called back about: customer_refused, or the taker is full. False: not ours."""
    with transaction.atomic():
        row = (
            FriendTransfer.objects.select_for_update(of=("self",))
            .filter(external_user_id=external_userid, taker__wecom_user_id=taker, state__in=FriendTransfer.OPEN)
            .first()
        )
        if row is None:
            return False
        if reason == "customer_refused":
            _refuse(row.pk, now)
        else:
            _rows([row.pk]).update(state=State.TAKER_FULL, settled_at=now, next_at=None)
        return True


def _rows(ids: Sequence[int]) -> QuerySet[FriendTransfer]:
    return FriendTransfer.objects.filter(pk__in=ids)


def _refuse(pk: int, now: datetime) -> None:
    _rows([pk]).update(state=State.REFUSED, settled_at=now, next_at=None)
    refused = FriendTransfer.objects.select_related("link").get(pk=pk)
    refuse_transfer(refused.link, now=now, stays=not refused.is_resigned)


@transaction.atomic
def refuse_transfer(link: FriendLink, *, now: datetime, stays: bool = False) -> None:
    """Note that a member refused his new guide: he waits in the store manager's pool.

    His relation is gone with the guide who left; with one who still works here it `stays`.
    """
    ended = FriendLink.objects.filter(pk=link.pk, state=FriendLink.State.PENDING_TRANSFER, ended_at=None)
    after = (
        {"state": FriendLink.State.FRIEND} if stays else {"state": FriendLink.State.DELETED_BY_MEMBER, "ended_at": now}
    )
    if not ended.update(**after) or link.member_id is None:
        return
    lock_members([link.member_id])
    member = Member.objects.select_related("main_store").get(pk=link.member_id)
    stores = [member.main_store_id] if member.main_store_id else []
    manager = next(iter(heads_of_stores(stores, role="store_manager", day=local_day(now)).values()), None)
    OwnershipTransfer.objects.create(
        member=member, from_guide_id=member.owner_guide_id, to_guide_id=manager, reason="refused", at=now
    )
    Member.objects.filter(pk=member.pk).update(owner_guide_id=manager)
    audit.record(
        Actor.system(),
        "member.owner_changed",
        member,
        before={"owner_guide": member.owner_guide_id},
        after={"owner_guide": manager},
        reason="会员拒绝交接",
    )
    outbox.publish(MemberChanged(member.pk, "owner"))


def settle_done(ids: Sequence[int], now: datetime) -> None:
    """Make the taker the friend: the old relation ends, the new one begins where the two were not friends already."""
    if not ids:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            """
            WITH done AS (
                UPDATE crm_friendtransfer t SET state = 'done', settled_at = %(now)s, next_at = NULL
                WHERE t.id = ANY(%(ids)s) RETURNING t.link_id, t.taker_id
            ), closed AS (
                UPDATE crm_friendlink f SET state = 'pending_transfer', ended_at = %(now)s
                FROM done d WHERE f.id = d.link_id RETURNING f.member_id, f.external_user_id, d.taker_id
            )
            INSERT INTO crm_friendlink (member_id, guide_id, external_user_id, state, remark, added_at)
            SELECT member_id, taker_id, external_user_id, 'friend', '', %(now)s FROM closed
            ON CONFLICT (guide_id, external_user_id) DO UPDATE SET state = 'friend', ended_at = NULL,
                member_id = coalesce(crm_friendlink.member_id, excluded.member_id)
            RETURNING member_id, guide_id
            """,
            {"ids": list(ids), "now": now},
        )
        passed = cursor.fetchall()
        friend = FriendLink.State.FRIEND
        outbox.publish_many(FriendChanged(member, taker, friend, now.isoformat()) for member, taker in passed if member)
