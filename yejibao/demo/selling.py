"""A morning at the till: three promotions that hold, some sales, a piece that came back, a basket that is not paid yet."""

import random
from datetime import datetime, timedelta

from crm.catalogue.models import Sku
from crm.catalogue.stock_models import StockLevel
from crm.members.models import Member
from crm.orders.checkout import services
from crm.orders.checkout.models import Promotion, Sale
from guides.org.actors import actor_for
from guides.org.models import Staff, Store
from yejibao.core import clock
from yejibao.core.scope import Actor

SEED = 82
WAYS = ("cash", "card", "cash", "card")


def build(*, now: datetime) -> None:
    """Let the first two stores have sold something since they opened."""
    dice = random.Random(SEED)
    _promotions(now)
    opened = clock.local_moment(clock.local_day(now), datetime.min.time().replace(hour=9, minute=35))
    for store in Store.objects.filter(closed_on=None).select_related("unit").order_by("code")[:2]:
        people = list(Staff.objects.employed().filter(store=store, role_assignments__role="guide").order_by("pk")[:3])
        skus = _in_stock(store)
        if not people or len(skus) < 6:
            continue
        for place, way in enumerate(WAYS):
            at = (
                opened + (now - opened) * (place + 1) / (len(WAYS) + 2)
                if now > opened
                else now - timedelta(minutes=40 - 8 * place)
            )
            with clock.travelled(at):
                sale = _basket(store, people[place % len(people)], dice.sample(skus, 1 + place % 3), place, at)
                services.confirm(sale, ways=[services.Pay(way)], key=f"demo:{sale.pk}", actor=_as(sale.guide), now=at)
            if place == 2:
                with clock.travelled(at + timedelta(minutes=1)):
                    services.refund_lines(
                        sale,
                        [(1, 1)],
                        key=f"demo:{sale.pk}",
                        actor=Actor.system("demo"),
                        now=clock.now(),
                        note="尺码小了",
                    )
        _basket(store, people[0], skus[:2], 1, now)


def _promotions(now: datetime) -> None:
    since, until = now - timedelta(days=10), now + timedelta(days=30)
    facts = {"starts_at": since, "ends_at": until, "made_at": since}
    Promotion.objects.create(name="冬装满减", kind="order", steps=[[200000, 20000], [400000, 50000]], **facts)
    Promotion.objects.create(
        name="会员日衬衫", kind="item", categories=["衬衫"], percent=15, members_only=True, **facts
    )
    gift = (
        Sku.objects.filter(style__category_l2="袜子").order_by("pk").first()
        or Sku.objects.order_by("style__price_fen", "pk").first()
    )
    if gift is not None:
        Promotion.objects.create(name="满 3000 送礼", kind="gift", gift_sku=gift, threshold_fen=300000, **facts)


def _in_stock(store: Store) -> list[Sku]:
    levels = (
        StockLevel.objects.filter(store=store, quantity__gt=1)
        .order_by("style_id", "size")
        .values_list("style_id", "size")[:60]
    )
    known = {
        (sku.style_id, sku.size): sku for sku in Sku.objects.filter(style_id__in={style for style, _size in levels})
    }
    return [known[level] for level in levels if level in known] or list(Sku.objects.order_by("pk")[:60])


def _basket(store: Store, guide: Staff, skus: list[Sku], place: int, at: datetime) -> Sale:
    members = Member.objects.filter(owner_guide=guide, status="active", is_employee=False, is_test=False).order_by("pk")
    member = members[place * 3 : place * 3 + 1].first() if place % 2 else None
    sale = services.start_sale(channel="till", store=store, guide=guide, member=member, actor=_as(guide), now=at)
    services.set_lines(sale, [(sku.code, 1) for sku in skus], actor=_as(guide), now=at)
    return Sale.objects.select_related("guide").get(pk=sale.pk)


def _as(guide: Staff | None) -> Actor:
    assert guide is not None
    return actor_for(guide)
