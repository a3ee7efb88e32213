"""What may not come back whatever the day: aftersale.yaml `not_returnable`. A fault of quality opens all but what was paid for.

Rooms that know more of a piece say it here: `@bar` on a function from an order and its lines to {line number: why not}.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import StyleColor
from crm.orders.models import Order, OrderLine

from .models import RefundLine, Sale, SaleRefund
from .returns import NotReturnable

Bar = Callable[[Order, Sequence[OrderLine]], Mapping[int, str]]
SEALED = "袜内衣"  # of the catalogue's middle classes: not once it is opened
_bars: list[tuple[Bar, bool]] = []


class Opened(NotReturnable):
    """A piece that only comes back sealed; whoever looks at it says that it is."""

    code, title = "order.opened", _("袜子内衣拆封后不退不换，没拆封请勾选「未拆封」")


def bar(*, even_faulty: bool = False) -> Callable[[Bar], Bar]:
    """Register what a room knows that keeps a piece from coming back; `even_faulty`: also one with a fault."""

    def register(function: Bar) -> Bar:
        if (function, even_faulty) not in _bars:
            _bars.append((function, even_faulty))
        return function

    return register


def why_not(
    order: Order, line_nos: Collection[int], *, is_faulty: bool = False, sealed: Collection[int] = ()
) -> dict[int, str]:
    """Return for each of these lines why it may not come back; what may is not named. `sealed`: looked at, unopened."""
    lines = list(OrderLine.objects.filter(order=order, line_no__in=line_nos).order_by("line_no"))
    found: dict[int, str] = {}
    for check, even_faulty in _bars:
        if even_faulty or not is_faulty:
            found |= {number: words for number, words in check(order, lines).items() if number not in found}
    if not is_faulty:
        found |= {number: "" for number in sealed_lines(order, lines) if number not in sealed and number not in found}
    return found


def sealed_lines(order: Order, lines: Sequence[OrderLine] | None = None) -> list[int]:
    """Return which lines of an order only come back unopened."""
    rows = list(OrderLine.objects.filter(order=order)) if lines is None else lines
    codes = {line.sku_code for line in rows if line.sku_code}
    kinds = set(StyleColor.objects.filter(sku_code__in=codes, category_l2=SEALED).values_list("sku_code", flat=True))
    return [line.line_no for line in rows if line.sku_code in kinds]


def must_be_returnable(
    order: Order, line_nos: Collection[int], *, is_faulty: bool, sealed: Collection[int] = ()
) -> None:
    """Raise NotReturnable for the first piece that may not come back, Opened for one that nobody has looked at."""
    for words in why_not(order, line_nos, is_faulty=is_faulty, sealed=frozenset(sealed)).values():
        raise NotReturnable(words) if words else Opened()


@bar()
def _made_to_measure(order: Order, lines: Sequence[OrderLine]) -> Mapping[int, str]:
    return {line.line_no: "量身定制的商品不退不换" for line in lines if line.is_made_to_measure}


@bar()
def _sold_as_final(order: Order, lines: Sequence[OrderLine]) -> Mapping[int, str]:
    kept = Sale.objects.filter(order=order).values_list("terms", flat=True).first() or {}
    final = set(kept.get("final", ()))
    return {line.line_no: "特价时注明不退不换" for line in lines if line.line_no in final}


@bar(even_faulty=True)
def _made_good(order: Order, lines: Sequence[OrderLine]) -> Mapping[int, str]:
    paid = RefundLine.objects.filter(refund__order=order, refund__reason=SaleRefund.Reason.COMPENSATION)
    numbers = set(paid.exclude(refund__state=SaleRefund.State.REFUSED).values_list("line_no", flat=True))
    return {line.line_no: "这一件已经赔付过" for line in lines if line.line_no in numbers}
