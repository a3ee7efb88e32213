"""A garment in our hands: taken in with its flaws written down, confirmed by the member, worked on, ready, collected.

What it costs him is settled when it comes in (crm/aftersale/remedies, coverage_of): a free care of his level is booked there
and then in the ledger of benefits, and given back when the ticket is called off.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.benefits.services import UsedUp, give_back_benefit, use_free_care
from crm.orders.models import OrderLine
from yejibao.core import audit
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from .. import telling
from ..models import CareSlip, Ticket, TicketStep
from ..remedies import MENDED, UNCLAIMED_AFTER, Coverage, coverage_of, line_now
from ..rules import LET_OUT, confirm_words, rules
from .answering import attach, held_by, say
from .moving import before_step, move_ticket

Cover = CareSlip.Coverage
TAKEN_IN = (*MENDED, Ticket.Kind.QUALITY)
TO_INSPECT = {
    "new": ("responded", "inspecting"),
    "responded": ("inspecting",),
    "waiting_member": ("responded", "inspecting"),
    "waiting_goods": ("inspecting",),
}
PHOTOS_LEAST = 2  # front and back; one more where flaws are written down
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # nothing that is read for something else


class NotToReceive(Conflict):
    code, title = "ticket.not_to_receive", _("这张单不收衣服")


class NotConfirmed(Conflict):
    code, title = "ticket.not_confirmed", _("先等会员确认瑕疵登记，再动手")


class FeeOpen(Conflict):
    code, title = "ticket.fee_open", _("费用还没收，先收费再交衣服")


@transaction.atomic
def receive(
    ticket: Ticket, *, photos: Collection[UUID], flaws: str = "", measures: str = "", within_seam: bool = False,
    price_fen: int | None = None, actor: Actor, now: datetime,
) -> CareSlip:  # fmt: skip
    """Take a garment in: photos of front, back and flaws, what was there before, what it will cost and by when it is done.

    `price_fen` is the store's own price where the work is paid for. Raises NotToReceive, Invalid naming each field.
    """
    held = held_by(ticket, actor)
    if held.kind not in TAKEN_IN or held.line is None or CareSlip.objects.filter(ticket=held).exists():
        raise NotToReceive()
    works = _works(held)
    _must_be_told(held, works, photos, flaws, measures, within_seam)
    cover = _covered(held, line_now(held.line), works, now=now)
    if cover.kind == Cover.PAID:
        price = cover.price_fen if price_fen is None else price_fen
        if not 0 < price <= 1_000_000:
            raise _wrong("price_fen", _("写上收多少钱，最多一万元"))
    else:
        price = 0
    slip = _write(
        held, coverage=cover.kind, price_fen=price, works="、".join(works)[:64], flaws=flaws.strip()[:1000],
        measures=measures.strip()[:255], is_within_seam=within_seam, received_at=now, received_by_id=actor.staff_id,
    )  # fmt: skip
    if cover.kind == Cover.FREE_CARE:
        slip.benefit_use = use_free_care(
            held.member, subject=f"ticket:{held.pk}", key=f"ticket:{held.pk}", actor=actor, now=now
        )
        slip.save(update_fields=["benefit_use"])
    promised = local_day(now) + timedelta(days=cover.days)
    Ticket.objects.filter(pk=held.pk).update(promised_on=promised)
    held.promised_on = promised
    for state in TO_INSPECT.get(held.state, ()):
        move_ticket(held, to=state, actor=actor, now=now, is_shown=False)
    words = f"收到衣服，取衣码 {slip.bag_code}，{promised.month} 月 {promised.day} 日好。{cover.words}。请确认瑕疵登记"
    attach(say(held, words, TicketStep.Kind.PROPOSAL, actor=actor, now=now, is_shown=True), photos, actor)
    audit.record(
        actor, "care.received", slip, after={"ticket": held.pk, "coverage": slip.coverage, "price_fen": price, "promised_on": str(promised)},
    )  # fmt: skip
    return slip


@transaction.atomic
def confirm_slip(ticket: Ticket, *, actor: Actor, now: datetime, signature: UUID | None = None) -> CareSlip:
    """Confirm flaws, measures and that what is cut stays cut: the member on his phone, or by his signature at the counter.

    Twice is once. Raises NotConfirmed for anybody else without a signature, NotToReceive where nothing came in.
    """
    held = Ticket.objects.select_for_update().get(pk=ticket.pk) if actor.kind == "member" else held_by(ticket, actor)
    slip = CareSlip.objects.filter(ticket=held).first()
    if slip is None:
        raise NotToReceive(_("衣服还没有收"))
    if slip.confirmed_at is not None:
        return slip
    is_his = actor.kind == "member" and actor.member_id == held.member_id
    if not is_his and signature is None:
        raise NotConfirmed(_("请会员在手机上确认，或者签字拍照"))
    held.slip = slip
    words = "确认了：" + "；".join(confirm_words(held))
    step = say(held, words, TicketStep.Kind.SAID, actor=actor, now=now, is_shown=True)
    if signature is not None:
        attach(step, [signature], actor)
    slip.confirmed_at, slip.is_signed = now, not is_his
    slip.save(update_fields=["confirmed_at", "is_signed"])
    audit.record(actor, "care.confirmed", slip, after={"signed": slip.is_signed})
    if is_his:
        telling.tell(held, [held.guide_id], f"{held.member.called}确认了，可以动手了", now=now)
    return slip


def tell_of_unclaimed(*, now: datetime) -> dict[str, int]:
    """Tell each manager once of what has hung ready for ninety days; his list is the tab 90 天没取. Daily."""
    told = 0
    waits = CareSlip.objects.filter(
        collected_at=None, unclaimed_told_at=None, ready_at__lte=now - UNCLAIMED_AFTER, ticket__state="ready"
    )
    for slip in waits.select_related("ticket__member", "ticket__store").order_by("ready_at", "pk")[:500]:
        with transaction.atomic():
            if not CareSlip.objects.filter(pk=slip.pk, unclaimed_told_at=None).update(unclaimed_told_at=now):
                continue
            title = f"90 天没来取：{slip.ticket.member.called}，取衣码 {slip.bag_code}"
            telling.tell(slip.ticket, [telling.manager_of(slip.ticket, now=now)], title, now=now)
            told += 1
    return {"unclaimed": told}


# ---------------------------------------------------------------- what a step means for the garment


@before_step
def follow_step(held: Ticket, to: str, *, actor: Actor, now: datetime) -> None:
    """Keep the slip beside its ticket: no work before it is confirmed, none handed over unpaid, a benefit given back when it is off."""
    slip = CareSlip.objects.select_related("benefit_use").filter(ticket=held).first()
    if slip is None:
        if to == "processing" and held.kind in MENDED:
            raise NotConfirmed(_("先收衣服、登记瑕疵"))
        return
    match to:
        case "processing" if slip.confirmed_at is None:
            raise NotConfirmed()
        case "ready":
            CareSlip.objects.filter(pk=slip.pk, ready_at=None).update(ready_at=now)
        case "closed" if slip.fee_fen:
            raise FeeOpen()
        case "closed":
            CareSlip.objects.filter(pk=slip.pk, collected_at=None).update(collected_at=now)
        case "cancelled" | "rejected" if slip.benefit_use is not None:
            give_back_benefit(slip.benefit_use, actor=actor, now=now, reason="撤销了")
        case "responded" if held.state == "closed":
            CareSlip.objects.filter(pk=slip.pk).update(collected_at=None)


# ---------------------------------------------------------------- parts


def _works(held: Ticket) -> list[str]:
    match held.kind:
        case Ticket.Kind.CARE:
            return [str(held.wish.get("care_kind", ""))]
        case Ticket.Kind.ALTERATION:
            return [one for one in held.wish.get("works", ()) if one in rules().works]
    return ["维修"]


def _must_be_told(
    held: Ticket, works: Collection[str], photos: Collection[UUID], flaws: str, measures: str, within_seam: bool
) -> None:
    wrong: list[dict[str, str]] = []

    def ask(field: str, message: object) -> None:
        wrong.append({"field": field, "code": "required", "message": str(message)})

    if len(photos) < PHOTOS_LEAST + bool(flaws.strip()):
        ask("photos", _("正面、背面各一张，有瑕疵再拍瑕疵") if not flaws.strip() else _("正面、背面和瑕疵各拍一张"))
    if held.kind == Ticket.Kind.ALTERATION:
        if not works:
            ask("works", _("请选择改哪里"))
        if not measures.strip():
            ask("measures", _("写上量的尺寸"))
        if set(works) & set(LET_OUT) and not within_seam:
            ask("within_seam", _("放量只能在缝份以内，量过再勾"))
    if wrong:
        raise Invalid(_("还差一点，请按提示补上"), errors=wrong)


def _covered(held: Ticket, line: OrderLine, works: list[str], *, now: datetime) -> Coverage:
    kind = Ticket.Kind.REPAIR if held.kind == Ticket.Kind.QUALITY else held.kind
    care_kind = works[0] if held.kind == Ticket.Kind.CARE else ""
    return coverage_of(
        held.member, line, kind=kind, care_kind=care_kind, works=works, now=now, but=held.pk, asked=held.asked
    )


def _write(held: Ticket, **facts: object) -> CareSlip:
    """Write the slip under a code that no other bag has."""
    for _try in range(5):
        code = "".join(secrets.choice(LETTERS) for _letter in range(6))
        try:
            with transaction.atomic():
                return CareSlip.objects.create(ticket=held, bag_code=code, **facts)
        except IntegrityError:
            continue
    raise Conflict()


def _wrong(field: str, message: object) -> Invalid:
    return Invalid(str(message), errors=[{"field": field, "code": "required", "message": str(message)}])


__all__ = [
    "FeeOpen",
    "NotConfirmed",
    "NotToReceive",
    "UsedUp",
    "confirm_slip",
    "receive",
    "tell_of_unclaimed",
]
