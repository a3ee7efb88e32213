"""The only door to the points ledger: lock accounts, read them into books, write back what happened there.

The same few statements for one member and for a thousand.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from crm.benefits.book import Book, Lot
from crm.benefits.models import PointsAccount, PointsEntry, PointsLot, PointsUse


def open_books(member_ids: Iterable[int], *, subjects: Collection[str] = ()) -> dict[int, Book]:
    """Lock the accounts of these members until the end of the transaction, in order of their ids, and read them.

    A book holds the lots that have something left, and those of `subjects`. Needs an open transaction.
    """
    ids = sorted(set(member_ids))
    if not ids:
        return {}
    PointsAccount.objects.bulk_create([PointsAccount(member_id=pk) for pk in ids], ignore_conflicts=True)
    accounts = PointsAccount.objects.filter(member_id__in=ids).order_by("member_id").select_for_update()
    books = {one.member_id: Book(one.member_id, balance=one.balance, debt=one.debt_points) for one in accounts}
    left = PointsLot.objects.filter(member_id__in=ids, left_points__gt=0)
    rows = {row.pk: row for row in left}
    if subjects:
        rows |= {row.pk: row for row in PointsLot.objects.filter(subject__in=list(subjects))}
    for row in sorted(rows.values(), key=lambda one: one.pk):
        if row.member_id in books:
            books[row.member_id].lots.append(
                Lot(
                    usable_from=row.usable_from,
                    expires_on=row.expires_on,
                    subject=row.subject,
                    points=row.points,
                    left=row.left_points,
                    level=row.level,
                    rate_tenths=row.rate_tenths,
                    multiplier=row.multiplier,
                    earned=row.earned_points,
                    revision=row.revision,
                    pk=row.pk,
                )
            )
    return books


def write_books(books: Iterable[Book], *, now: datetime, by_id: int | None = None) -> list[PointsEntry]:
    """Write what happened in locked books, and return the entries, book by book in the order they were made."""
    changed = [book for book in books if book.lines or any(lot.is_touched for lot in book.lots)]
    if not changed:
        return []
    _write_lots(changed, now=now)
    lines = [(book, line) for book in changed for line in book.lines]
    entries = PointsEntry.objects.bulk_create(
        [
            PointsEntry(
                member_id=book.member_id,
                kind=line.kind,
                points=line.points,
                balance_after=line.balance_after,
                subject=line.subject,
                key=line.key,
                by_id=by_id,
                at=now,
            )
            for book, line in lines
        ]
    )
    PointsUse.objects.bulk_create(
        [
            PointsUse(entry=entry, lot_id=lot.pk or 0, points=points)
            for entry, (_book, line) in zip(entries, lines, strict=True)
            for lot, points in line.uses
        ]
    )
    _run(
        """
        UPDATE crm_pointsaccount a SET balance = r.balance, left_points = a.left_points + r.moved, debt_points = r.debt
        FROM jsonb_to_recordset(%s::jsonb) AS r(member bigint, balance bigint, moved bigint, debt bigint)
        WHERE a.member_id = r.member
        """,
        [
            {
                "member": book.member_id,
                "balance": book.balance,
                "debt": book.debt,
                "moved": sum(line.points for line in book.lines) + book.debt - book.debt_before,
            }
            for book in changed
        ],
    )
    return entries


def _write_lots(books: Sequence[Book], *, now: datetime) -> None:
    new = [(book, lot) for book in books for lot in book.lots if lot.pk is None]
    stored = PointsLot.objects.bulk_create(
        [
            PointsLot(
                member_id=book.member_id,
                subject=lot.subject,
                points=lot.points,
                left_points=lot.left,
                usable_from=lot.usable_from,
                expires_on=lot.expires_on,
                level=lot.level,
                rate_tenths=lot.rate_tenths,
                multiplier=lot.multiplier,
                earned_points=lot.earned,
                revision=lot.revision,
                made_at=now,
            )
            for book, lot in new
        ]
    )
    touched = [lot for book in books for lot in book.lots if lot.is_touched and lot.pk is not None]
    for row, (_book, lot) in zip(stored, new, strict=True):
        lot.pk = row.pk
    _run(
        """
        UPDATE crm_pointslot l SET points = r.points, left_points = r.left_points, earned_points = r.earned,
               revision = r.revision, usable_from = r.usable_from
        FROM jsonb_to_recordset(%s::jsonb)
             AS r(id bigint, points int, left_points int, earned int, revision int, usable_from timestamptz)
        WHERE l.id = r.id
        """,
        [
            {
                "id": lot.pk,
                "points": lot.points,
                "left_points": lot.left,
                "earned": lot.earned,
                "revision": lot.revision,
                "usable_from": lot.usable_from.isoformat(),
            }
            for lot in touched
        ],
    )


def _run(sql: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(sql, [json.dumps(rows)])
