"""积分: earned by orders, spent at the till, taken back and given back with returns, ended with the year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import F, Sum
from django.utils.translation import gettext_lazy as _

from crm.benefits.book import Lot, Short
from crm.benefits.models import PointsAccount, PointsEntry, PointsLot, PointsUse
from crm.benefits.rules import BACK_AT_LEAST_DAYS, MEMBER_DAY_TIMES, STEP, expires_on, points_for
from crm.members.models import Member
from crm.members.services import lock_members
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from .ledger import open_books, write_books

Kind = PointsEntry.Kind


class PointsShort(Conflict):
    code, title = "points.short", _("可用积分不够")


class BrokenStep(Invalid):
    code, title = "points.step", _("积分要按 100 的整数用")


class NothingToReturn(Conflict):
    code, title = "points.returned", _("这笔积分已经退过了")


@dataclass(frozen=True)
class OrderFacts:
    """What an order is worth in points, as it stands now. Made by crm/orders for the feed and the till alike."""

    subject: str  # order:7
    member_id: int
    paid_on: date
    net_fen: int
    rate_tenths: int  # of the level at payment
    level: str
    is_member_day: bool
    usable_from: datetime


@dataclass(frozen=True)
class Spent:
    """A spending of points: its entry, and which lots it came from."""

    entry_id: int
    points: int
    lots: tuple[tuple[int, int], ...]  # (lot id, points)


@transaction.atomic
def settle_orders(facts: Sequence[OrderFacts], *, now: datetime) -> dict[str, int]:
    """Bring what orders earned to what they are worth now: earn, earn more, or take back. Safe to run at any time, again.

    Rate and member day are those of the first time. An order whose points would have ended already earns none.
    """
    today = clock.local_day(now)
    books = open_books({one.member_id for one in facts}, subjects={one.subject for one in facts})
    earned = taken = 0
    for one in sorted(facts, key=lambda fact: (fact.paid_on, len(fact.subject), fact.subject)):
        book = books[one.member_id]
        lot = book.lot_of(one.subject)
        if lot is None:
            worth = points_for(one.net_fen, rate_tenths=one.rate_tenths, is_member_day=one.is_member_day)
            ends = expires_on(one.paid_on)
            if worth and ends >= today:
                times = MEMBER_DAY_TIMES if one.is_member_day else 1
                lot = Lot(
                    one.usable_from, ends, one.subject, level=one.level, rate_tenths=one.rate_tenths, multiplier=times
                )
                lot.earned = worth
                book.credit([(lot, worth)], kind=Kind.EARN, subject=one.subject, key=one.subject)
                earned += worth
            continue
        if lot.usable_from > now and lot.usable_from != one.usable_from:  # the parcel arrived: the time begins there
            lot.usable_from, lot.is_touched = one.usable_from, True
        worth = points_for(one.net_fen, rate_tenths=lot.rate_tenths, is_member_day=lot.multiplier > 1)
        difference = worth - lot.earned
        if difference:
            lot.earned, lot.revision, lot.is_touched = worth, lot.revision + 1, True
            key = f"{one.subject}:{lot.revision}"
            if difference > 0:
                book.credit([(lot, difference)], kind=Kind.EARN, subject=one.subject, key=key)
                earned += difference
            else:
                book.take_back(-difference, lot=lot, subject=one.subject, key=key)
                taken -= difference
    write_books(books.values(), now=now)
    return {"points_earned": earned, "points_taken_back": taken}


@transaction.atomic
def spend_points(
    member: Member,
    points: int,
    *,
    key: str,
    subject: str,
    now: datetime,
    actor: Actor,
    kind: PointsEntry.Kind = Kind.SPEND,
) -> Spent:
    """Use points of a member, those that end first; the same key again gets the same answer.

    Raises BrokenStep unless it is a step of 100 (not for an exchange), PointsShort where fewer may be used now.
    """
    if points <= 0 or (kind == Kind.SPEND and points % STEP):
        raise BrokenStep()
    lock_members([member.pk])  # members before accounts, as when a batch of orders comes in
    book = open_books([member.pk])[member.pk]
    if done := PointsEntry.objects.filter(kind=kind, key=key).first():
        return _spent(done)
    today = clock.local_day(now)
    try:
        book.spend(points, kind=kind, subject=subject, key=key, now=now, today=today)
    except Short:
        usable = book.usable(now, today)
        raise PointsShort(_("现在能用 %(count)d 分") % {"count": usable}, usable=usable) from None
    (entry,) = write_books([book], now=now, by_id=actor.staff_id)
    audit.record(actor, "points.spent", member, after={"points": points, "subject": subject, "kind": kind})
    return _spent(entry)


@transaction.atomic
def give_back_points(
    entry_id: int, *, points: int | None = None, key: str, subject: str, now: datetime, actor: Actor
) -> int:
    """Give back points of a spending, all that are left of it or so many; return how many came back.

    Those used last come back first, each with the end it had, but at least 30 days from now. The same key again does
    nothing more. Raises NothingToReturn where more is asked than is left.
    """
    spent = PointsEntry.objects.get(pk=entry_id, kind__in=[Kind.SPEND, Kind.EXCHANGE])
    lock_members([spent.member_id])
    book = open_books([spent.member_id])[spent.member_id]
    if done := PointsEntry.objects.filter(kind=Kind.GIVE_BACK, key=key).first():
        return done.points
    uses = list(PointsUse.objects.filter(entry_id=entry_id).select_related("lot"))
    uses.sort(key=lambda use: (use.lot.expires_on, use.lot_id), reverse=True)
    wanted = sum(use.points - use.returned_points for use in uses) if points is None else points
    if wanted == 0:
        return 0
    earliest = clock.local_day(now) + timedelta(days=BACK_AT_LEAST_DAYS)
    left, parts = wanted, []
    for use in uses:
        part = min(left, use.points - use.returned_points)
        if part:
            parts.append((Lot(usable_from=now, expires_on=max(use.lot.expires_on, earliest)), part))
            PointsUse.objects.filter(pk=use.pk).update(returned_points=F("returned_points") + part)
            left -= part
    if left:
        raise NothingToReturn()
    book.credit(parts, kind=Kind.GIVE_BACK, subject=subject, key=key)
    write_books([book], now=now, by_id=actor.staff_id)
    audit.record(
        actor,
        "points.given_back",
        "crm.Member",
        resource_id=str(spent.member_id),
        after={"points": wanted, "subject": subject},
    )
    return wanted


def expire_points(*, now: datetime, batch: int = 1_000, budget: timedelta = timedelta(seconds=200)) -> dict[str, int]:
    """End the points that were good until yesterday; nightly, by members, stops by itself."""
    today = clock.local_day(now)
    deadline = clock.monotonic() + budget.total_seconds()
    tally = {"members": 0, "points_expired": 0}
    while clock.monotonic() < deadline:
        with transaction.atomic():
            ended = PointsLot.objects.filter(expires_on__lt=today, left_points__gt=0)
            ids = list(ended.order_by("expires_on").values_list("member_id", flat=True)[:batch])
            if not ids:
                break
            books = open_books(ids)
            for book in books.values():
                book.expire(today)
            entries = write_books(books.values(), now=now)
        tally["members"] += len(books)
        tally["points_expired"] -= sum(entry.points for entry in entries)
    return tally


def settle_merged(kept_id: int, gone_id: int, now: datetime) -> None:
    """Two members became one, or two again, and their entries and lots have changed hands: their accounts follow.

    Where one brought a debt and the other has points, the debt is filled; taken apart again, the filling is undone.
    """
    books = open_books({kept_id, gone_id})
    for book in books.values():
        entries = PointsEntry.objects.filter(member_id=book.member_id).order_by("-pk")
        balance = entries.aggregate(sum=Sum("points"))["sum"] or 0
        last, left = entries.first(), book.left
        if left > balance and last is not None:
            left -= _fill(book.member_id, min(left, left - balance), entry=last)
        elif left < balance:
            left += _unfill(book.member_id, balance - left)
        PointsAccount.objects.filter(member_id=book.member_id).update(
            balance=balance, left_points=left, debt_points=left - balance
        )


def _fill(member_id: int, debt: int, *, entry: PointsEntry) -> int:
    wanted = debt
    for lot in PointsLot.objects.filter(member_id=member_id, left_points__gt=0).order_by("expires_on", "pk"):
        if part := min(wanted, lot.left_points):
            PointsUse.objects.create(entry=entry, lot=lot, points=part)
            PointsLot.objects.filter(pk=lot.pk).update(left_points=F("left_points") - part)
            wanted -= part
    return debt - wanted


def _unfill(member_id: int, surplus: int) -> int:
    wanted = surplus
    for use in PointsUse.objects.filter(lot__member_id=member_id).order_by("-pk"):
        if part := min(wanted, use.points - use.returned_points):
            PointsLot.objects.filter(pk=use.lot_id).update(left_points=F("left_points") + part)
            if part == use.points:
                use.delete()
            else:
                PointsUse.objects.filter(pk=use.pk).update(points=F("points") - part)
            wanted -= part
    return surplus - wanted


def _spent(entry: PointsEntry) -> Spent:
    uses = PointsUse.objects.filter(entry=entry).order_by("pk").values_list("lot_id", "points")
    return Spent(entry.pk, -entry.points, tuple(uses))
