"""Random baskets through the database: the till's order is the feed's to the fen, and all of it comes back each way exactly."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.benefits import services as benefits
from crm.benefits.models import PointsLot
from crm.members.models import Member
from crm.orders.checkout import services
from crm.orders.checkout.models import Sale
from crm.orders.models import Order
from crm.orders.services import ingest_orders
from crm.wallet import services as wallet
from tests.factories import checkout as make
from tests.factories.crm import make_member
from yejibao.core import clock

from .conftest import Shop

FEW = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
prices = st.lists(st.tuples(st.integers(100, 200_000), st.integers(1, 3)), min_size=1, max_size=4)


@FEW
@given(prices, st.integers(0, 15_000), st.booleans(), st.integers(0, 20_000), st.randoms(use_true_random=False))
def test_any_basket_is_the_feeds_order_and_comes_back_whole(
    shop: Shop, pieces: list[tuple[int, int]], coupon_fen: int, wants_points: bool, card_fen: int, dice: object
) -> None:
    member, twin = make_member(owner=shop.org.guide), make_member(owner=shop.org.guide)
    make.give_points(member, 10_000)
    make.give_card(member, 15_000, 1_234)
    coupon = make.give_coupon(member, coupon_fen) if coupon_fen else None
    sale = services.start_sale(
        channel="till", store=shop.org.store, guide=shop.org.guide, member=None, actor=shop.guide, now=clock.now()
    )
    services.set_member(sale, member, actor=shop.guide, now=clock.now(), has_shown_code=True)
    skus = [(make.make_sku(price), quantity) for price, quantity in pieces]
    services.set_lines(sale, [(sku.code, quantity) for sku, quantity in skus], actor=shop.guide, now=clock.now())
    services.choose(sale, coupon_id=coupon.pk if coupon else None, actor=shop.guide, now=clock.now())
    fresh = Sale.objects.get(pk=sale.pk)
    points = services.quote(fresh, now=clock.now()).points_most if wants_points else 0
    services.choose(sale, points=points, use_wallet=min(card_fen, 16_234), actor=shop.guide, now=clock.now())
    paid = services.confirm(sale, ways=[services.Pay("cash")], key=f"k{sale.pk}", actor=shop.guide, now=clock.now())

    row = services.order_row(Sale.objects.get(pk=sale.pk), now=clock.now())
    row |= {"number": f"P{sale.pk}", "member": {"member_no": twin.member_no}}
    (answer,) = ingest_orders([row], source="pos", now=clock.now())
    ours, theirs = Order.objects.get(pk=paid.order_id), Order.objects.get(pk=answer.order_id)
    assert ours.paid_fen == theirs.paid_fen == sum(line.paid_fen for line in paid.lines.all())
    assert list(ours.lines.order_by("line_no").values_list("sku_code", "size", "quantity", "paid_fen")) == list(
        theirs.lines.order_by("line_no").values_list("sku_code", "size", "quantity", "paid_fen")
    )
    lots = PointsLot.objects.filter(subject__in=[f"order:{ours.pk}", f"order:{theirs.pk}"]).values_list(
        "earned_points", "usable_from"
    )
    assert len(set(lots)) <= 1
    assert (
        len(set(Member.objects.filter(pk__in=[member.pk, twin.pk]).values_list("member_level", "spend_180_fen"))) == 1
    )

    left = [line.line_no for line in paid.lines.all() for _piece in range(line.quantity)]
    dice.shuffle(left)  # type: ignore[attr-defined]
    number = 0
    while left:
        some, left, number = left[:2], left[2:], number + 1
        wanted = [(line_no, some.count(line_no)) for line_no in dict.fromkeys(some)]
        services.refund_lines(paid, wanted, key=f"r{sale.pk}-{number}", actor=make.SYSTEM, now=clock.now())
    paid.refresh_from_db()
    assert (paid.state, paid.refunded_fen) == ("refunded", paid.paid_fen)
    assert all(one.refunded_fen == one.amount_fen for one in paid.payments.all())
    balance, own = wallet.balance_of(member), benefits.points_of(member, now=clock.now())
    assert (balance.principal_fen, balance.gift_fen, own.usable, own.frozen, own.debt) == (15_000, 1_234, 10_000, 0, 0)
    if coupon:
        coupon.refresh_from_db()
        assert coupon.state == "usable"
    assert Order.objects.get(pk=ours.pk).status == "returned"
    assert wallet.trial_balance().difference_fen == 0
