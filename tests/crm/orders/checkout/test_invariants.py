"""What the database itself refuses of a sale: each of these is the only thing that stands between the row and the lie."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from crm.orders.checkout import services
from crm.orders.checkout.models import RefundLine, RefundPart, Sale, SaleLine, SalePayment, SaleRefund
from yejibao.core import clock

from .conftest import Shop

Lie = Callable[[Sale, SaleRefund], Any]


def of(sale: Sale) -> Any:
    return Sale.objects.filter(pk=sale.pk)


def copy(row: Any, **changes: Any) -> Any:
    """Store a row once more."""
    row.pk = None
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(force_insert=True)


LIES: dict[str, Lie] = {
    "sale_amounts_not_negative": lambda sale, _: of(sale).update(tag_fen=F("tag_fen") - 5, coupon_fen=-5),
    "sale_parts_make_the_whole": lambda sale, _: of(sale).update(coupon_fen=1),
    "sale_card_pays_no_more": lambda sale, _: of(sale).update(principal_fen=F("paid_fen") + 1),
    "sale_refunds_within_paid": lambda sale, _: of(sale).update(refunded_fen=F("paid_fen") + 1),
    "sale_paid_has_its_order": lambda sale, _: of(sale).update(order=None),
    "sale_closed_at_a_moment": lambda sale, _: of(sale).update(state="closed", order=None, paid_at=None),
    "sale_line_no": lambda sale, _: copy(sale.lines.first()),
    "sale_line_quantity": lambda sale, _: sale.lines.update(returned_quantity=F("quantity") + 1),
    "sale_line_no_negative_share": lambda sale, _: sale.lines.update(tag_fen=F("tag_fen") - 5, points_fen=-5),
    "sale_line_shares_make_the_whole": lambda sale, _: sale.lines.update(points_fen=1),
    "sale_line_card_pays_no_more": lambda sale, _: sale.lines.update(gift_fen=F("paid_fen") + 1),
    "sale_payment_amount": lambda sale, _: sale.payments.filter(way="cash").update(amount_fen=0, refunded_fen=0),
    "sale_payment_refunds_within": lambda sale, _: sale.payments.update(refunded_fen=F("amount_fen") + 1),
    "sale_payment_settled_at": lambda sale, _: sale.payments.update(settled_at=None),
    "sale_one_wallet_payment": lambda sale, _: copy(sale.payments.get(way="wallet")),
    "sale_one_wechat_payment": lambda sale, _: [
        SalePayment.objects.create(sale=sale, way="wechat_native", amount_fen=1) for _one in range(2)
    ],
    "sale_payment_of_pay_order": lambda sale, _: [
        SalePayment.objects.create(sale=sale, way=way, amount_fen=1, pay_order_id=7) for way in ("wechat_code", "card")
    ],
    "sale_refund_amounts": lambda _, refund: SaleRefund.objects.filter(pk=refund.pk).update(
        wallet_fen=F("amount_fen") + 1
    ),
    "sale_refund_done_at_a_moment": lambda _, refund: SaleRefund.objects.filter(pk=refund.pk).update(done_at=None),
    "sale_refund_given_up": lambda _, refund: SaleRefund.objects.filter(pk=refund.pk).update(
        given_up_fen=F("amount_fen") + 1
    ),
    "sale_refund_line": lambda _, refund: copy(refund.lines.first()),
    "sale_refund_line_amounts": lambda _, refund: RefundLine.objects.filter(refund=refund).update(amount_fen=-1),
    "sale_refund_part": lambda _, refund: copy(refund.parts.first()),
    "sale_refund_part_amount": lambda _, refund: RefundPart.objects.filter(refund=refund).update(amount_fen=0),
}


def test_the_database_refuses_every_lie(shop: Shop) -> None:
    sale = shop.paid(use_wallet=20000)
    refund = services.refund_lines(sale, [(2, 1)], key="r1", actor=shop.manager, now=clock.now())
    for name, lie in LIES.items():
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            lie(Sale.objects.get(pk=sale.pk), refund)
        assert name in str(refused.value), name


def test_every_constraint_of_the_tables_is_tried() -> None:
    kept = {
        one.name
        for model in (Sale, SaleLine, SalePayment, SaleRefund, RefundLine, RefundPart)
        for one in model._meta.constraints
    }
    assert kept == set(LIES)
