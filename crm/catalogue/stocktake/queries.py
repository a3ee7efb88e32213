"""Reads of a stocktake: the goods a phone must know, the live count, the differences, and who counted the same twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Abs

from guides.org.models import Staff, Store

from ..models import StyleColor
from .models import Stocktake, StocktakeLine, StocktakePhone, StocktakeScan

KNOWN_MOST = 4_000  # sizes whose codes a phone brings along, to name them without the net
SILENT_AFTER = timedelta(minutes=2)
PAGE = 50


def people_of(store: Store) -> QuerySet[Staff]:
    """Return who works in a store and may be asked to count."""
    return Staff.objects.employed().filter(store=store).order_by("pk")


def categories_of(store: Store) -> list[str]:
    """Return the categories a store has goods of."""
    held = StyleColor.objects.filter(stock__store=store).order_by("category_l1")
    return list(held.values_list("category_l1", flat=True).distinct())


def _rows(sql: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# ---------------------------------------------------------------- the phones


def known_goods(stocktake: Stocktake) -> list[list[Any]]:
    """Return [code, barcode, name, colour, size] of the sizes in the book, without how many: who counts, counts blind."""
    lines = StocktakeLine.objects.filter(stocktake=stocktake)
    if stocktake.state == Stocktake.State.RECOUNT:
        lines = lines.filter(wants_recount=True)
    columns = ("sku__code", "sku__barcode", "sku__style__name", "sku__style__color", "sku__size")
    return [list(row) for row in lines.order_by("sku__code").values_list(*columns)[:KNOWN_MOST]]


@dataclass(frozen=True)
class Progress:
    """How far the running round is. `people`: [{staff, name, pieces, zone, waiting, seen_at}]."""

    state: str
    round: int
    pieces: int
    sizes: int
    unknown: int
    late: int
    people: list[dict[str, Any]]
    zones: list[dict[str, Any]]


def progress_of(stocktake: Stocktake) -> Progress:
    """Return the live count of the running round: two statements, however much was scanned."""
    params = {"stocktake": stocktake.pk, "round": stocktake.round}
    # A piece of two scanned by both stands with whoever had it first, so that the parts make up the whole.
    rows = _rows(
        """
        WITH scans AS (
            SELECT scan.*, scan.piece = '' OR row_number() OVER (PARTITION BY scan.piece ORDER BY scan.received_at, scan.id) = 1 AS counts
            FROM crm_stocktakescan scan
            WHERE scan.stocktake_id = %(stocktake)s AND scan.round = %(round)s AND scan.voided_at IS NULL
        )
        SELECT staff_id, zone, coalesce(sum(quantity) FILTER (WHERE counts AND sku_id IS NOT NULL AND NOT is_late), 0)::int AS pieces,
            count(*) FILTER (WHERE sku_id IS NULL AND NOT is_late)::int AS unknown, count(*) FILTER (WHERE is_late)::int AS late,
            (SELECT count(DISTINCT sku_id) FROM scans WHERE NOT is_late)::int AS sizes
        FROM scans GROUP BY staff_id, zone ORDER BY zone, staff_id
        """,
        params,
    )
    phones = StocktakePhone.objects.filter(stocktake=stocktake).select_related("staff").order_by("-seen_at")
    held: dict[int, dict[str, Any]] = {}
    for phone in phones:
        known = held.setdefault(phone.staff_id, {"staff": phone.staff_id, "name": phone.staff.name, "pieces": 0,
                                                 "zone": phone.zone, "waiting": 0, "seen_at": phone.seen_at})  # fmt: skip
        known["waiting"] += phone.waiting
    for row in rows:
        if row["staff_id"] in held:
            held[row["staff_id"]]["pieces"] += row["pieces"]
    names = {pk: one["name"] for pk, one in held.items()}
    return Progress(
        state=stocktake.state, round=stocktake.round, pieces=sum(row["pieces"] for row in rows),
        sizes=rows[0]["sizes"] if rows else 0, unknown=sum(row["unknown"] for row in rows), late=sum(row["late"] for row in rows),
        people=list(held.values()),
        zones=[{"zone": row["zone"], "staff": row["staff_id"], "name": names.get(row["staff_id"], ""), "pieces": row["pieces"]}
               for row in rows if row["zone"]],
    )  # fmt: skip


@dataclass(frozen=True)
class Silent:
    """A phone that may still have scans of its own: it said so, or was not heard for a while."""

    name: str
    waiting: int
    seen_at: datetime


def silent_phones(stocktake: Stocktake, *, now: datetime) -> list[Silent]:
    """Return the phones to wait for before counting ends."""
    phones = StocktakePhone.objects.filter(stocktake=stocktake).select_related("staff").order_by("staff_id", "device")
    return [
        Silent(one.staff.name, one.waiting, one.seen_at)
        for one in phones
        if one.waiting or (stocktake.state in Stocktake.SCANNED and one.seen_at < now - SILENT_AFTER and one.seen_at > now - timedelta(hours=1))
    ]  # fmt: skip


# ---------------------------------------------------------------- the manager


def sums_of(stocktake: Stocktake) -> dict[str, int]:
    """Return what the count comes to: pieces of book and count, gains and losses in pieces and fen, sizes nobody scanned."""
    (row,) = _rows(
        """
        SELECT coalesce(sum(book + moved), 0)::int AS book_pieces, coalesce(sum(counted), 0)::int AS counted_pieces,
            coalesce(sum(difference) FILTER (WHERE difference > 0), 0)::int AS gain_pieces,
            coalesce(-sum(difference) FILTER (WHERE difference < 0), 0)::int AS loss_pieces,
            coalesce(sum(amount_fen) FILTER (WHERE difference > 0), 0)::bigint AS gain_fen,
            coalesce(sum(amount_fen) FILTER (WHERE difference < 0), 0)::bigint AS loss_fen,
            count(*) FILTER (WHERE difference <> 0)::int AS sizes, count(*) FILTER (WHERE counted = 0 AND book + moved > 0)::int AS unseen,
            count(*) FILTER (WHERE wants_recount)::int AS wants
        FROM crm_stocktakeline WHERE stocktake_id = %(stocktake)s
        """,
        {"stocktake": stocktake.pk},
    )
    return row


def differences(
    lines: QuerySet[StocktakeLine], *, after: str = "", by: str = "amount", size: int = PAGE
) -> tuple[list[StocktakeLine], str]:
    """Return a page of sizes that differ, the dearest (or by="pieces" the most pieces) first, and the mark of the next."""
    rows = lines.exclude(difference=0).exclude(difference=None).select_related("sku__style")
    rows = rows.annotate(weight=Abs("difference")) if by == "pieces" else rows
    column = "weight" if by == "pieces" else "amount_fen"
    if (place := _mark(after)) is not None:
        weight, pk = place
        rows = rows.filter(Q(**{f"{column}__lt": weight}) | Q(**{column: weight, "pk__lt": pk}))
    found = list(rows.order_by(f"-{column}", "-pk")[: size + 1])
    if len(found) <= size:
        return found, ""
    last = found[size - 1]
    return found[:size], f"{getattr(last, column)}_{last.pk}"


def _mark(text: str) -> tuple[int, int] | None:
    weight, _, pk = text.partition("_")
    if weight.isdecimal() and pk.isdecimal() and len(weight) < 18 and len(pk) < 18:
        return int(weight), int(pk)
    return None


def clashes(stocktake: Stocktake) -> list[dict[str, Any]]:
    """Return what two people counted in one place without codes of its own: it may be the same pieces. Not those settled.

    [{line, zone, name, color, size, price_fen, people: [{staff, name, pieces}]}], the dearest first, 100 at most.
    """
    rows = _rows(
        """
        SELECT line.id AS line, twice.zone, style.name, style.color, sku.size, twice.people
        FROM (
            SELECT one.sku_id, one.round, one.zone, jsonb_agg(jsonb_build_object('staff', one.staff_id, 'name', person.name,
                'pieces', one.pieces) ORDER BY one.staff_id) AS people
            FROM (
                SELECT sku_id, round, zone, staff_id, sum(quantity)::int AS pieces FROM crm_stocktakescan
                WHERE stocktake_id = %(stocktake)s AND piece = '' AND zone <> '' AND sku_id IS NOT NULL AND voided_at IS NULL AND NOT is_late
                GROUP BY sku_id, round, zone, staff_id
            ) one JOIN guides_staff person ON person.id = one.staff_id
            GROUP BY one.sku_id, one.round, one.zone HAVING count(*) > 1
        ) twice
        JOIN crm_stocktakeline line ON line.stocktake_id = %(stocktake)s AND line.sku_id = twice.sku_id AND line.round = twice.round
        JOIN crm_sku sku ON sku.id = twice.sku_id JOIN crm_stylecolor style ON style.id = sku.style_id
        WHERE NOT line.is_settled ORDER BY line.price_fen DESC, line.id, twice.zone LIMIT 100
        """,
        {"stocktake": stocktake.pk},
    )
    for row in rows:
        row["people"] = json.loads(row["people"])
    return rows


def unknown_codes(stocktake: Stocktake) -> list[dict[str, Any]]:
    """Return codes nobody knows, with who scanned them where and how often; 100 at most."""
    return _rows(
        """
        SELECT scan.code, sum(scan.quantity)::int AS pieces, string_agg(DISTINCT person.name, '、') AS people,
            string_agg(DISTINCT nullif(scan.zone, ''), '、') AS zones
        FROM crm_stocktakescan scan JOIN guides_staff person ON person.id = scan.staff_id
        WHERE scan.stocktake_id = %(stocktake)s AND scan.sku_id IS NULL AND scan.voided_at IS NULL
        GROUP BY scan.code ORDER BY 2 DESC, 1 LIMIT 100
        """,
        {"stocktake": stocktake.pk},
    )


def late_scans(stocktake: Stocktake) -> dict[str, Any]:
    """Return what came after counting had ended and nobody has decided on: pieces, and by whom."""
    late = StocktakeScan.objects.filter(stocktake=stocktake, is_late=True, voided_at=None)
    rows = list(late.values("staff__name").annotate(pieces=Sum("quantity")).order_by("staff__name"))
    return {"pieces": sum(row["pieces"] for row in rows), "people": [row["staff__name"] for row in rows]}


def counted_by(stocktake: Stocktake, *, sku_ids: Sequence[int] | None = None) -> set[int]:
    """Return whose scans make up the count, of some sizes or of all."""
    scans = StocktakeScan.objects.filter(stocktake=stocktake, voided_at=None, is_late=False, sku__isnull=False)
    if sku_ids is not None:
        scans = scans.filter(sku_id__in=sku_ids)
    return set(scans.values_list("staff_id", flat=True).distinct())
