"""The form of a request, one for the member's phone and the guide's: which piece, what is wrong, what he wishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import QueryDict

from crm.benefits.queries import free_care_of
from crm.catalogue.models import Sku
from crm.catalogue.queries import available, in_warehouses
from crm.catalogue.sizes import place_of
from crm.members.models import Member
from crm.orders.models import Order, OrderLine
from yejibao.core import desk
from yejibao.core.clock import local_day

from . import queries
from .rights import Rights, kept_of, rights_of
from .rules import rules

# 哪里不对, and what one mostly wishes then.
TROUBLES = (
    ("拉链、扣子", "quality"), ("开线、破洞", "quality"), ("掉色", "quality"),
    ("起球", "care"), ("脏了、皱了", "care"), ("长短肥瘦", "alteration"),
    ("尺码不合", "exchange_size"), ("不喜欢", "return"), ("其他", "consult"),
)  # fmt: skip
REASONS = tuple(name for name, _kind in TROUBLES)
NO_PIECE = ("logistics", "points_coupon", "stored_value", "complaint", "consult")
FIELDS = (
    "kind", "line", "topic", "description", "reason", "target_size", "target_sku", "works", "measures", "care_kind", "about_guide",
    "channel", "nature", "wants_manager",
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    """One thing he may wish for a piece; `note` says what it means for this one. Over: it cannot be chosen any more."""

    kind: str
    name: str
    note: str
    is_open: bool = True


def form_facts(member: Member, *, line: str | None, kind: str, now: datetime) -> dict[str, Any]:
    """Return what the form shows: his pieces, the chosen one (his newest where none is, none for 0) with what it may still have."""
    orders = queries.orders_of(member)
    pieces = [(order, one) for order in orders for one in order.lines.all() if one.returned_quantity < one.quantity]
    wanted = desk.chosen(line)
    chosen = next((piece for piece in pieces if piece[1].pk == wanted), None) or _older(member, wanted or None)
    if chosen is None and line in (None, "") and kind not in NO_PIECE:
        chosen = pieces[0] if pieces else None
    facts: dict[str, Any] = {
        "book": rules(), "troubles": TROUBLES, "pieces": pieces, "kind": kind, "chosen": None,
        "others": [(key, rules().names[key]) for key in NO_PIECE],
    }  # fmt: skip
    if chosen is None:
        return facts
    order, piece = chosen
    rights = rights_of(order, now=now, kept=kept_of(order, piece))
    return facts | {
        "chosen": piece, "order": order, "rights": rights, "ways": ways_of(member, rights, now=now),
        "sizes": sizes_of(piece, store_id=order.store_id, now=now),
    }  # fmt: skip


def _older(member: Member, number: int | None) -> tuple[Order, OrderLine] | None:
    """Return a piece he has that stands further back than the list goes."""
    line = queries.line_of(member, number)
    is_his = line is not None and line.replaced_by_id is None and line.returned_quantity < line.quantity
    return (line.order, line) if line is not None and is_his and line.order.status == Order.Status.PAID else None


def ways_of(member: Member, rights: Rights, *, now: datetime) -> list[Way]:
    """Return what he may wish for a piece, in the order in which it is wished for. One statement."""
    care = free_care_of(member, today=local_day(now))
    free = f"，干洗这些今年还有 {care.left} 次免费" if care.left else ""

    def comes_back(days: int | None, note: str) -> str:
        return f"{rights.kept}；不合身可以改，有质量问题选上面那一项" if rights.kept else _within(days, note)

    if rights.faulty is not None:
        faulty = Way("quality", "有质量问题", "30 天内修、换、退，您说了算")
    elif rights.free_repair is not None:
        faulty = Way("quality", "有质量问题", f"免费修或者换，还有 {rights.free_repair} 天")
    else:
        faulty = Way("repair", "修一修", "看过再报价，您点头才修")
    return [
        faulty,
        Way("exchange_size", "换尺码", comes_back(rights.exchange, "同款换码，不用补钱"), rights.exchange is not None),
        Way("exchange_item", "换别的款", comes_back(rights.exchange, "多退少补"), rights.exchange is not None),
        Way("return", "退货", comes_back(rights.send_back, "原路退回，积分和券一起算"), rights.send_back is not None),
        Way(
            "alteration",
            "改一改",
            "裤长、袖长 30 天内免费一次" if rights.free_alteration is not None else "按门店价目表，先报价",
        ),
        Way("care", "清洗保养", f"熨烫、去球免费{free}"),
    ]


def sizes_of(line: OrderLine, *, store_id: int, now: datetime) -> list[tuple[str, int, int]]:
    """Return the other sizes of a piece, each with how many the store has free now, and warehouses. Three statements."""
    skus = {sku.size: sku.pk for sku in Sku.objects.filter(style__sku_code=line.sku_code).exclude(size=line.size)}
    free = available(skus.values(), [store_id], now=now)
    away = in_warehouses(skus.values(), now=now)
    return [(size, free.get((store_id, skus[size]), 0), away.get(skus[size], 0)) for size in sorted(skus, key=place_of)]


def read_form(member: Member, given: QueryDict) -> dict[str, Any]:
    """Return the arguments of `services.ask` from a form; a line that is not his is none."""
    wish: dict[str, Any] = {
        name: value
        for name in ("reason", "target_size", "target_sku", "measures", "care_kind")
        if (value := given.get(name, "").strip()[:120])
    }
    if works := [one for one in given.getlist("works") if one in rules().works]:
        wish["works"] = works
    return {
        "kind": given.get("kind", ""), "line": queries.line_of(member, desk.chosen(given.get("line")) or None),
        "topic": given.get("topic", ""), "description": given.get("description", "").strip()[:1000], "wish": wish,
        "is_about_guide": given.get("about_guide") == "1", "wants_manager": given.get("wants_manager") == "1",
        "nature": nature if (nature := given.get("nature", "")) in rules().natures else "",
    }  # fmt: skip


def content_of(given: QueryDict) -> dict[str, Sequence[str]]:
    """Return what makes two forms the same for the idempotency key."""
    return {name: given.getlist(name) for name in given if name in FIELDS}


def _within(days: int | None, note: str) -> str:
    if days is None:
        return "过了 7 天，换不了退不了"
    return f"{note}，还有 {days} 天" if days else f"{note}，今天最后一天"
