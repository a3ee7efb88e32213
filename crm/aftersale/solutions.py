"""怎么解决: the ways out of a ticket as one offers them to the member, each with what stands behind it and the words for it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from crm.catalogue.models import Sku
from crm.catalogue.queries import available, in_warehouses
from yejibao.core.money import yuan

from .models import Ticket

BROUGHT_IN = ("quality", "repair", "alteration")


@dataclass(frozen=True)
class Solution:
    """One way out; `text` is what goes to him."""

    key: str
    name: str
    note: str
    text: str
    is_best: bool = False


def solutions_of(ticket: Ticket, remedies: Collection[str], *, care_days: int, now: datetime) -> list[Solution]:
    """Return the ways out of a ticket, the one he asked for or the quickest first. Three statements where goods may change."""
    line, store = ticket.line, ticket.store.short_name or ticket.store.name
    found = []
    if line is not None and ticket.kind in BROUGHT_IN and "repair" in remedies:
        piece = line.item_name
        found += [
            Solution(
                "mend", "到店当面弄", f"{store}，多半当天好", f"您方便的时候把{piece}带到{store}，我当面给您弄好。"
            ),
            Solution(
                "post",
                "上门取件寄修",
                "顺丰来取，5–7 天寄回",
                f"我给您约顺丰上门取{piece}，弄好 5 到 7 天寄回给您，运费我们出。",
            ),
        ]
    if line is not None and ticket.kind == "care":
        kind = ticket.wish.get("care_kind", "")
        text = f"您把{line.item_name}带到{store}，{kind}{care_days} 天就好，好了我告诉您来取。"
        found.append(Solution("care", f"收下做{kind}", f"答应 {care_days} 天", text))
    if line is not None and "exchange" in remedies:
        size = ticket.wish.get("target_size") or line.size
        here, away = _lies(line.sku_code, size, ticket.store_id, now)
        note = (
            f"{store} {size} 还有 {here} 件"
            if here
            else f"店里没有 {size}，仓库调来 3 天"
            if away
            else f"{size} 现在哪里都没有"
        )
        found.append(
            Solution(
                "exchange",
                f"换一件 {size}",
                note,
                f"给您换一件 {size} 的，{'店里有，随时来换' if here else '三天内调到店里，到了告诉您'}。",
            )
        )
    if line is not None and "return" in remedies:
        back = yuan(line.paid_fen)
        found.append(
            Solution(
                "return",
                "退货退款",
                f"原路退 {back}，收到衣服就退",
                f"给您退，{back} 原路回到您账上，衣服带到店里或者约顺丰来取都行。",
            )
        )
    wanted = {"return": "return", "exchange_size": "exchange", "exchange_item": "exchange"}.get(ticket.kind)
    return [
        Solution(one.key, one.name, one.note, f"{ticket.member.called}，{one.text}您看这样可以吗？", is_best=place == 0)
        for place, one in enumerate(sorted(found, key=lambda one: one.key != wanted))
    ]


def _lies(sku_code: str, size: str, store_id: int, now: datetime) -> tuple[int, int]:
    skus = list(Sku.objects.filter(style__sku_code=sku_code, size=size).values_list("pk", flat=True)[:1])
    if not skus:
        return 0, 0
    here = available(skus, [store_id], now=now).get((store_id, skus[0]), 0)
    return here, 0 if here else in_warehouses(skus, now=now).get(skus[0], 0)
