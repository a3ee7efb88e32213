"""What a purchase still has a right to, in days: read by the member before he asks, and by the guide before she answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from crm.orders.checkout import returns
from crm.orders.checkout.bars import why_not
from crm.orders.models import Order, OrderLine
from yejibao.core.clock import local_day

from .rules import FREE_WORK_DAYS, rules


@dataclass(frozen=True)
class Rights:
    """Days left, today's included as 0; None: it is over. What is on its way to him has them all."""

    send_back: int | None  # 退货
    exchange: int | None
    faulty: int | None  # 质量问题: return, exchange or repair as he chooses
    free_repair: int | None
    free_alteration: int | None
    is_on_its_way: bool = False
    kept: str = ""  # why it neither comes back nor is exchanged, whatever the day: made to measure, sold as final

    @property
    def tags(self) -> list[tuple[str, str]]:
        """Return what to say of them, each with its tone."""
        if self.is_on_its_way and not self.kept:
            return [("blue", "签收后 7 天内可退换")]
        found = []
        if self.free_repair is not None:
            found.append(("green", f"{rules().quality_extended_days} 天免费修，{_left(self.free_repair)}"))
        if self.kept:
            found.append(("", self.kept))
        elif self.send_back is not None:
            found.append(("", f"可退换，{_left(self.send_back)}"))
        return found or [("", "过了退换和免费修的日子")]


def kept_of(order: Order, line: OrderLine) -> str:
    """Return why a piece stays his whatever the day, as the till would refuse it; "" for what may come back. Four statements."""
    return why_not(order, [line.line_no]).get(line.line_no, "")


def rights_of(order: Order, *, now: datetime, kept: str = "") -> Rights:
    """Return what the pieces of an order still have a right to; of a piece that is `kept`, all but the way back."""
    book = rules()
    spans = (book.return_days, book.exchange_days, book.quality_days, book.quality_extended_days, FREE_WORK_DAYS)
    if returns.ends_at(order) is None:
        back, swap = (None if kept else days for days in spans[:2])
        return Rights(back, swap, spans[2], spans[3], spans[4], is_on_its_way=True, kept=kept)

    def left(days: int) -> int | None:
        end = returns.ends_at(order, days=days)
        return None if end is None or now >= end else (local_day(end - timedelta(microseconds=1)) - local_day(now)).days

    send_back, exchange, faulty, repair, alteration = map(left, spans)
    if kept:
        send_back = exchange = None
    return Rights(send_back, exchange, faulty, repair, alteration, kept=kept)


def _left(days: int) -> str:
    return f"还有 {days} 天" if days else "今天最后一天"
