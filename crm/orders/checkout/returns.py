"""Until when, where and what may come back: aftersale.yaml `return_rules`. Reads nothing; the caller brings the rows."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.utils.translation import gettext_lazy as _

from crm.orders.models import Order
from guides.org.models import Store
from yejibao.core.clock import local_day, local_moment
from yejibao.core.errors import Conflict

WINDOW_DAYS = 7
QUALITY_DAYS = 30
QUALITY_EXTENDED_DAYS = 90  # of a fault: exchanged or mended
STORE_ENDS = time(22, 0)


class TooLate(Conflict):
    code, title = "order.return_too_late", _("过了退货时间")


class NotHere(Conflict):
    code, title = "order.return_elsewhere", _("这一单不能在这家店退")


class NotReturnable(Conflict):
    code, title = "order.not_returnable", _("这一单不能退")


def ends_at(order: Order, *, days: int = WINDOW_DAYS) -> datetime | None:
    """Return the first instant at which it is too late; None while a parcel is on its way.

    Bought in a store: that day is day 0, the last is day 7 until 22:00. Delivered: the day it was signed for is day 0, and
    the last ends at midnight.
    """
    if order.is_delivery:
        if order.received_at is None:
            return None
        return local_moment(local_day(order.received_at) + timedelta(days=days + 1), time())
    return local_moment(order.paid_on + timedelta(days=days), STORE_ENDS)


def must_be_in_time(order: Order, *, is_faulty: bool, now: datetime) -> None:
    """Raise TooLate; a fault of quality has thirty days, and beyond them is repaired or exchanged."""
    end = ends_at(order, days=QUALITY_DAYS if is_faulty else WINDOW_DAYS)
    if end is None or now < end:
        return
    last = local_day(end - timedelta(microseconds=1))
    said = (
        _("质量问题 30 天内可退，这一单到 %(day)s；之后可以换或修") if is_faulty else _("7 天内可退，这一单到 %(day)s")
    )
    raise TooLate(said % {"day": f"{last.month} 月 {last.day} 日"})


def must_be_exchanged_in_time(order: Order, *, is_faulty: bool, now: datetime) -> None:
    """Raise TooLate: as long as goods come back, and a fault of quality for ninety days."""
    end = ends_at(order, days=QUALITY_EXTENDED_DAYS if is_faulty else WINDOW_DAYS)
    if end is not None and now >= end:
        last = local_day(end - timedelta(microseconds=1))
        said = _("质量问题 90 天内可换，这一单到 %(day)s") if is_faulty else _("7 天内可换，这一单到 %(day)s")
        raise TooLate(said % {"day": f"{last.month} 月 {last.day} 日"})


def must_be_of_the_kind(order: Order, store: Store) -> None:
    """Raise NotHere: goods come back to any store of the same kind, a dealer's to his own stores."""
    sold_in = order.store
    if sold_in.pk == store.pk:
        return
    if sold_in.kind != store.kind or sold_in.dealer_id != store.dealer_id:
        raise NotHere(
            _("要到%(kind)s退")
            % {"kind": sold_in.get_kind_display() if not sold_in.dealer_id else "这家经销商自己的店"}
        )


def must_be_sold(order: Order) -> None:
    """Raise NotReturnable for what is no purchase, or not one any more."""
    if order.status == Order.Status.VOID:
        raise NotReturnable(_("这一单已经作废"))
    if order.status == Order.Status.RETURNED:
        raise NotReturnable(_("这一单已经全退了"))
    if order.kind in (Order.Kind.TOP_UP, Order.Kind.GIFT_CARD):
        raise NotReturnable(_("充值和礼品卡走退卡，不在这里退"))
