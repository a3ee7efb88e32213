"""Phones bring what they scanned, with the net or minutes later; they are told what became of it and how far the others are.

Every scan has a name the phone gave it, so that a batch may come twice. Phones share the stocktake's row: they do not wait for
each other, and nobody closes while a batch is on its way in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from ..models import Stocktake, StocktakeScan
from ..queries import progress_of

MOST = 200  # scans of one batch
AHEAD = timedelta(minutes=5)  # a phone's clock may go so far before ours


class StocktakeClosed(Conflict):
    """It is over; what the phone has stays on the phone, to be seen there."""

    code, title = "stocktake.closed", _("这次盘点已经结束了")


@dataclass(frozen=True)
class Said:
    """One scan as a phone tells it."""

    client_id: UUID
    code: str
    zone: str
    quantity: int
    is_manual: bool
    round: int
    at: datetime


@dataclass
class Outcome:
    """What became of a batch. `scans`: by their names, what each was found to be and what is to be known of it."""

    taken: list[str] = field(default_factory=list)
    scans: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[dict[str, str]] = field(default_factory=list)
    progress: dict[str, Any] = field(default_factory=dict)


# A code is a garment's own, a size's, or what the factory printed on its label; the first that fits.
_TAKE = """
    WITH said AS (
        SELECT * FROM unnest(%(ids)s::uuid[], %(codes)s::text[], %(zones)s::text[], %(quantities)s::int[], %(manual)s::bool[],
            %(rounds)s::int[], %(at)s::timestamptz[]) AS s(client_id, code, zone, quantity, is_manual, round, scanned_at)
    ), named AS (
        SELECT said.*, coalesce(item.code, '') AS piece,
            coalesce(item.sku_id, sized.id, (SELECT min(label.id) FROM crm_sku label WHERE label.barcode = said.code AND label.barcode <> '')) AS sku_id
        FROM said LEFT JOIN crm_itemcode item ON item.code = said.code LEFT JOIN crm_sku sized ON sized.code = said.code
    )
    INSERT INTO crm_stocktakescan (stocktake_id, client_id, round, staff_id, device, zone, code, sku_id, piece, quantity, is_manual,
        scanned_at, received_at, is_late)
    SELECT %(stocktake)s, named.client_id, named.round, %(staff)s, %(device)s, named.zone, named.code, named.sku_id, named.piece,
        CASE WHEN named.piece <> '' THEN 1 ELSE named.quantity END, named.is_manual,
        least(greatest(named.scanned_at, %(started_at)s), %(now)s), %(now)s, named.round < %(round)s OR NOT %(is_open)s
    FROM named
    WHERE named.round = 1 OR (%(staff)s = %(recounter)s AND EXISTS (SELECT FROM crm_stocktakeline line
        WHERE line.stocktake_id = %(stocktake)s AND line.sku_id = named.sku_id AND (line.wants_recount OR line.round >= named.round)))
    ORDER BY named.client_id ON CONFLICT (client_id) DO NOTHING
"""
_BECAME = """
    SELECT scan.client_id::text, sku.code, style.name, style.color, sku.size, scan.piece, scan.quantity, scan.is_late,
        scan.voided_at IS NOT NULL AS voided,
        scan.sku_id IS NOT NULL AND NOT (cardinality(%(categories)s::text[]) = 0 OR style.category_l1 = ANY(%(categories)s::text[])) AS outside,
        earlier.name AS by, earlier.zone, earlier.scanned_at
    FROM crm_stocktakescan scan LEFT JOIN crm_sku sku ON sku.id = scan.sku_id LEFT JOIN crm_stylecolor style ON style.id = sku.style_id
        LEFT JOIN LATERAL (
            SELECT person.name, other.zone, other.scanned_at FROM crm_stocktakescan other
                JOIN guides_staff person ON person.id = other.staff_id
            WHERE scan.piece <> '' AND other.stocktake_id = scan.stocktake_id AND other.piece = scan.piece AND other.round = scan.round
                AND other.voided_at IS NULL AND (other.received_at, other.id) < (scan.received_at, scan.id)
            ORDER BY other.received_at, other.id LIMIT 1
        ) earlier ON true
    WHERE scan.stocktake_id = %(stocktake)s AND scan.client_id = ANY(%(ids)s::uuid[])
