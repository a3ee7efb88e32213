"""Goods come back: aftersale.yaml `reversal` in one transaction.

Locks are taken as a confirmation takes them: the sale, its order, the member, and then card, points and coupon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from crm.benefits import services as benefits
from crm.benefits.models import PointsLot
from crm.catalogue import services as catalogue
from crm.members.services import lock_members
from crm.orders.models import Order
from crm.orders.services import ingest_returns
from guides.approvals.services import ask_approval
from guides.org.models import Store
from yejibao.core import audit, tunables
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.money import yuan
from yejibao.core.scope import Actor

from .. import returns
from ..bars import must_be_returnable
from ..models import RefundLine, Sale, SaleLine, SaleRefund
from ..queries import reckon_return, skus_of_lines
from ..reversal import Back, NothingLeft
from .paying_back import books_must_balance, pay_back
from .pieces import name_pieces, pieces_come_back
from .taking import subject_of

State, Reason = SaleRefund.State, SaleRefund.Reason
STORE_LIMIT = tunables.number(
    "till-refund-limit", group="收银", name="店长一个人能退多少", unit="元", default=3000, least=0, most=50000,
    why="一次退货退款超过这个数要财务再批一道；节前退货多、查得严时调小",
)  # fmt: skip
FINANCE_LIMIT_FEN = 50_000  # reliability-security §2: two persons from 500 yuan
SMALL, LARGE = "order.refund", "order.refund_large"


class LinesExceeded(Conflict):
    code, title = "order.return_exceeds", _("没有这么多可退")


class GiftAlone(Conflict):
    code, title = "order.gift_alone", _("赠品不能单独退")


class NothingChosen(Invalid):
    code, title = "order.return_nothing", _("先选要退的商品")


@transaction.atomic
def refund_lines(
    sold: Sale | Order,
    lines: Iterable[tuple[int, int]],
    *,
    key: str,
    actor: Actor,
    now: datetime,
    reason: str = Reason.NO_REASON,
    note: str = "",
    store: Store | None = None,
    sealed: Collection[int] = (),
    asked_at: datetime | None = None,
    codes: Collection[str] = (),
) -> SaleRefund:
    """Take (line number, quantity) back and give back what they are worth: at once, or once others approve (`state` asked).

    A manager and the service decide alone up to a limit, finance up to 500 yuan; a guide asks. `store` is where the goods
    are, the selling store unless named; `sealed` are lines of socks and underwear that somebody saw unopened; `asked_at` is
    when he asked, if that was before: it is in time by that day; `codes` are of the very pieces one has in hand. The same key
    again is the same refund. Raises TooLate, NotHere, NotReturnable, Opened, LinesExceeded, GiftAlone, NothingChosen,
    AlreadyAsked, and what card and WeChat say no to.
    """
    if done := SaleRefund.objects.filter(key=key).first():
        return done
    order, sale = locked(sold)
    if done := SaleRefund.objects.filter(key=key).first():  # the same act, a moment ago
        return done
    place = store or order.store
    returns.must_be_sold(order)
    returns.must_be_of_the_kind(order, place)
    returns.must_be_in_time(order, is_faulty=reason == Reason.QUALITY, now=asked_at or now)
    pieces = Counter[int]()
    for line_no, quantity in lines:
        pieces[line_no] += quantity
    if not pieces:
        raise NothingChosen()
    must_be_returnable(order, pieces, is_faulty=reason == Reason.QUALITY, sealed=sealed)
    back = _reckon(order, sale, pieces)
    refund = SaleRefund(
        order=order, sale=sale, key=key, state=State.ASKED, reason=reason, note=note.strip()[:255], store=place, by_id=actor.staff_id,
        asked_at=now, amount_fen=back.amount_fen, wallet_fen=back.wallet_fen, withheld_fen=back.withheld_fen,
        points_back=back.points, is_full=back.is_full,
    )  # fmt: skip
    try:
        with transaction.atomic():
            refund.save(force_insert=True)
    except IntegrityError:
        return SaleRefund.objects.get(key=key)
    _write_lines(refund, back)
    if sale is not None and codes:
        name_pieces(refund, sale, codes, _skus_back(order, sale, back))
    kind = needs_approval(actor, back.amount_fen, now=now)
    if kind is None:
        return carry_out(refund, actor=actor, now=now)
    ask_approval(
        kind,
        key=f"order:{order.pk}",
        title=f"{place.short_name}退货 {sum(pieces.values())} 件，退 {yuan(back.amount_fen, cents=True)}",
        reason=note.strip() or str(Reason(reason).label),
        unit=place.unit,
        facts={"refund": refund.pk},
        url=f"/g/till/refunds/{refund.pk}/",
        actor=actor,
        now=now,
    )
    audit.record(actor, "refund.asked", refund, after={"order": order.pk, "amount_fen": back.amount_fen}, reason=note)
    return refund


def needs_approval(actor: Actor, amount_fen: int, *, now: datetime) -> str | None:
    """Return the kind of approval a refund of so much needs from this person, None where he decides alone."""
    if actor.is_system:
        return None
    is_large = amount_fen > STORE_LIMIT.at(now) * 100
    if actor.has_role("store_manager", "customer_service"):
        return LARGE if is_large else None
    if actor.has_role("finance"):
        return LARGE if amount_fen >= FINANCE_LIMIT_FEN else None
    return LARGE if is_large else SMALL


@transaction.atomic
def carry_out(refund: SaleRefund, *, actor: Actor, now: datetime) -> SaleRefund:
    """Give back what the pieces are worth now: days may lie between asking and approving, and another return.

    Raises LedgerOff while the books do not balance.
    """
    books_must_balance()
    order, sale = locked(refund.sale or refund.order)
    returns.must_be_sold(order)
    pieces = Counter(dict(refund.lines.values_list("line_no", "quantity")))
    back = _reckon(order, sale, pieces)
    if order.member_id:
        lock_members([order.member_id])
    _write_lines(refund, back)
    waits = sale is not None and _give_back(refund, sale, back, actor=actor, now=now)
    taken = _write_return(refund, order, back, now=now)
    _goods_back(refund, order, sale, back, actor=actor, now=now)
    if sale is not None:
        _note_on_sale(sale, back, actor=actor, now=now)
        pieces_come_back(sale, _skus_back(order, sale, back), refund=refund)
    for name, value in {
        "state": State.PAYING if waits else State.DONE, "done_at": None if waits else now, "amount_fen": back.amount_fen,
        "wallet_fen": back.wallet_fen, "withheld_fen": back.withheld_fen, "points_back": back.points, "points_taken": taken,
        "is_full": back.is_full,
    }.items():  # fmt: skip
        setattr(refund, name, value)
    refund.save()
    audit.record(
        actor,
        "refund.made",
        refund,
        after={"order": order.pk, "amount_fen": back.amount_fen, "card_fen": back.wallet_fen, "points": back.points},
        reason=refund.note,
    )
    return refund


# ---------------------------------------------------------------- parts


def locked(sold: Sale | Order) -> tuple[Order, Sale | None]:
    """Take the sale and its order until the end of the transaction; an order of the feed has no sale."""
    sale_id = (
        sold.pk if isinstance(sold, Sale) else Sale.objects.filter(order=sold).values_list("pk", flat=True).first()
    )
    sale = None
    if sale_id is not None:
        sale = (
            Sale.objects.select_for_update(of=("self",), no_key=True)
            .select_related("store", "member", "coupon")
            .get(pk=sale_id)
        )
        if sale.order_id is None:
            raise returns.NotReturnable(_("这一单还没付款"))
    order_id = (sale.order_id if sale else sold.pk) or 0
    rows = Order.objects.select_for_update(of=("self",), no_key=True).select_related("store__unit", "member")
    return rows.get(pk=order_id), sale


def _reckon(order: Order, sale: Sale | None, pieces: Counter[int]) -> Back:
    try:
        back = reckon_return(order, sale, pieces)
    except NothingLeft as error:
        raise LinesExceeded(line_no=error.args[0]) from None
    if sale is not None and not back.is_full:
        gifts = set(SaleLine.objects.filter(sale=sale, is_gift=True).values_list("line_no", flat=True))
        if gifts and gifts.issuperset(pieces):
            raise GiftAlone()
    return back


def _write_lines(refund: SaleRefund, back: Back) -> None:
    RefundLine.objects.filter(refund=refund).delete()
    RefundLine.objects.bulk_create(
        RefundLine(refund=refund, line_no=line_no, quantity=quantity, amount_fen=fen)
        for line_no, quantity, fen in back.lines
    )


def _give_back(refund: SaleRefund, sale: Sale, back: Back, *, actor: Actor, now: datetime) -> bool:
    """Give money, points and coupon back the way they came. Return whether WeChat has to send its part first."""
    subject, key = subject_of(sale), f"refund:{refund.pk}"
    waits = pay_back(refund, sale, wallet_fen=back.wallet_fen, other_fen=back.other_fen, actor=actor, now=now)
    if back.points and sale.points_entry_id:
        benefits.give_back_points(
            sale.points_entry_id, points=back.points, key=key, subject=subject, now=now, actor=actor
        )
    if sale.coupon is not None:
        benefits.give_back(sale.coupon, subject=subject, key=key, full=back.is_full, now=now, actor=actor)
    return waits


def _write_return(refund: SaleRefund, order: Order, back: Back, *, now: datetime) -> int:
    """Let the order know by the way returns of the till come in; return how many points that took back."""
    lot = PointsLot.objects.filter(subject=f"order:{order.pk}").values_list("earned_points", flat=True)
    before = lot.first() or 0
    rows: list[dict[str, Any]] = [
        {
            "order": order.number, "number": f"R{refund.pk}", "returned_at": now.isoformat(), "line_no": line_no,
            "quantity": quantity, "refund_fen": fen,
        }
        for line_no, quantity, fen in back.lines
    ]  # fmt: skip
    answers = ingest_returns(rows, source=order.source, now=now)
    if wrong := next((one for one in answers if one.result == "refused"), None):
        raise LinesExceeded(wrong.detail)
    return before - (lot.first() or 0)


def _goods_back(
    refund: SaleRefund, order: Order, sale: Sale | None, back: Back, *, actor: Actor, now: datetime
) -> None:
    if moved := _skus_back(order, sale, back):
        catalogue.returned(
            refund.store,
            list(moved.items()),
            subject=f"refund:{refund.pk}",
            key=f"refund:{refund.pk}",
            now=now,
            actor=actor,
        )


def _skus_back(order: Order, sale: Sale | None, back: Back) -> Counter[int]:
    """Return how many of each size come back."""
    skus, moved = skus_of_lines(order, sale), Counter[int]()
    for line_no, quantity, _fen in back.lines:
        if line_no in skus:
            moved[skus[line_no]] += quantity
    return moved


def _note_on_sale(sale: Sale, back: Back, *, actor: Actor, now: datetime) -> None:
    for line_no, quantity, _fen in back.lines:
        SaleLine.objects.filter(sale=sale, line_no=line_no).update(returned_quantity=F("returned_quantity") + quantity)
    Sale.objects.filter(pk=sale.pk).update(refunded_fen=F("refunded_fen") + back.amount_fen)
    if back.is_full and sale.state == Sale.State.PAID:
        sale.move_to(Sale.State.REFUNDED, actor=actor, now=now, why="全退")
