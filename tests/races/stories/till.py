"""The till: two cashiers on one sale, a payment beside an end, two pieces that come back at once."""

from datetime import timedelta

from crm.orders.checkout import services
from crm.orders.checkout.models import RefundPart, Sale, SaleMoved, SaleRefund
from crm.orders.models import Order
from tests.factories import checkout as make
from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core.models import AuditEntry
from yejibao.wechatpay.models import PayOrder, PayRefund


def _sale(world: World, *, coupon: bool = False) -> Sale:
    """Return a basket of two pieces of a member."""
    member = world.member()
    chosen = make.give_coupon(member, 10000, now=NOON) if coupon else None
    sale = services.start_sale(
        channel="till", store=world.org.store, guide=world.org.guide, member=member, actor=world.guide, now=NOON
    )
    pieces = [(make.make_sku(69800).code, 1), (make.make_sku(29800).code, 1)]
    services.set_lines(sale, pieces, actor=world.guide, now=NOON)
    if chosen:
        services.choose(sale, coupon_id=chosen.pk, actor=world.guide, now=NOON)
    return Sale.objects.get(pk=sale.pk)


def _confirm(world: World, sale: Sale, way: str = "cash", key: str = "k") -> Sale:
    return services.confirm(sale, ways=[services.Pay(way)], key=key, actor=world.guide, now=NOON)


def a_piece_is_added_as_it_is_paid(world: World) -> None:
    sale, more = _sale(world), make.make_sku(10000)
    both = overtaken(
        lambda: _confirm(world, sale),
        lambda: services.add_lines(sale, [(more.code, 1)], actor=world.guide, now=NOON),
    )
    assert isinstance(both.second, SaleMoved)
    assert sum(line.paid_fen for line in sale.lines.all()) == Order.objects.get().paid_fen == 99600


def another_way_is_begun_as_the_sale_ends(world: World) -> None:
    sale = _confirm(world, _sale(world), "wechat_native")
    late = NOON + timedelta(minutes=16)
    both = overtaken(
        lambda: services.pay_rest(sale, services.Pay("wechat_native"), actor=world.guide, now=late),
        lambda: services.close_expired(now=late),
    )
    assert in_peace(both.second) == {"closed": 0}
    assert Sale.objects.get().state == "awaiting_payment"


def two_pieces_come_back_at_once(world: World) -> None:
    sale = _confirm(world, _sale(world, coupon=True))

    def back(line_no: int) -> SaleRefund:
        return services.refund_lines(sale, [(line_no, 1)], key=f"r{line_no}", actor=world.manager, now=NOON)

    both = overtaken(lambda: back(1), lambda: back(2))
    assert in_peace(both.second).is_full
    sale.refresh_from_db()
    assert (sale.state, sale.refunded_fen) == ("refunded", sale.paid_fen)


def a_refund_told_twice(world: World) -> None:
    sale = _confirm(world, _sale(world), "wechat_native")
    waiting = sale.payments.get()
    PayOrder.objects.filter(pk=waiting.pay_order_id).update(state="paid", transaction_id="4200", paid_at=NOON)
    services.settle_payment(sale, pay_order_id=waiting.pay_order_id or 0, transaction_id="4200", now=NOON)
    services.refund_lines(sale, [(1, 1)], key="r", actor=world.manager, now=NOON)
    asked = PayRefund.objects.get().pk
    both = overtaken(lambda: services.settle_refund(asked, now=NOON), lambda: services.settle_refund(asked, now=NOON))
    in_peace(both.second)
    assert RefundPart.objects.get().done_at == NOON
    assert AuditEntry.objects.filter(action="refund.settled").count() == 1
