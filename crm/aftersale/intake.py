"""After-sale requests of a mall as a kind of the intake: what a member asked there becomes a ticket of his own guide, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.orders.models import Order, OrderLine
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid
from yejibao.core.personal import decrypt
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.kinds import Field, Kind
from yejibao.intake.reading import complaint
from yejibao.intake.stage import Stage

from .models import Ticket
from .rules import rules
from .services import NoSuchStep, PieceHasTicket, cancel_by_member, open_ticket

CHANNEL = "platform"
SAID = "crm_ticket.description"  # his words wait encrypted for it
AT_ONCE = 200  # each is some thirty statements: its clocks, its people, their pushes
WISHES = ("reason", "target_size")
Errors = list[dict[str, str]]


@dataclass(frozen=True)
class Asked:
    """One request as a row tells it, with the order it is about and the ticket it became before."""

    cells: Mapping[str, Any]
    key: str
    order: Order | None
    line: OrderLine | None
    ticket: Ticket | None

    @property
    def description(self) -> str:
        sealed = self.cells.get("description")
        return decrypt(sealed, column=SAID) if sealed else ""

    @property
    def asked_at(self) -> datetime | None:
        said = self.cells.get("asked_at")
        return parse_iso(said) if said else None

    @property
    def is_off(self) -> bool:
        return bool(self.cells.get("is_cancelled"))


def check(stage: Stage) -> None:
    """Judge the rows and keep nothing; when they are taken over the same rules speak again."""
    if stage.is_dry_run:
        stage.note((place, "refused" if wrong else _outcome(asked), wrong) for place, asked, wrong in _judged(stage))


def commit(stage: Stage) -> None:
    if not stage.is_dry_run:
        stage.note([(place, *_take(asked, wrong, now=stage.now)) for place, asked, wrong in _judged(stage)])


def _judged(stage: Stage) -> Iterator[tuple[int, Asked, Errors]]:
    """Yield each row with what is wrong with it. Four statements for all."""
    rows = list(stage.payloads())
    numbers = {cells["order"] for _place, cells in rows}
    orders = Order.objects.filter(number__in=numbers).select_related(
        "store__duty_guide", "guide", "member__owner_guide", "member__main_store"
    )
    known: dict[str, list[Order]] = {}
    for order in orders.prefetch_related("lines").order_by("pk"):
        known.setdefault(order.number, []).append(order)
    keys = {place: f"{stage.source}:{cells['number']}" for place, cells in rows}
    became = {
        one.feed_key: one for one in Ticket.objects.filter(feed_key__in=keys.values()).select_related("member", "store")
    }
    for place, cells in rows:
        found = known.get(cells["order"], [])
        own = [order for order in found if order.source == stage.source] or found
        the_one = own[0] if len(own) == 1 else None
        lines = list(the_one.lines.all()) if the_one else []
        line = next(
            (one for one in lines if one.line_no == cells.get("line_no")), lines[0] if len(lines) == 1 else None
        )
        asked = Asked(cells, keys[place], the_one, line, became.get(keys[place]))
        yield place, asked, _wrong(asked, is_ambiguous=len(own) > 1)


def _wrong(asked: Asked, *, is_ambiguous: bool) -> Errors:
    if asked.ticket is not None:
        return []
    order, number = asked.order, asked.cells.get("line_no")
    if order is None:
        said = "几个来源都有这个单号" if is_ambiguous else "没有这张单，先送订单再送售后"
        return [complaint("order", "order.ambiguous" if is_ambiguous else "order.unknown", said)]
    if order.member is None or order.member.status != Member.Status.ACTIVE:
        return [complaint("order", "order.no_member", "这张单没有会员，或者会员已经注销")]
    if number is not None and (asked.line is None or asked.line.line_no != number):
        return [complaint("line_no", "line.unknown", "这张单没有这一行")]
    if asked.cells["kind"] == Ticket.Kind.COMPLAINT and not asked.cells.get("topic"):
        return [complaint("topic", "input.required", "投诉要写投诉什么")]
    return []


def _outcome(asked: Asked) -> str:
    if asked.ticket is None:
        return "same" if asked.is_off else "created"  # taken back before we heard of it: nobody waits for us
    return "changed" if asked.is_off and asked.ticket.is_open else "same"


def _take(asked: Asked, wrong: Errors, *, now: datetime) -> tuple[str, Errors]:
    """Return what became of a row, and what is wrong with it."""
    if wrong:
        return "refused", wrong
    try:
        return take_request(asked, now=now), []
    except Invalid as refusal:
        return "refused", [complaint(one["field"], one["code"], one["message"]) for one in refusal.errors]
    except PieceHasTicket as refusal:
        return "refused", [complaint("line_no", refusal.code, refusal.detail)]


def take_request(asked: Asked, *, now: datetime) -> str:
    """Open the ticket of a request, or call it off; return whether that was new. Raises Invalid, PieceHasTicket."""
    outcome = _outcome(asked)
    try:
        with transaction.atomic():
            match outcome:
                case "created":
                    _open(asked, now=now)
                case "changed":
                    assert asked.ticket is not None
                    actor = _as(asked.ticket.member_id)
                    cancel_by_member(asked.ticket, actor=actor, now=now, reason="会员在商城撤销")
    except NoSuchStep:  # somebody is at work on it: that he wants it no more, he tells them
        return "same"
    except IntegrityError:  # another batch brought it a moment ago
        return "same"
    return outcome


def _open(asked: Asked, *, now: datetime) -> None:
    order, cells = asked.order, asked.cells
    assert order is not None and order.member is not None
    open_ticket(
        order.member, kind=cells["kind"], actor=_as(order.member.pk), now=now, order=order, line=asked.line, channel=CHANNEL,
        topic=cells.get("topic", ""), description=asked.description, wish={name: cells[name] for name in WISHES if cells.get(name)},
        asked_at=asked.asked_at, feed_key=asked.key,
    )  # fmt: skip


def _as(member_id: int) -> Actor:
    """Return who asks: the member, through his mall."""
    return Actor(kind="member", member_id=member_id, name="会员")


kinds.register(
    Kind(
        key="tickets",
        label=str(_("售后申请")),
        roles=("hq_crm", "hq_operator"),
        fields=(
            Field("number", "申请编号", form="code", required=True, example="RMA20260301001"),
            Field("order", "单号", form="code", required=True, example="NJ2603010001"),
            Field("line_no", "行号", form="whole", low=1, high=32767, help="不写就是整单；只有一行的单不用写"),
            Field(
                "kind", "类型", form="choice", choices={name: key for key, name in rules().names.items()}, required=True
            ),
            Field("reason", "原因", most=120, example="尺码不合"),
            Field("target_size", "要换的尺码", form="code", most=32, example="180/96A"),
            Field("topic", "投诉什么", form="choice", choices={one: one for one in rules().topics}, help="投诉时必填"),
            Field("description", "说明", most=1000, seal=SAID, mask="all", example="袖子长了两公分"),
            Field("asked_at", "申请时间", form="moment", help="退换的天数算到这一刻；不写就是收到的时候"),
            Field("is_cancelled", "已撤销", form="flag", example=False),
        ),
        natural_key=("number",),
        check=check,
        commit=commit,
        unit="张",
        step=AT_ONCE,
        newest_wins=True,
        about="商城、平台上会员提的售后。每张成为一张工单，先到他的专属导购手上，马上计时；同一个编号再送不会开第二张，带「已撤销」就撤掉。",
    )
)
