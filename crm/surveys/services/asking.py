"""Who is asked, and when: every day's purchases, closed tickets and collected pieces, set-based and in batches.

One hand a source stands in a heartbeat row, locked while a batch is done: a worker that was killed is gone on with, two take
turns. Purchases are walked store by store of one day, by the index the boards have; the rest by the moment it happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from django.db import connection, transaction

from crm.aftersale.models import Ticket
from crm.aftersale.rules import LOW_CHANNEL
from crm.orders.models import Order
from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.models import Heartbeat

from ..rules import AFTER, CAP_TIMES, is_asking_time, rules
from ..tokens import hashed, token_of

HAND = "surveys"
STORES_AT_ONCE, ROWS_AT_ONCE = 100, 5_000
GOODS = (Order.Kind.RETAIL, Order.Kind.MALL, Order.Kind.PROXY, Order.Kind.LIVE)

# Every source yields these of what may be asked about.
_COLUMNS = "cause, member_id, order_id, ticket_id, store_id, guide_id, about_at"
_WORTH_ASKING = "o.status = 'paid' AND o.net_amount_fen > 0 AND o.kind = ANY(%(goods)s) AND o.known_at <= %(now)s"
_BOUGHT = f"""
    SELECT 'order:' || o.id, o.member_id, o.id, NULL::bigint, o.store_id, coalesce(o.guide_id, m.owner_guide_id), o.paid_at
    FROM crm_order o JOIN crm_member m ON m.id = o.member_id
    WHERE o.store_id = ANY(%(stores)s) AND o.paid_on = %(day)s AND NOT o.is_delivery AND {_WORTH_ASKING}
"""
# What is walked by its moment: the rows behind the hand, then what each is about.
_BEHIND = "({at}, id) > (%(at)s, %(id)s) AND {at} < %(until)s ORDER BY {at}, id LIMIT %(most)s"
_PARCELS = (
    "SELECT id, received_at AS at FROM crm_order WHERE is_delivery AND received_at IS NOT NULL AND "
    + _BEHIND.format(at="received_at")
)
_RECEIVED = f"""
    SELECT 'order:' || o.id, o.member_id, o.id, NULL::bigint, o.store_id, coalesce(o.guide_id, m.owner_guide_id), o.received_at
    FROM ({_PARCELS}) b JOIN crm_order o ON o.id = b.id JOIN crm_member m ON m.id = o.member_id WHERE {_WORTH_ASKING}
"""
_TICKETS = "SELECT id, closed_at AS at FROM crm_ticket WHERE state = 'closed' AND " + _BEHIND.format(at="closed_at")
_CLOSED = f"""
    SELECT 'ticket:' || t.id, t.member_id, t.order_id, t.id, t.store_id, t.guide_id, t.closed_at
    FROM ({_TICKETS}) b JOIN crm_ticket t ON t.id = b.id WHERE t.stars IS NULL AND t.channel <> %(low)s
"""
_PIECES = "SELECT id, closed_at AS at FROM crm_fitting WHERE state = 'collected' AND " + _BEHIND.format(at="closed_at")
_COLLECTED = f"""
    SELECT 'fitting:' || f.id, f.member_id, l.order_id, NULL::bigint, f.store_id, f.guide_id, f.closed_at
    FROM ({_PIECES}) b JOIN crm_fitting f ON f.id = b.id LEFT JOIN crm_orderline l ON l.id = f.order_line_id
"""

# One member once; why he is not asked, or ''.
_JUDGED = f"""
WITH source({_COLUMNS}) AS ({{source}})
SELECT DISTINCT ON (s.member_id) {_COLUMNS}, CASE
    WHEN m.status <> 'active' OR m.do_not_contact OR m.is_employee OR m.is_test OR 'wecom_message' = ANY(m.marketing_opt_out)
        OR EXISTS (SELECT 1 FROM crm_surveyrefusal r WHERE r.member_id = m.id) THEN 'refused'
    WHEN EXISTS (SELECT 1 FROM crm_ticket t WHERE t.member_id = m.id AND t.state <> ALL(%(over)s)) THEN 'ticket_open'
    WHEN (SELECT count(*) FROM crm_survey x WHERE x.member_id = m.id AND x.asked_at > %(since)s
          AND x.asked_at IS DISTINCT FROM x.answered_at) >= %(cap)s THEN 'capped'
    ELSE '' END
