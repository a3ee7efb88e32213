"""Goods of the demo: what each store and two warehouses have in all sizes, prices of this week, promises, codes of single pieces."""

from datetime import datetime, time, timedelta

from django.db import connection

from crm.catalogue import services
from crm.catalogue.computing import compute_tags
from crm.catalogue.item_models import ItemCode
from crm.catalogue.loading import load_product_tags
from crm.catalogue.models import ProductTag, Sku, StyleColor
from crm.catalogue.stock_models import StockLevel, Warehouse
from crm.members.models import Member
from guides.org.actors import actor_for
from guides.org.models import Staff, Store
from yejibao.core import clock

SUIT, SIZE = "25FXF101-NV", "180/96A"  # what the newcomer's first customer asks for: not in her store, but near by
WAREHOUSES = (("WH01", "华东总仓", "苏州"), ("WH02", "华南总仓", "广州"))
# Middle sizes are stocked and sold the most; about every third size of a style is missing somewhere.
_STOCK = """
INSERT INTO crm_stocklevel (store_id, warehouse_id, style_id, size, quantity, in_transit, as_of, source)
SELECT p.store_id, p.warehouse_id, sku.style_id, sku.size,
    CASE WHEN p.warehouse_id IS NOT NULL THEN 4 + n.roll %% 60 WHEN n.roll %% 100 < 34 THEN 0 ELSE 1 + n.roll %% 4 END,
    CASE WHEN p.store_id IS NOT NULL AND n.roll %% 11 = 0 THEN 1 + n.roll %% 2 ELSE 0 END, %(as_of)s, 'drp'
FROM (
    SELECT id AS store_id, NULL::bigint AS warehouse_id FROM guides_store
    UNION ALL SELECT NULL, id FROM crm_warehouse
) p CROSS JOIN crm_sku sku
    CROSS JOIN LATERAL (
        SELECT abs(hashtext(sku.code || '/' || coalesce(p.store_id, 0) || '/' || coalesce(p.warehouse_id, 0))) AS roll
    ) n
ON CONFLICT (style_id, size, store_id, warehouse_id) DO NOTHING
"""
STORIES = {
    "25FXF101": ("坐一天高铁，后背不留褶；出差一套就够。", "面料里加了 2% 氨纶，抬手不绷。2019 年第一次做，改过四次版，肩线前移了半公分，开车的人都说舒服。"),
    "25WXF103": ("婚礼、年会、签约，一眼就是主角。", "戗驳领用桑蚕丝包边，灯下有一点点光。领子手工归拔，一件要一个半小时。"),
    "26SXF104": ("机洗不变形，周一穿到周五。", "给不喜欢跑干洗店的人做的。免烫工艺在成衣后做，裤线三十次水洗还在。"),
}  # fmt: skip
# category_l2, off in percent, name, where
REDUCED = (("羊毛大衣", 20, "暖冬特惠", ""), ("商务衬衫", 15, "衬衫节", ""), ("羊绒衫", 25, "会员周", "self_operated"))
CRAFTS = {"商务衬衫": ["免烫"], "套西": ["半麻衬", "手工锁眼"], "羊毛大衣": ["手工锁眼"], "牛仔裤": ["水洗"]}


def build(*, now: datetime) -> None:
    """Build it up to now. What the stock system said this morning is what the shelves begin the day with."""
    load_product_tags()
    for code, name, city in WAREHOUSES:
        Warehouse.objects.get_or_create(code=code, defaults={"name": name, "city": city})
    this_morning = min(clock.local_moment(clock.local_day(now), time(6, 30)), now - timedelta(minutes=20))
    with connection.cursor() as cursor:
        cursor.execute(_STOCK, {"as_of": this_morning})
    people = {one.wecom_user_id: one for one in Staff.objects.employed().select_related("store")}
    merch, guide = people.get("doule"), people.get("linxiaowen")
    _tell(merch, now)
    if guide and guide.store:
        _size_that_is_missing(guide.store)
        _promises(guide, people, now)
        _pieces(guide, now)
    compute_tags(now=now)