"""


@transaction.atomic
def take_scans(stocktake: Stocktake, said: dict[str, Any], *, actor: Actor, now: datetime) -> tuple[Stocktake, Outcome]:
    """Take a batch of one phone and tell it how the count stands. Safe to repeat. Six statements, however many scans.

    Raises StocktakeClosed, Conflict or Invalid, and then takes nothing.
    """
    scans, undone = _read(said, now)
    held = _shared(stocktake.pk)
    if not held.is_running:
        if scans or undone:
            raise StocktakeClosed(_("后来扫的没有算进去，还留在这部手机上。"), state=held.state)
        return held, Outcome(progress=asdict(progress_of(held)))
    device, zone = _text(said.get("device"), 36), _text(said.get("zone"), 16)
    outcome = Outcome()
    params: dict[str, Any] = {
        "stocktake": held.pk, "staff": actor.staff_id, "device": device, "round": held.round, "now": now,
        "started_at": held.started_at, "categories": held.categories, "ids": [one.client_id for one in scans],
        "is_open": held.state in Stocktake.SCANNED, "recounter": held.recounter_id or 0,
    }  # fmt: skip
    with connection.cursor() as cursor:
        if scans:
            cursor.execute(_TAKE, params | {
                "codes": [one.code for one in scans], "zones": [one.zone for one in scans],
                "quantities": [one.quantity for one in scans], "manual": [one.is_manual for one in scans],
                "rounds": [min(one.round, held.round) for one in scans], "at": [one.at for one in scans],
            })  # fmt: skip
        if undone:
            _take_back(held, undone, actor=actor, now=now, outcome=outcome)
        if scans:
            cursor.execute(_BECAME, params)
            names = [column.name for column in cursor.description or ()]
            for row in cursor.fetchall():
                facts = dict(zip(names, row, strict=True))
                outcome.scans[facts.pop("client_id")] = facts
        if device:
            cursor.execute(
                """
                INSERT INTO crm_stocktakephone AS phone (stocktake_id, device, staff_id, zone, waiting, seen_at)
                VALUES (%(stocktake)s, %(device)s, %(staff)s, %(zone)s, %(waiting)s, %(now)s)
                ON CONFLICT (stocktake_id, device) DO UPDATE SET staff_id = excluded.staff_id, zone = excluded.zone,
                    waiting = excluded.waiting, seen_at = excluded.seen_at
                """,
                params | {"zone": zone, "waiting": _whole(said.get("waiting"), 0, 1_000_000) or 0},
            )
    outcome.taken += list(outcome.scans)
    outcome.refused += [
        {"id": str(one.client_id), "why": str(_("不在这次复盘里"))}
        for one in scans
        if str(one.client_id) not in outcome.scans
    ]
    outcome.progress = asdict(progress_of(held))
    return held, outcome


def _shared(pk: int) -> Stocktake:
    # FOR SHARE: phones do not wait for each other, only for who closes or cancels, and he for them.
    return Stocktake.objects.raw("SELECT * FROM crm_stocktake WHERE id = %s FOR SHARE", [pk])[0]


def _take_back(
    held: Stocktake, undone: list[tuple[str, UUID]], *, actor: Actor, now: datetime, outcome: Outcome
) -> None:
    """Take back one's own scans of the running round; what is no row any more, or never was, is taken back too."""
    if held.state in Stocktake.SCANNED:
        mine = StocktakeScan.objects.filter(
            stocktake=held, staff_id=actor.staff_id or 0, round=held.round, client_id__in=[of for _name, of in undone]
        )
        mine.filter(voided_at=None).update(voided_at=now, voided_by_id=actor.staff_id)
        outcome.taken += [name for name, _of in undone]
    else:
        outcome.refused += [{"id": name, "why": str(_("已经收盘，撤不了了"))} for name, _of in undone]


# ---------------------------------------------------------------- what a phone may say


def _read(said: dict[str, Any], now: datetime) -> tuple[list[Said], list[tuple[str, UUID]]]:
    """Return scans (each name once) and what is taken back, as (name of the act, name of the scan). Raises Invalid."""
    rows, undone = said.get("scans") or [], said.get("undo") or []
    if not isinstance(rows, list) or not isinstance(undone, list) or len(rows) + len(undone) > MOST:
        raise Invalid(_("一次传得太多，或者内容没看懂"))
    try:
        scans = {one.client_id: one for one in (_scan(row, now) for row in rows)}
        return list(scans.values()), [(str(UUID(row["id"])), UUID(row["of"])) for row in undone]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Invalid(_("内容没看懂")) from None


def _scan(row: dict[str, Any], now: datetime) -> Said:
    code = code_of(_text(row["code"], 255))
    quantity, number = _whole(row.get("quantity", 1), 1, 999), _whole(row.get("round", 1), 1, 99)
    if not 1 <= len(code) <= 64 or quantity is None or number is None:
        raise ValueError("a scan")
    return Said(
        client_id=UUID(str(row["id"])), code=code, zone=_text(row.get("zone"), 16), quantity=quantity,
        is_manual=bool(row.get("manual")), round=number, at=min(parse_iso(str(row["at"])), now + AHEAD),
    )  # fmt: skip


def code_of(text: str) -> str:
    """Return the code out of what a label holds: the code itself, or the address under which members open it."""
    return text.rstrip("/").rsplit("/", 1)[-1] if "/i/" in text else text


def _text(value: Any, most: int) -> str:
    text = str(value or "").strip()[:most]
    if text and not text.isprintable():
        raise Invalid(_("内容没看懂"))
    return text


def _whole(value: Any, least: int, most: int) -> int | None:
    is_fit = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    return value if is_fit else None
