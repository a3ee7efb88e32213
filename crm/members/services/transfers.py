"""Friends passed on through the platform: planned with the handover, asked for in hundreds, read back until settled.

Limits of the platform (wecom-api §5.8): it completes a transfer 24 hours after the start unless the customer refuses; of
people who still work here a customer may be moved twice in 90 days.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, QuerySet
from django.utils.translation import gettext_lazy as _

from crm.events import FriendChanged, MemberChanged
from crm.members.models import FriendLink, FriendTransfer, Member, OwnershipTransfer
from crm.members.services.locking import lock_members
from guides.org.models import Staff
from guides.org.queries import heads_of_stores
from yejibao.core import audit, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor
from yejibao.wecom import transfers as platform
from yejibao.wecom.errors import GatewayError, Kind
from yejibao.wecom.gateway import Gateway

log = logging.getLogger("yejibao.transfers")

State = FriendTransfer.State
LOOK_EVERY = timedelta(minutes=30)
TRY_AGAIN = timedelta(minutes=5)  # the platform was busy, or another transfer was running
ON_JOB_TIMES, ON_JOB_SPAN = 2, timedelta(days=90)
PAIRS_AT_ONCE = 50  # pairs of giver and taker a run


class MovedTwice(Conflict):
    code, title = "transfer.too_often", _("90 天内已经换过两次导购，企业微信不让再换")


def plan(
    links: Sequence[int], *, taker: Staff, is_resigned: bool, now: datetime, handover_id: int | None = None
) -> int:
    """Plan the transfer of friends to a colleague; one that is under way stays as it is. Returns how many were planned.

    Raises MovedTwice where one of them has been moved twice in 90 days by people who still work here.
    """
    if not is_resigned:
        _check_span(links, now)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO crm_friendtransfer (link_id, giver_id, taker_id, handover_id, external_user_id, is_resigned, state,
                planned_at, next_at)
            SELECT f.id, f.guide_id, %(taker)s, %(handover)s, f.external_user_id, %(resigned)s, 'planned', %(now)s, %(now)s
            FROM crm_friendlink f
            WHERE f.id = ANY(%(links)s) AND f.ended_at IS NULL AND f.state IN ('friend', 'pending_transfer')
            ORDER BY f.id
            ON CONFLICT (link_id) WHERE state IN ('planned', 'asked', 'waiting') DO NOTHING
            """,
            {"links": list(links), "taker": taker.pk, "handover": handover_id, "resigned": is_resigned, "now": now},
        )
        planned: int = cursor.rowcount
    return planned


def _check_span(links: Sequence[int], now: datetime) -> None:
    people = FriendLink.objects.filter(pk__in=links).values("external_user_id")
    moved = (
        FriendTransfer.objects.filter(external_user_id__in=people, is_resigned=False, asked_at__gt=now - ON_JOB_SPAN)
        .values("external_user_id")
        .annotate(times=Count("pk"))
        .filter(times__gte=ON_JOB_TIMES)
    )
    if moved.exists():
        raise MovedTwice()


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
        people = dict(Staff.objects.filter(pk__in=[first.giver_id, first.taker_id]).values_list("pk", "wecom_user_id"))
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
    rows.update(state=State.FAILED, code=error.code, settled_at=now, next_at=None)
    return {"failed": len(batch)}


def _note(batch: Sequence[FriendTransfer], codes: Mapping[str, int], now: datetime) -> dict[str, int]:
    by_state: dict[str, list[FriendTransfer]] = defaultdict(list)
    for one in batch:
        code = codes.get(one.external_user_id)
        if code == 0 or code in platform.IN_PROGRESS:
            by_state["waiting"].append(one)
        elif code is None:
            by_state["unknown"].append(one)
        else:
            one.code = code
            by_state["taker_full" if code == platform.TAKER_FULL else "failed"].append(one)
    FriendTransfer.objects.filter(pk__in=[one.pk for one in by_state["waiting"]]).update(state=State.WAITING)
    for state in ("taker_full", "failed"):
        for code in {one.code for one in by_state[state]}:
            ids = [one.pk for one in by_state[state] if one.code == code]
            FriendTransfer.objects.filter(pk__in=ids).update(state=state, code=code, settled_at=now, next_at=None)
    return {state: len(rows) for state, rows in by_state.items() if rows}


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
            found = list(platform.read_results(door, is_resigned=is_resigned, giver=giver, taker=taker))
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
            by_state["again" if row.state == State.ASKED else "waiting"].append(row.pk)
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
    refuse_transfer(FriendTransfer.objects.select_related("link").get(pk=pk).link, now=now)


@transaction.atomic
def refuse_transfer(link: FriendLink, *, now: datetime) -> None:
    """Note that a member refused his new guide: the friend is gone, the member waits in the store manager's pool."""
    ended = FriendLink.objects.filter(pk=link.pk, state=FriendLink.State.PENDING_TRANSFER, ended_at=None)
    if not ended.update(state=FriendLink.State.DELETED_BY_MEMBER, ended_at=now) or link.member_id is None:
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
