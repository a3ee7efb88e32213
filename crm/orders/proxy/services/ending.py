"""What the member does with it, or does not; and what the guide and her manager do then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice, settle
from guides.org.models import Staff
from yejibao.core import audit, clock, words
from yejibao.core.errors import Conflict, Forbidden, NotFound
from yejibao.core.scope import Actor

from ...checkout import services as checkout
from ...checkout.models import Sale, SaleMoved, SalePayment
from ...checkout.services import Pay
from ..models import ProxyOrder
from .sending import TRANSFER_HOURS, put_back

Way, State = ProxyOrder.Way, Sale.State
BATCH = 200


class NotHis(NotFound):
    code = "not_found"


class OwnTransfer(Forbidden):
    """Four eyes: the money is with the guide, so that it came is said by the member or by her manager, never by her."""

    code, title = "perm.proxy.own_transfer", _("转给你的钱，要会员自己或店长确认")


def _locked(proxy: ProxyOrder) -> ProxyOrder:
    people = ("store", "guide", "member", "sale")
    return ProxyOrder.objects.select_for_update(of=("self",)).select_related(*people).get(pk=proxy.pk)


def _must_be_open(held: ProxyOrder) -> None:
    if held.ended_at is not None:
        raise Conflict(_("这一单已经结束了"))


# ---------------------------------------------------------------- the member


def note_opened(sale: Sale, *, member: Member, now: datetime) -> None:
    """He opened the link. Once; costs a read where it is known already."""
    ProxyOrder.objects.filter(sale=sale, member=member, opened_at=None).update(opened_at=now)


@transaction.atomic
def refuse_order(proxy: ProxyOrder, *, member: Member, reason: str, actor: Actor, now: datetime) -> ProxyOrder:
    """He does not want it: the sale is closed, what it held goes back, his guide is told. Raises NotHis, Conflict or SaleMoved."""
    held = _locked(proxy)
    if held.member_id != member.pk:
        raise NotHis()
    _must_be_open(held)
    checkout.close_sale(held.sale, reason="顾客不要了", actor=actor, now=now)
    _end(held, refused_at=now, reason=reason.strip()[:60], now=now)
    audit.record(actor, "proxy.refused", held, reason=reason)
    _tell_guide(held, _("%(name)s没要这一单"), reason.strip()[:60] or str(_("可以问问他哪里不合适")), now=now)
    return held


@transaction.atomic
def confirm_transfer(proxy: ProxyOrder, *, member: Member | None, key: str, actor: Actor, now: datetime) -> ProxyOrder:
    """Say that it was transferred to the guide: he himself, or the manager who has looked at the picture. Then it is paid.

    Raises NotHis, OwnTransfer, Conflict, or what the checkout says no to.
    """
    held = _locked(proxy)
    if member is not None and held.member_id != member.pk:
        raise NotHis()
    if member is None and held.guide_id == actor.staff_id:
        raise OwnTransfer()
    if held.way != Way.TRANSFER:
        raise Conflict(_("这一单不是转给导购的"))
    if held.confirmed_at is not None:
        return held
    _must_be_open(held)
    if held.disputed_at is not None and member is None:
        raise Conflict(_("他说没有转过，先问清楚"))
    checkout.confirm(
        held.sale, ways=[Pay(SalePayment.Way.VOUCHER, reference=f"proxy:{held.pk}")], key=key, actor=actor, now=now
    )
    held.confirmed_at, held.confirmed_by_id = now, None if member is not None else actor.staff_id
    held.save(update_fields=["confirmed_at", "confirmed_by"])
    audit.record(
        actor, "proxy.transfer_confirmed", held, after={"amount_fen": held.amount_fen, "by_member": member is not None}
    )
    settle(f"proxy-ask:{held.pk}", now=now)
    return held


@transaction.atomic
def dispute_transfer(proxy: ProxyOrder, *, member: Member, actor: Actor, now: datetime) -> ProxyOrder:
    """He transferred nothing: the manager hears it at once, the order waits for her. Raises NotHis or Conflict."""
    held = _locked(proxy)
    if held.member_id != member.pk:
        raise NotHis()
    if held.way != Way.TRANSFER or held.disputed_at is not None:
        raise Conflict(_("这一单已经说过了"))
    _must_be_open(held)
    held.disputed_at, held.escalated_at = now, held.escalated_at or now
    held.save(update_fields=["disputed_at", "escalated_at"])
    audit.record(actor, "proxy.transfer_disputed", held, after={"amount_fen": held.amount_fen})
    _tell_managers([held], _("%(name)s说没有转过钱"), now=now)
    return held


# ---------------------------------------------------------------- the store


@transaction.atomic
def withdraw_order(proxy: ProxyOrder, *, reason: str, actor: Actor, now: datetime) -> ProxyOrder:
    """Take it back before he has paid. Raises Conflict, SaleMoved, or PaidAlready where his payment is on its way."""
    held = _locked(proxy)
    _must_be_open(held)
    checkout.close_sale(held.sale, reason="导购撤回", actor=actor, now=now)
    _end(held, reason=reason.strip()[:60], now=now)
    audit.record(actor, "proxy.withdrawn", held, reason=reason)
    settle(f"proxy-ask:{held.pk}", now=now)
    return held


@transaction.atomic
def note_paid(order_ids: Sequence[int], *, now: datetime) -> int:
    """Orders were paid: those that came of a link end here, and whoever sent it is told. Safe to run twice."""
    paid = ProxyOrder.objects.filter(sale__order_id__in=order_ids, ended_at=None)
    held = list(paid.select_for_update(of=("self",)).select_related("member", "sale").order_by("pk"))
    for one in held:
        _end(one, now=now, keeps=True)
        said = _("%(amount)s，%(how)s") % {"amount": words.yuan(one.sale.paid_fen), "how": one.get_delivery_display()}
        _tell_guide(one, _("%(name)s付好了"), said, now=now)
    return len(held)


def follow_orders(*, now: datetime) -> dict[str, int]:
    """Ask managers about transfers nobody confirmed, end what was closed meanwhile. Bounded; the rest comes next time."""
    asked = ended = 0
    with transaction.atomic():
        waits = ProxyOrder.objects.filter(
            ended_at=None,
            way=Way.TRANSFER,
            escalated_at=None,
            sent_at__lte=now - timedelta(hours=TRANSFER_HOURS.at(now)),
        )
        held = list(
            waits.select_for_update(of=("self",), skip_locked=True)
            .select_related("member", "store")
            .order_by("pk")[:BATCH]
        )
        ProxyOrder.objects.filter(pk__in=[one.pk for one in held]).update(escalated_at=now)
        _tell_managers(held, _("%(name)s没确认转账，请核对"), now=now)
        asked = len(held)
    with transaction.atomic():
        over = ProxyOrder.objects.filter(ended_at=None, sale__state=State.CLOSED)
        rows = list(
            over.select_for_update(of=("self",), skip_locked=True).select_related("member").order_by("pk")[:BATCH]
        )
        for one in rows:
            _end(one, reason=str(_("到时没付")), now=now)
            _tell_guide(one, _("%(name)s没有付，链接过期了"), _("货放回去了，要的话再发一次"), now=now)
        ended = len(rows)
    return {"asked": asked, "ended": ended}


# ---------------------------------------------------------------- for the functions above


def _end(held: ProxyOrder, *, now: datetime, keeps: bool = False, **facts: object) -> None:
    held.ended_at = now
    for name, value in facts.items():
        setattr(held, name, value)
    held.save(update_fields=["ended_at", *facts])
    if not keeps:
        put_back(held, now=now)


def _tell_guide(held: ProxyOrder, title: object, text: object, *, now: datetime) -> None:
    said = str(title) % {"name": held.member.name}
    page = f"/g/proxy/{held.sale.public_id}/state/"
    tell_and_push([(held.guide_id, Notice("goods", f"proxy:{held.pk}", said, page, str(text)))], now=now)


def _tell_managers(held: Sequence[ProxyOrder], title: object, *, now: datetime) -> None:
    """Ask the managers of the stores to look; the regional head's matter it is not."""
    managers = Staff.objects.employed().holding("store_manager", day=clock.local_day(now))
    by_store: dict[int, list[int]] = {}
    for pk, store_id in managers.filter(store_id__in={one.store_id for one in held}).values_list("pk", "store_id"):
        by_store.setdefault(store_id or 0, []).append(pk)
    told = []
    for one in held:
        said = str(title) % {"name": one.member.name}
        amount = words.yuan(one.amount_fen)
        page = f"/g/proxy/{one.sale.public_id}/state/"
        told += [
            (pk, Notice("goods", f"proxy-ask:{one.pk}", said, page, amount)) for pk in by_store.get(one.store_id, [])
        ]
    tell_and_push(told, now=now)


__all__ = [
    "OwnTransfer",
    "SaleMoved",
    "confirm_transfer",
    "dispute_transfer",
    "follow_orders",
    "note_opened",
    "note_paid",
    "refuse_order",
    "withdraw_order",
]
