"""A request becomes a ticket: with his own guide first, and a clock that runs in opening hours."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.catalogue.models import Sku
from crm.events import TicketChanged
from crm.members.models import Member
from crm.orders.models import Order, OrderLine
from guides.attendance.calendar import stand_ins
from guides.org.models import Staff, Store
from yejibao.core import audit, files, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from .. import clocks, telling
from ..models import Ticket, TicketStep
from ..rules import RUDE, SENDS_BACK, URGENT, may_come_back, rules
from .pieces import free_piece

ROOM = "aftersale"  # of core/files
Stage, Clock = Ticket.Stage, Ticket.Clock
USUAL = "usual"  # of rules.NATURES


@transaction.atomic
def ask(
    member: Member, *, kind: str, actor: Actor, now: datetime, channel: str, order: Order | None = None,
    line: OrderLine | None = None, store: Store | None = None, topic: str = "", description: str = "",
    wish: Mapping[str, Any] | None = None, photos: Collection[UUID] = (), is_about_guide: bool = False, nature: str = "",
    wants_manager: bool = False,
) -> Ticket:  # fmt: skip
    """Open a ticket from a form: as `open_ticket`, and nothing its kind needs is missing (aftersale.yaml, needs).

    A return or an exchange comes in time; what has a fault is a `quality` ticket. Raises Invalid, naming each field, and PieceHasTicket.
    """
    order = line.order if line is not None and order is None else order
    wrong = _missing(kind, order, line, topic, description, dict(wish or {}), photos)
    if kind in SENDS_BACK and order is not None and not may_come_back(order, kind=kind, now=now):
        wrong.append(_error("order", "too_late", _("退换的日子过了。衣服有质量问题请选「质量问题」")))
    size = (wish or {}).get("target_size", "")
    if kind == Ticket.Kind.EXCHANGE_SIZE and line is not None and size and not _may_be_another(line, size):
        wrong.append(_error("target_size", "choice", _("这一款没有这个尺码，选一个列出来的")))
    if kind in SENDS_BACK and line is not None and line.is_made_to_measure:
        wrong.append(
            _error("line", "made_to_measure", _("量身定制的不退不换；不合身请选「改衣」，有质量问题请选「质量问题」"))
        )
    if wrong:
        raise Invalid(_("还差一点，请按提示补上"), errors=wrong)
    return open_ticket(
        member, kind=kind, actor=actor, now=now, order=order, line=line, store=store, channel=channel, topic=topic,
        description=description, wish=wish, photos=photos, is_about_guide=is_about_guide, nature=nature,
        wants_manager=wants_manager,
    )  # fmt: skip


@transaction.atomic
def open_ticket(
    member: Member, *, kind: str, actor: Actor, now: datetime, order: Order | None = None, line: OrderLine | None = None,
    store: Store | None = None, channel: str = "wecom_chat", topic: str = "", description: str = "",
    pickup_at: datetime | None = None, wish: Mapping[str, Any] | None = None, photos: Collection[UUID] = (),
    is_about_guide: bool = False, from_rating_of: Ticket | None = None, nature: str = "",
    wants_manager: bool = False, asked_at: datetime | None = None, feed_key: str | None = None,
) -> Ticket:  # fmt: skip
    """Open a ticket of a member. It goes to his own guide, else the order's, else the store's duty guide.

    Where that one is not there today, or has left, whoever stands in answers it; a complaint about the guide, what he wants the manager
    for and a matter of stored value are the manager's from the start; a mall order that is nobody's is HQ's. `store` defaults to the order's, else
    his main store, his guide's, that of who writes it down. The files are the sender's uploads in the room "aftersale". `asked_at` and `feed_key` are of a mall's
    feed: when he asked there, and under which number. Raises Invalid, PieceHasTicket.
    """
    wrong = _wrong(member, kind, order, channel, topic, nature)
    place = store or (order.store if order else None) or member.main_store or _where(member, actor)
    if place is None:
        wrong.append(_error("store", "required", _("请选择门店")))
    if wrong or place is None:
        raise Invalid(_("工单没有建成，请按提示修改"), errors=wrong)
    piece_no = free_piece(kind, line)
    guide, answering = _first_guide(member, order, place, day=local_day(now))
    priority, hours = rules().priorities[kind], clocks.hours_of(place)
    first_due = clocks.first_word_due(now, priority=priority, hours=hours)
    ticket = Ticket.objects.create(
        kind=kind, priority=priority, member=member, order=order, line=line, piece_no=piece_no, store=place,
        guide_id=answering or (guide.pk if guide else None),
        covers_for=guide if guide and answering and answering != guide.pk else None,
        channel=channel, topic=topic, description=description, wish=dict(wish or {}), is_about_guide=is_about_guide,
        stage=_first_stage(kind, guide, order, is_about_guide or wants_manager), from_rating_of=from_rating_of, nature=nature or (USUAL if kind == Ticket.Kind.COMPLAINT else ""),
        opened_at=now, asked_at=asked_at, feed_key=feed_key, pickup_at=pickup_at, first_due_at=first_due, clock=Clock.FIRST, clock_at=first_due,
        proposal_due_at=clocks.proposal_due(now, priority=priority, hours=hours),
        closing_due_at=clocks.closing_due(now, priority=priority, store=place),
    )  # fmt: skip
    step = TicketStep.objects.create(
        ticket=ticket, kind=TicketStep.Kind.OPENED, at=now, by_id=actor.staff_id, is_member=actor.kind == "member",
        is_shown=True, text=description, state="new",
    )  # fmt: skip
    if photos:
        files.attach(photos, room=ROOM, owner_id=step.pk, by_id=actor.staff_id, by_member_id=actor.member_id)
    audit.record(actor, "ticket.opened", ticket, after={"kind": kind, "order": order.pk if order else None})
    outbox.publish(TicketChanged(ticket.pk))
    _tell_first(ticket, now=now)
    return ticket


def _tell_first(ticket: Ticket, *, now: datetime) -> None:
    """The one who answers at once; the manager of what is urgent; the branch of what would grow (routing, escalation)."""
    title, manager = f"{ticket.member.called}：{ticket.get_kind_display()}", telling.manager_of(ticket, now=now)
    if ticket.stage == Stage.SERVICE:
        telling.tell(ticket, telling.holders(telling.SERVICE, now=now), title, now=now)
        return
    first = ticket.guide_id if ticket.stage == Stage.GUIDE else manager
    telling.tell(ticket, [first], title, now=now)
    copies: list[int | None] = []
    if ticket.priority == URGENT or ticket.is_vip:
        copies.append(manager)
    if ticket.kind == Ticket.Kind.STORED_VALUE:
        copies += telling.holders(telling.FINANCE, now=now)
    if ticket.kind == Ticket.Kind.COMPLAINT and (ticket.topic == RUDE or ticket.is_vip):
        copies += [manager, telling.head_of(ticket, "branch_member_manager", now=now)]
    telling.tell(ticket, copies, f"知会：{title}", now=now, but=[first])


def _first_stage(kind: str, guide: Staff | None, order: Order | None, is_managers: bool) -> str:
    if is_managers or kind == Ticket.Kind.STORED_VALUE:
        return Stage.MANAGER
    if guide is not None:
        return Stage.GUIDE
    return Stage.SERVICE if order is not None and order.kind == Order.Kind.MALL else Stage.MANAGER


def _error(field: str, code: str, message: Any) -> dict[str, str]:
    return {"field": field, "code": code, "message": str(message)}


def _wrong(
    member: Member, kind: str, order: Order | None, channel: str, topic: str, nature: str
) -> list[dict[str, Any]]:
    book, wrong = rules(), []
    if kind not in book.priorities:
        wrong.append(_error("kind", "choice", _("没有这种工单")))
    if channel not in book.channels:
        wrong.append(_error("channel", "choice", _("没有这个渠道")))
    if kind == Ticket.Kind.COMPLAINT and topic not in book.topics:
        wrong.append(_error("topic", "choice", _("请选择投诉的内容")))
    if nature and nature not in book.natures:
        wrong.append(_error("nature", "choice", _("请选择投诉的性质")))
    if order is not None and order.member_id != member.pk:
        wrong.append(_error("order", "not_his", _("这张单不是这位会员的")))
    return wrong


def _missing(
    kind: str, order: Order | None, line: OrderLine | None, topic: str, description: str, wish: dict[str, Any], photos: Collection[UUID]
) -> list[dict[str, str]]:  # fmt: skip
    """Return what a kind needs and the form has not: the words of `needs` in aftersale.yaml."""
    book = rules()
    has_item = order is not None or line is not None
    there: dict[str, tuple[bool, str, Any]] = {
        "order": (order is not None, "order", _("请选择是哪一单")),
        "items": (line is not None or order is not None, "line", _("请选择是哪一件")),
        "item": (line is not None, "line", _("请选择是哪一件")),
        "order_or_item": (has_item, "order", _("请选择是哪一单或哪一件")),
        "reason": (bool(wish.get("reason")), "reason", _("请说一下为什么")),
        "target_size": (bool(wish.get("target_size")), "target_size", _("请选择要换的尺码")),
        "target_item": (bool(wish.get("target_sku")), "target_sku", _("请选择要换的款")),
        "works": (bool(wish.get("works")) and set(wish["works"]) <= set(book.works), "works", _("请选择改哪里")),
        "measures": (bool(wish.get("measures")), "measures", _("请写改多少")),
        "care_kind": (wish.get("care_kind") in book.care_kinds, "care_kind", _("请选择护理方式")),
        "photos_required": (bool(photos), "photos", _("请拍一张照片，看得清问题在哪")),
        "description": (len(description.strip()) > 1, "description", _("请写一句怎么回事")),
        "topic": (topic in book.topics, "topic", _("请选择投诉的内容")),
    }
    asked = [there[need] for need in book.needs.get(kind, ()) if need in there]
    return [_error(field, "required", message) for is_there, field, message in asked if not is_there]


def _may_be_another(line: OrderLine, size: str) -> bool:
    """Tell whether a piece can be had in another size; of a style the catalogue does not know, any."""
    sizes = set(Sku.objects.filter(style__sku_code=line.sku_code).values_list("size", flat=True))
    return not sizes or (size in sizes and size != line.size)


def _where(member: Member, actor: Actor) -> Store | None:
    """Return the store of who has no store of his own."""
    if member.owner_guide is not None and member.owner_guide.store is not None:
        return member.owner_guide.store
    return Store.objects.filter(pk=actor.store_id).first() if actor.store_id else None


def _first_guide(member: Member, order: Order | None, store: Store, *, day: date) -> tuple[Staff | None, int | None]:
    """Return whose ticket it is, and who answers it on this day: who left keeps his members' as long as somebody stands in for him."""
    candidates = [member.owner_guide, order.guide if order else None, store.duty_guide]
    for person in candidates:
        if person is None:
            continue
        answering = stand_ins([person.pk], day)[person.pk]
        if person.is_active or (person == member.owner_guide and answering is not None):
            return person, answering
    return None, None