def _size_that_is_missing(store: Store) -> None:
    levels = StockLevel.objects.filter(style__sku_code=SUIT, size=SIZE)
    levels.filter(store=store).update(quantity=0, in_transit=1)
    levels.filter(store__isnull=False).exclude(store=store).filter(quantity=0).update(quantity=2)


def _tell(merch: Staff | None, now: datetime) -> None:
    """Stories, tags and this week's prices, as 商品部 would put them in."""
    if merch is None:
        return
    actor, began = actor_for(merch), now - timedelta(days=4)
    for style in StyleColor.objects.filter(style_no__in=STORIES):
        points, story = STORIES[style.style_no]
        services.edit_style(style, story=story, selling_points=points, actor=actor)
    craft = ProductTag.objects.get(key="craft")
    for style in StyleColor.objects.filter(category_l2__in=CRAFTS):
        services.set_tag(style, craft, CRAFTS[style.category_l2], actor=actor, now=began)
    for category, percent, name, where in REDUCED:
        for style in StyleColor.objects.filter(category_l2=category).order_by("pk")[:4]:
            services.set_price(
                style, kind="promotion", price_fen=style.price_fen * (100 - percent) // 1000 * 10, starts_at=began,
                ends_at=clock.local_moment(clock.local_day(now) + timedelta(days=10), time(0)), store_kind=where, name=name,
                actor=actor, now=began,
            )  # fmt: skip
    later = StyleColor.objects.filter(sku_code="25FXF102-BK").first()
    if later is not None:  # a new tag price that begins next month
        services.set_price(
            later, kind="tag", price_fen=later.price_fen + 20_000, starts_at=now + timedelta(days=30), actor=actor, now=now
        )  # fmt: skip


def _promises(guide: Staff, people: dict[str, Staff], now: datetime) -> None:
    """Two pieces kept, one asked of the guide's store and one it asked for."""
    store, actor = guide.store, actor_for(guide)
    assert store is not None
    mine = list(Member.objects.filter(owner_guide=guide).order_by("pk")[:3])
    shelf = StockLevel.objects.filter(store=store, quantity__gte=3).select_related("style").order_by("pk")
    for nth, (member, level) in enumerate(zip(mine, shelf[40:43], strict=False)):
        sku = Sku.objects.get(style=level.style, size=level.size)
        services.reserve(
            sku, store, 1, member=member, key=f"demo:kept:{nth}", actor=actor, now=now - timedelta(hours=1)
        )
    neighbour = next((one for one in people.values() if one.store and one.store_id != guide.store_id), None)
    last = shelf.exclude(style__sku_code=SUIT).last()
    if neighbour and neighbour.store and last:
        services.ask_transfer(
            Sku.objects.get(style=last.style, size=last.size), source=store, to_store=neighbour.store,
            note="顾客下午来取，急", key="demo:asked", actor=actor_for(neighbour), now=now - timedelta(minutes=35),
        )  # fmt: skip


def _pieces(guide: Staff, now: datetime) -> None:
    """Codes of six suits: one sold and registered, one sold and not yet, four on the shelf."""
    merch = Staff.objects.employed().filter(wecom_user_id="doule").first()
    sku = Sku.objects.filter(style__sku_code=SUIT, size="175/92A").first()
    if merch is None or sku is None or guide.store is None:
        return
    then = now - timedelta(days=2)
    batch = services.make_codes(sku, 6, note="新街口店首批吊牌", key="demo:codes", actor=actor_for(merch), now=then)
    codes = list(ItemCode.objects.filter(batch=batch).order_by("pk").values_list("code", flat=True))
    for nth, member in enumerate(Member.objects.filter(owner_guide=guide).order_by("pk")[:2]):
        services.sold(
            guide.store, [(sku, 1)], subject=f"demo:{nth}", key=f"demo:piece:{nth}", now=then, actor=actor_for(guide),
            member=member, item_codes=[codes[nth]],
        )  # fmt: skip
        if nth == 0:
            services.register_piece(codes[nth], member, actor=actor_for(guide), now=then + timedelta(hours=5))