FROM source s JOIN crm_member m ON m.id = s.member_id
ORDER BY s.member_id, s.about_at DESC
"""
_ASK = """
WITH fresh AS (
    INSERT INTO crm_survey (public_id, kind, cause, member_id, order_id, ticket_id, store_id, guide_id, token_hash, about_at,
        asked_at, expires_at, way, reasons, words, is_anonymous, reply)
    SELECT n.public_id, %(kind)s, n.cause, n.member_id, n.order_id, n.ticket_id, n.store_id, n.guide_id, n.token_hash, n.about_at,
        %(now)s, %(ends)s, '', '{}', '', false, ''
    FROM unnest(%(ids)s::uuid[], %(hashes)s::text[], %(causes)s::text[], %(members)s::bigint[], %(orders)s::bigint[],
        %(tickets)s::bigint[], %(stores)s::bigint[], %(guides)s::bigint[], %(moments)s::timestamptz[])
        AS n(public_id, token_hash, cause, member_id, order_id, ticket_id, store_id, guide_id, about_at)
    ON CONFLICT (cause) DO NOTHING
    RETURNING store_id, guide_id
), counted AS (
    INSERT INTO crm_surveyday AS d (day, store_id, guide_id, kind, asked, answered, stars, five, four, low)
    SELECT %(day)s, store_id, guide_id, %(kind)s, count(*), 0, 0, 0, 0, 0 FROM fresh GROUP BY store_id, guide_id
    ON CONFLICT (store_id, day, guide_id, kind) DO UPDATE SET asked = d.asked + excluded.asked
)
SELECT count(*) FROM fresh
"""
Found = tuple[str, int, int | None, int | None, int, int | None, datetime, str]


@dataclass(frozen=True)
class Walk:
    """One source: whose kind it is, what it yields, and for one that is walked by its moment the rows behind a hand."""

    name: str
    kind: str
    source: str
    behind: str = ""


WALKS = [
    Walk("bought", "purchase", _BOUGHT),
    Walk("received", "purchase", _RECEIVED, _PARCELS),
    Walk("closed", "service", _CLOSED, _TICKETS),
    Walk("collected", "fitting", _COLLECTED, _PIECES),
]


def ask_due(*, now: datetime, seconds: float = 40.0) -> dict[str, int]:
    """Ask what is due by now, until done or time is up; what is left, the next beat does. Nothing outside the hours.

    Returns how many were asked, and how many were not by reason (surveys.yaml, not_asked).
    """
    tally: Counter[str] = Counter({"asked": 0})
    deadline = clock.monotonic() + (seconds if is_asking_time(now) else 0)
    for walk in WALKS:
        while clock.monotonic() < deadline:
            counted = _batch(walk, now)
            if counted is None:
                break
            tally.update(counted)
    return dict(tally)


@transaction.atomic
def _batch(walk: Walk, now: datetime) -> Counter[str] | None:
    """Do one batch behind the hand and move it; None where nothing is due any more."""
    after = AFTER[walk.kind].at(now)
    Heartbeat.objects.get_or_create(name=HAND, defaults={"at": clock.system_now()})
    hands = Heartbeat.objects.select_for_update().get(name=HAND)  # two runs take turns, and count each other's
    if not after:
        return None
    stride = _by_moment if walk.behind else _by_store_day
    hand, place = stride(walk, hands.facts.get(walk.name), now, after)
    if hand is None:
        return None
    counted = _ask(walk, place, now) if place else Counter()
    hands.facts, hands.at = hands.facts | {walk.name: hand}, clock.system_now()
    hands.save(update_fields=["facts", "at"])
    return counted


Hand = dict[str, Any]


def _by_store_day(walk: Walk, hand: Hand | None, now: datetime, after: int) -> tuple[Hand | None, dict[str, Any]]:
    """Return where the hand goes and what lies there: one day's purchases of the next stores; behind the last the next day."""
    last = clock.local_day(now) - timedelta(days=after)
    day = max(date.fromisoformat(hand["day"]), last - timedelta(days=rules().late_days)) if hand else last
    if day > last:
        return None, {}
    behind = hand["store"] if hand and hand["day"] == day.isoformat() else 0
    stores = list(Store.objects.filter(pk__gt=behind).order_by("pk").values_list("pk", flat=True)[:STORES_AT_ONCE])
    if not stores:
        return {"day": (day + timedelta(days=1)).isoformat(), "store": 0}, {}
    return {"day": day.isoformat(), "store": stores[-1]}, {"stores": stores, "day": day}


def _by_moment(walk: Walk, hand: Hand | None, now: datetime, after: int) -> tuple[Hand | None, dict[str, Any]]:
    """Return where the hand goes and what lies there: the next rows, of days that have been over long enough."""
    until = clock.local_moment(clock.local_day(now) - timedelta(days=after - 1), time())
    earliest = until - timedelta(days=1 + rules().late_days)
    at, pk = (clock.parse_iso(hand["at"]), hand["id"]) if hand else (until - timedelta(days=1), 0)
    at, pk = (at, pk) if at >= earliest else (earliest, 0)
    place = {"at": at, "id": pk, "until": until, "most": ROWS_AT_ONCE}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT at, id FROM ({walk.behind}) b ORDER BY at DESC, id DESC LIMIT 1", place)
        last = cursor.fetchone()
    return ({"at": last[0].isoformat(), "id": last[1]}, place) if last else (None, {})


def _ask(walk: Walk, place: dict[str, Any], now: datetime) -> Counter[str]:
    """Judge what lies at a place and ask whoever may be asked. Two statements."""
    facts = place | {
        "now": now, "goods": [str(kind) for kind in GOODS], "low": LOW_CHANNEL, "over": list(Ticket.CLOSED_STATES),
        "cap": CAP_TIMES.at(now), "since": now - timedelta(days=rules().cap_days),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED.format(source=walk.source), facts)
        found: list[Found] = cursor.fetchall()
    tally = Counter(row[-1] for row in found if row[-1])
    asked = [row[:-1] for row in found if not row[-1]]
    if asked:
        tally["asked"] = insert_surveys(walk.kind, asked, now=now)
    return tally


def insert_surveys(kind: str, rows: Sequence[tuple[Any, ...]], *, now: datetime) -> int:
    """Ask these (cause, member, order, ticket, store, guide, about_at); what was asked before is not asked again.

    Returns how many are new. The figures of the day count them in the same statement.
    """
    ids = [uuid4() for _ in rows]
    causes, members, orders, tickets, stores, guides, moments = (list(column) for column in zip(*rows, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            _ASK,
            {
                "kind": kind, "now": now, "day": clock.local_day(now), "ends": now + rules().kinds[kind].lives, "ids": ids,
                "hashes": [hashed(token_of(one)) for one in ids], "causes": causes, "members": members, "orders": orders,
                "tickets": tickets, "stores": stores, "guides": guides, "moments": moments,
            },
        )  # fmt: skip
        return int(cursor.fetchone()[0])
