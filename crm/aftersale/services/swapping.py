"""Another size or style for the piece of a ticket: out of this store, or called from elsewhere within three days."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.catalogue import services as catalogue
from crm.catalogue.models import Sku
from crm.catalogue.stock_models import TransferRequest, Warehouse
from crm.members import shown
from crm.orders.checkout import services as checkout
from crm.orders.checkout.models import Exchange
from crm.orders.checkout.services import ExchangedTwice, Pay
from guides.org.models import Store
from yejibao.core import audit
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict
from yejibao.core.money import yuan
from yejibao.core.one_by_one import work_off
from yejibao.core.scope import Actor

from .. import telling
from ..models import Ticket, TicketStep
from ..remedies import line_now, remedies
from ..rules import rules
from .answering import held_by, say
from .moving import end_ticket, go_through, move_ticket

BEFORE_WAITING = ("new", "responded", "inspecting", "waiting_goods")
SYSTEM = Actor.system("aftersale")


class OtherSize(Conflict):
    code, title = "ticket.other_size", _("没有这个尺码")


class NotToExchange(Conflict):
    code, title = "ticket.not_to_exchange", _("这张单现在不能换")


@transaction.atomic
def swap(
    ticket: Ticket, sku: Sku, *, quantity: int = 1, ways: Sequence[Pay] = (), use_wallet: bool | int = False,
    shown_code: str = "", by_link: bool = False, sealed: Collection[int] = (),
    expected_difference_fen: int | None = None, actor: Actor, now: datetime,
) -> str:  # fmt: skip
    """Exchange the ticket's piece (crm/orders/checkout, exchange_piece) and close it; return what to say.

    Where he pays on his phone first, or somebody has to approve what goes back, it is closed by itself once that is done
    (`close_exchanged`). `shown_code` is what his phone showed: only by it his card pays at the counter. Raises NotToExchange and whatever the till says no to.
    """
    held = held_by(ticket, actor)
    if held.order is None or held.line is None or "exchange" not in remedies(held):
        raise NotToExchange()
    if held.exchange is not None and held.exchange.state in Exchange.OPEN:
        raise checkout.ExchangeOpen()
    nth = Exchange.objects.filter(key__startswith=f"ticket:{held.pk}:").count()
    row = checkout.exchange_piece(
        held.order, line_now(held.line).line_no, sku, quantity=quantity, key=f"ticket:{held.pk}:{nth}", ways=ways, use_wallet=use_wallet,
        has_shown_code=shows_his_code(held, shown_code), by_link=by_link, is_faulty=held.kind == Ticket.Kind.QUALITY, sealed=sealed, store=held.store,
        note=held.number, expected_difference_fen=expected_difference_fen, asked_at=held.asked, actor=actor, now=now,
    )  # fmt: skip
    Ticket.objects.filter(pk=held.pk).update(exchange=row)
    held.exchange = row
    audit.record(actor, "ticket.swapped", held, after={"sku": sku.code, "difference_fen": row.difference_fen})
    if row.state == Exchange.State.DONE:
        end_ticket(held, actor=actor, now=now, reason=_said(row))
        return _said(row)
    if row.state == Exchange.State.ASKED:
        return "要店长或财务点头，批了自动换好"
    words = f"换成{sku.style.name} {sku.size}，请在手机上补差价 {yuan(row.due_fen, cents=True)}"
    if held.state in BEFORE_WAITING:
        go_through(held, actor=actor, now=now)
        move_ticket(held, to="waiting_member", actor=actor, now=now, reason=words, kind=TicketStep.Kind.PROPOSAL)
    return "等他补差价，付好自动办结"


@transaction.atomic
def swap_size(ticket: Ticket, *, size: str, actor: Actor, now: datetime) -> str:
    """Give another size of the same piece for the one that comes in, at the price he paid. Raises OtherSize, and as `swap`."""
    held = held_by(ticket, actor)
    if held.kind == Ticket.Kind.EXCHANGE_ITEM or held.line is None:
        raise OtherSize(_("这张单不是换尺码"))
    skus = {sku.size: sku for sku in Sku.objects.filter(style__sku_code=held.line.sku_code).select_related("style")}
    wanted = skus.get(size.strip())
    if wanted is None or (size.strip() == held.line.size and held.kind != Ticket.Kind.QUALITY):
        raise OtherSize(_("这一款的尺码有 %(sizes)s") % {"sizes": "、".join(sorted(skus)) or "—"})
    return swap(held, wanted, actor=actor, now=now)


@transaction.atomic
def call_goods(ticket: Ticket, sku: Sku, *, source: Store | Warehouse, actor: Actor, now: datetime) -> str:
    """Have what he wants sent here from another store or a warehouse, within the days that are promised; return what to say.

    Raises NotToExchange, and what a transfer raises (crm/catalogue, ask_transfer).
    """
    held = held_by(ticket, actor)
    if "exchange" not in remedies(held):
        raise NotToExchange()
    act = f"ticket:{held.pk}:{sku.pk}:"  # a place that had none may be asked again
    asked = TransferRequest.objects.filter(key__startswith=act).exclude(state__in=TransferRequest.OPEN).count()
    catalogue.ask_transfer(
        sku, source=source, to_store=held.store, member=held.member, note=held.number, key=f"{act}{asked}:{source}"[:64],
        actor=actor, now=now,
    )  # fmt: skip
    until = local_day(now) + timedelta(days=rules().exchange_promise_days)
    Ticket.objects.filter(pk=held.pk).update(promised_on=until)
    held.promised_on = until
    said = f"从{source}调 {sku.style.name} {sku.size}，{until.month} 月 {until.day} 日前到"
    if held.state in BEFORE_WAITING:
        go_through(held, actor=actor, now=now)
        move_ticket(held, to="processing", actor=actor, now=now, reason=said)
    else:
        say(held, said, TicketStep.Kind.MOVED, actor=actor, now=now, is_shown=True)
    return said


def close_exchanged(*, now: datetime) -> dict[str, int]:
    """Close the tickets whose exchange is done, once the difference was paid or approved. Each minute."""
    done = Ticket.objects.unfinished().filter(exchange__state=Exchange.State.DONE)
    off = Ticket.objects.unfinished().filter(exchange__state=Exchange.State.CLOSED)

    def close(held: Ticket) -> None:
        assert held.exchange is not None
        end_ticket(held, actor=SYSTEM, now=now, reason=_said(held.exchange))

    return {
        "exchanged": work_off(done.select_related("exchange__sku__style"), close),
        "exchanges_failed": work_off(off.select_related("exchange"), lambda held: _go_on_without(held, now=now)),
    }


def _go_on_without(held: Ticket, *, now: datetime) -> None:
    """Give a ticket back to who answers it, as the exchange came to nothing: not paid in time, not approved."""
    assert held.exchange is not None
    words = f"没有换成：{held.exchange.why}"
    Ticket.objects.filter(pk=held.pk).update(exchange=None)
    if held.state == "waiting_member":
        move_ticket(held, to="responded", actor=SYSTEM, now=now, reason=words)
    else:
        say(held, words, TicketStep.Kind.MOVED, actor=SYSTEM, now=now, is_shown=True)
    telling.tell(held, telling.answering(held, now=now), f"{held.member.called}的换货没有办成", now=now)


def shows_his_code(held: Ticket, code: str) -> bool:
    """Tell whether a scanned text is the member's own code, made by his phone just now (crm/members/shown)."""
    found = shown.read(code) if code else None
    return found is not None and found.is_fresh and found.member_no == held.member.member_no


def _said(row: Exchange) -> str:
    said = f"换成 {row.sku.size}" if not row.difference_fen else f"换成{row.sku.style.name} {row.sku.size}"
    if row.due_fen:
        said += f"，补差价 {yuan(row.due_fen, cents=True)}"
    elif row.back_fen:
        said += f"，退差价 {yuan(row.back_fen, cents=True)}，原路退回"
    return said


__all__ = ["ExchangedTwice", "NotToExchange", "OtherSize", "call_goods", "close_exchanged", "swap", "swap_size"]
