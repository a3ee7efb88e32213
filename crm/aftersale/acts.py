"""What is done to a ticket by whoever answers it, in the store and at the service desk: one door, `do` says which act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from crm.catalogue.models import Sku
from crm.catalogue.queries.finding import sku_of
from crm.catalogue.stock_models import Warehouse
from crm.orders.checkout.services import Pay
from guides.org.models import Staff, Store
from yejibao.core import access, clock, desk, files, idempotency
from yejibao.core.errors import Invalid
from yejibao.core.money import fen_of
from yejibao.core.scope import Actor

from . import queries, services
from .access_rows import read_ticket
from .checking.models import ServiceCheck
from .checking.services import mark_seen
from .models import Ticket

ROOM = queries.ROOM
# What a form of a ticket may hold: two of them with the same are the same act.
FIELDS = (
    "do", "text", "to", "quantity", "sku", "way", "shown_code", "use_wallet", "difference_fen", "flaws", "measures",
    "within_seam", "price", "instead_of", "source",
)  # fmt: skip


@dataclass(frozen=True)
class Act:
    """One act as it was asked for."""

    ticket: Ticket
    given: QueryDict
    photos: list[UUID]
    actor: Actor
    now: datetime

    def word(self, name: str) -> str:
        return self.given.get(name, "")

    def is_on(self, name: str) -> bool:
        return self.given.get(name) == "1"


def act(request: HttpRequest, pk: int, *, back: str) -> HttpResponse:
    """Do what a form of a ticket's page asks for, once per key, and go back to the page with what to say of it."""
    actor, given, now = access.actor_of(request), request.POST, clock.now()
    held = read_ticket(actor, pk)
    photos = files.take(request.FILES.getlist("photo"), given.getlist("photos"), room=ROOM, actor=actor, now=now)
    asked = Act(held, given, photos, actor, now)
    content = {name: given.get(name) for name in FIELDS if name in given} | {"photos": len(photos)}
    answer, _replayed = idempotency.once(request, content, lambda: {"said": _do(asked)})
    return desk.done(request, answer["said"], reverse(back, args=[pk]))


def _do(act: Act) -> str:
    held, actor, now, text = act.ticket, act.actor, act.now, act.word("text")
    who: dict[str, Any] = {"actor": actor, "now": now}
    match act.word("do"):
        case "reply":
            services.reply(held, text, photos=act.photos, **who)
            return "回复了，他在小程序里马上看到"
        case "propose":
            services.propose(held, text, photos=act.photos, **who)
            return "办法发给他了，等他点头"
        case "note":
            services.note(held, text, photos=act.photos, **who)
            return "记下了，顾客看不到"
        case "said":
            services.member_says(held, text, photos=act.photos, **who)
            return "顾客的话记下了"
        case "up":
            services.hand_up(held, to=act.word("to"), reason=text, **who)
            return f"转给{Ticket.Stage(act.word('to')).label}了"
        case "take":
            services.take(held, **who)
            return "这张单你来处理"
        case "assign":
            to = Staff.objects.filter(pk=desk.chosen(act.word("to"))).first()
            if to is None:
                raise Invalid(errors=[{"field": "to", "code": "choice", "message": "请选客服的同事"}])
            services.assign(held, to=to, instead_of=desk.chosen(act.word("instead_of")) or None, **who)
            return "这张单你来处理" if to.pk == actor.staff_id else f"交给{to.name}了"
        case "seen":
            check = ServiceCheck.objects.visible_to(actor).filter(ticket=held).first()
            if check is not None:
                mark_seen(check, **who)
            return "好的"
        case "move":
            return services.step_on(held, to=act.word("to"), text=text, photos=act.photos, **who)
        case _:
            return _settle(act, who)


def _settle(act: Act, who: dict[str, Any]) -> str:
    """What moves goods or money, or takes a piece in."""
    held = act.ticket
    match act.word("do"):
        case "refund":
            return services.take_back(held, quantity=desk.number(act.word("quantity")) or 1, **who)
        case "swap":
            return services.swap_size(held, size=act.word("text"), **who)
        case "exchange":
            return services.swap(
                held, _sku(act), ways=_ways(act), use_wallet=act.is_on("use_wallet"), shown_code=act.word("shown_code"),
                by_link=act.word("way") == "phone", expected_difference_fen=_shown(act), **who,
            )  # fmt: skip
        case "call":
            return services.call_goods(held, _sku(act), source=_source(act), **who)
        case "receive":
            slip = services.receive(
                held, photos=act.photos, flaws=act.word("flaws").strip(), measures=act.word("measures").strip(),
                within_seam=act.is_on("within_seam"), price_fen=_fen(act, "price"), **who,
            )  # fmt: skip
            return f"收下了，袋子上写 {slip.bag_code}；他在手机上确认后再动手"
        case "sign":
            if not act.photos:
                raise Invalid(errors=[{"field": "photos", "code": "required", "message": "拍一张他签字的单子"}])
            services.confirm_slip(held, signature=act.photos[0], **who)
            return "签字收好了，可以动手了"
        case "fee":
            key = act.given.get("idempotency_key", "")
            return services.take_fee(held, way=act.word("way"), shown_code=act.word("shown_code"), key=key, **who)
        case "compensate":
            return services.compensate(held, reason=desk.needs_reason(act.word("text")), **who)
        case "mend":
            return services.repair_own_damage(held, reason=desk.needs_reason(act.word("text")), **who)
    raise Invalid("没看懂要做什么，刷新一下再试")


def _sku(act: Act) -> Sku:
    found = sku_of(act.word("sku"))
    if found is None:
        raise Invalid(errors=[{"field": "sku", "code": "required", "message": "请选要换的款和尺码"}])
    return found


def _source(act: Act) -> Store | Warehouse:
    """Return where a piece is called from: `near:12` a store, `warehouse:3`."""
    kind, _, number = act.word("source").partition(":")
    rows: Any = {"near": Store.objects.all(), "warehouse": Warehouse.objects.filter(is_active=True)}.get(kind)
    found: Store | Warehouse | None = rows.filter(pk=desk.chosen(number)).first() if rows is not None else None
    if found is None:
        raise Invalid(errors=[{"field": "source", "code": "required", "message": "请选从哪里调"}])
    return found


def _ways(act: Act) -> list[Pay]:
    """Return how he pays what the other piece costs more, at the counter; his card and his phone are ways of their own."""
    way = act.word("way")
    return [Pay(way)] if way in ("cash", "card") else []


def _fen(act: Act, name: str) -> int | None:
    """Return an amount typed in yuan; None where nothing is typed. Raises Invalid."""
    text = act.word(name).strip()
    if not text:
        return None
    try:
        return fen_of(text)
    except ValueError as error:
        raise Invalid(errors=[{"field": name, "code": "invalid", "message": "金额写成 80 或 80.50"}]) from error


def _shown(act: Act) -> int | None:
    """Return the difference the page showed him, in fen; another one by now is refused."""
    text = act.word("difference_fen")
    return int(text) if text.removeprefix("-").isdecimal() and len(text) < 12 else None
