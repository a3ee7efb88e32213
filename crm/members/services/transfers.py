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
from guides.org.models import Staff, platform_id
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
PLATFORM_HOURS = 24  # how long the platform waits for the customer
GONE = {
    40096: FriendLink.State.DELETED_BY_MEMBER,
    40131: FriendLink.State.DELETED_BY_MEMBER,
    40143: FriendLink.State.BLOCKED,
}

# Of a relation `f`: it may not be passed on a third time in 90 days (%(since)s); another transfer of the customer runs.
MOVED_TWICE = """(SELECT count(*) >= 2 FROM crm_friendtransfer b WHERE b.external_user_id = f.external_user_id
    AND NOT b.is_resigned AND b.asked_at > %(since)s AND b.state <> 'failed')"""
UNDER_WAY = """EXISTS (SELECT 1 FROM crm_friendtransfer b WHERE b.external_user_id = f.external_user_id
    AND b.state IN ('asked', 'waiting') AND b.link_id <> f.id)"""


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
        .exclude(state=State.FAILED)
        .values("external_user_id")
        .annotate(times=Count("pk"))
        .filter(times__gte=ON_JOB_TIMES)
    )
    if moved.exists():
        raise MovedTwice()


def plan_handover(handover_id: int, *, heir_id: int | None, now: datetime) -> dict[str, int]:
    """Plan the transfers of a handover whose members have just got their new guides. Returns counts by state.

    A friend goes where his member went; one nobody knows to the heir, but stays with a guide who only changed the store. Of
    people who still work here: who is the taker's friend already stays untouched, who was moved twice in 90 days is noted
    as refused by the platform, so that the manager sees him. While another transfer of his runs, ours waits for its end.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH h AS (SELECT * FROM crm_guidehandover WHERE id = %(handover)s), wanted AS (
                SELECT f.id, f.guide_id, f.external_user_id, who.id AS taker_id, h.reason = 'resigned' AS is_resigned,
                    h.reason <> 'resigned' AND {MOVED_TWICE} AS moved_twice,
                    (SELECT max(b.asked_at) FROM crm_friendtransfer b WHERE b.external_user_id = f.external_user_id
                        AND b.state IN ('asked', 'waiting') AND b.link_id <> f.id) AS other_asked_at
                FROM h JOIN crm_friendlink f ON f.guide_id = h.guide_id AND f.ended_at IS NULL
                    AND f.state IN ('friend', 'pending_transfer')
                LEFT JOIN crm_member m ON m.id = f.member_id
                CROSS JOIN LATERAL (SELECT coalesce(
                    (SELECT s.id FROM guides_staff s WHERE s.id = m.owner_guide_id
                        AND s.state IN ('active', 'leave', 'transferred') AND s.store_id IS NOT NULL
                        AND (s.id <> h.guide_id OR h.reason = 'moved_store')),
                    CASE WHEN h.reason <> 'moved_store' THEN %(heir)s::bigint END) AS id) who
                WHERE who.id <> h.guide_id AND (h.reason = 'resigned' OR NOT EXISTS (
                    SELECT 1 FROM crm_friendlink his WHERE his.guide_id = who.id AND his.external_user_id = f.external_user_id
                        AND his.state = 'friend' AND his.ended_at IS NULL))
            ), planned AS (
                INSERT INTO crm_friendtransfer (link_id, giver_id, taker_id, handover_id, external_user_id, is_resigned, state,
                    code, planned_at, settled_at, next_at)
                SELECT id, guide_id, taker_id, %(handover)s, external_user_id, is_resigned,
                    CASE WHEN moved_twice THEN 'failed' ELSE 'planned' END, CASE WHEN moved_twice THEN %(too_often)s END, %(now)s,
                    CASE WHEN moved_twice THEN %(now)s::timestamptz END,
                    CASE WHEN NOT moved_twice THEN greatest(%(now)s, other_asked_at + %(hours)s * interval '1 hour') END
                FROM wanted ORDER BY id
                ON CONFLICT (link_id) WHERE state IN ('planned', 'asked', 'waiting') DO NOTHING
                RETURNING link_id, state
            ), marked AS (
                UPDATE crm_friendlink f SET state = 'pending_transfer' FROM planned p WHERE f.id = p.link_id AND p.state = 'planned'
            )
            SELECT state, count(*) FROM planned GROUP BY state
            """,
            {
                "handover": handover_id, "heir": heir_id, "now": now, "since": now - ON_JOB_SPAN, "hours": PLATFORM_HOURS,
                "too_often": platform.TOO_OFTEN,
            },
        )  # fmt: skip
        return dict(cursor.fetchall())


def plan_again(ids: Sequence[int], *, taker_id: int, now: datetime) -> int:
    """Plan transfers that did not succeed once more, to the same or another taker. Returns how many were planned.

    A customer who refused is asked again after the platform's day. A third time within 90 days nobody can be moved: that is
    noted as the platform's answer would be.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH planned AS (
                INSERT INTO crm_friendtransfer (link_id, giver_id, taker_id, handover_id, external_user_id, is_resigned, state,
                    code, planned_at, settled_at, next_at)
                SELECT f.id, old.giver_id, %(taker)s, old.handover_id, f.external_user_id, old.is_resigned, CASE WHEN twice.no THEN 'failed' ELSE 'planned' END,
                    CASE WHEN twice.no THEN %(too_often)s END, %(now)s, CASE WHEN twice.no THEN %(now)s::timestamptz END,
                    CASE WHEN NOT twice.no THEN greatest(%(now)s, CASE WHEN old.state = 'refused' THEN old.asked_at + %(hours)s * interval '1 hour' END) END
                FROM crm_friendtransfer old JOIN crm_friendlink f ON f.id = old.link_id
                CROSS JOIN LATERAL (SELECT NOT old.is_resigned AND {MOVED_TWICE} AS no) twice
                WHERE old.id = ANY(%(ids)s) ORDER BY old.id
                ON CONFLICT (link_id) WHERE state IN ('planned', 'asked', 'waiting') DO NOTHING
                RETURNING link_id, state
            )
            UPDATE crm_friendlink f SET state = 'pending_transfer', ended_at = NULL
            FROM planned p WHERE f.id = p.link_id AND p.state = 'planned'
            """,
            {
                "ids": list(ids), "taker": taker_id, "now": now, "since": now - ON_JOB_SPAN, "hours": PLATFORM_HOURS,
                "too_often": platform.TOO_OFTEN,
            },
        )  # fmt: skip
        planned: int = cursor.rowcount
    return planned


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
