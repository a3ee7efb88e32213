"""Reads of the room: how an order stands, and what a guide has under way with a member."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from crm.catalogue.stock_models import TransferRequest
from crm.members.models import Member
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from ..checkout.models import Sale
from .models import ProxyOrder

Way, State = ProxyOrder.Way, Sale.State


@dataclass(frozen=True)
class Standing:
    """How an order stands: in words, its tone, and the steps it went through."""

    words: str
    tone: str  # amber green red or ""
    is_open: bool
    steps: list[dict[str, Any]]


def standing_of(proxy: ProxyOrder) -> Standing:
    """Return how an order stands, of its own facts and those of its sale."""
    sale = proxy.sale
    steps: list[dict[str, Any]] = [{"label": "备好", "at": proxy.sent_at}]
    if proxy.told_at:
        steps.append({"label": "发给他了", "at": proxy.told_at})
    if proxy.opened_at:
        steps.append({"label": "他打开了", "at": proxy.opened_at})
    if sale.confirmed_at and proxy.way != Way.TRANSFER and sale.state != State.PAID:
        steps.append({"label": "他在付款", "at": sale.confirmed_at})
    if proxy.disputed_at:
        steps.append({"label": "他说没有转过", "at": proxy.disputed_at})
    elif proxy.escalated_at:
        steps.append({"label": "没确认，找了店长", "at": proxy.escalated_at})
    words, tone = _now(proxy, sale)
    if sale.state in Sale.SOLD:
        steps.append({"label": words, "at": sale.paid_at})
    elif sale.state == State.CLOSED:
        steps.append({"label": words, "at": sale.closed_at})
    return Standing(words, tone, sale.state in Sale.OPEN, steps)


def _now(proxy: ProxyOrder, sale: Sale) -> tuple[str, str]:
    if sale.state == State.REFUNDED:
        return "退了", ""
    if sale.state == State.PAID:
        return ("转账确认了" if proxy.way == Way.TRANSFER else "付好了"), "green"
    if sale.state == State.CLOSED:
        if proxy.refused_at:
            return "他不要了", "red"
        return ("撤回了" if sale.close_reason == "导购撤回" else "过期没付"), ""
    if sale.state == State.AWAITING_PAYMENT:
        return "在付款", "amber"
    if proxy.way == Way.TRANSFER:
        return ("他说没转过" if proxy.disputed_at else "等他确认"), ("red" if proxy.disputed_at else "amber")
    if proxy.opened_at:
        return "他打开了", "amber"
    return ("等他打开" if proxy.told_at else "还没发给他"), "amber"


def under_way(actor: Actor, member: Member | None = None) -> QuerySet[ProxyOrder]:
    """Return what a guide sent that is not over, the newest first; of one member, or of all of hers."""
    rows = ProxyOrder.objects.visible_to(actor).with_people().open().order_by("-sent_at", "-pk")
    return rows.filter(member=member) if member is not None else rows.filter(guide_id=actor.staff_id)


def baskets_of(actor: Actor, *, now: datetime, member: Member | None = None) -> QuerySet[Sale]:
    """Return the baskets a guide has begun and not sent."""
    begun = Sale.objects.visible_to(actor).filter(
        channel=Sale.Channel.PROXY,
        state=State.DRAFT,
        guide_id=actor.staff_id or 0,
        expires_at__gt=now,
        member__isnull=False,
    )
    begun = begun.filter(member=member) if member is not None else begun
    return begun.select_related("member", "store").order_by("-created_at", "-pk")


def asked_for(sale: Sale, sku_ids: Collection[int]) -> QuerySet[TransferRequest]:
    """Return what the store of a basket asked others for in its member's name and did not get yet, the newest first."""
    asked = TransferRequest.objects.filter(
        to_store=sale.store_id, member=sale.member_id, sku__in=sku_ids, state__in=TransferRequest.OPEN
    )
    return asked.order_by("-asked_at", "-pk")


def sent_order(actor: Actor, public_id: UUID) -> ProxyOrder:
    """Return an order in an actor's sight that was sent, by the number of its sale. Raises NotFound."""
    seen = ProxyOrder.objects.visible_to(actor).with_people().filter(sale__public_id=public_id).first()
    if seen is None:
        raise NotFound()
    return seen


def masked_address(text: str) -> str:
    """Return as much of an address as tells which one it is."""
    return f"{text[:3]}****{text[-2:]}" if len(text) > 8 else "****" if text else ""
