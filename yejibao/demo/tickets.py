"""After-sale in the demo: one that waits for a word, one under way, one with the manager, one at the desk, some that are over.

Every step goes through the product's own services, each at its own moment.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from crm.aftersale import services
from crm.aftersale.models import Ticket
from crm.members.models import Member
from crm.orders.models import Order, OrderLine
from crm.surveys.services import Given, rate_ticket
from guides.notices.models import Notification
from guides.org.actors import actor_for
from guides.org.models import RoleAssignment, Staff
from yejibao.core import clock
from yejibao.core.models import OutboxMessage
from yejibao.core.scope import Actor

HIMSELF = Actor(kind="member")
ASKED = (
    ("quality", "今早出门拉链卡在一半，上下都动不了，没敢硬拽。", {}),
    ("exchange_size", "袖子短了一截，想换大一码。", {"target_size": "180/96A", "reason": "尺码不合适"}),
    ("alteration", "裤长长了两厘米。", {"works": ["裤长"], "measures": "裤长改到 102 厘米"}),
    ("care", "大衣领口沾了咖啡。", {"care_kind": "去渍"}),
    ("consult", "羊毛衫能机洗吗？", {}),
    ("return", "颜色跟家里裤子不搭。", {"reason": "款式颜色不喜欢"}),
)


def build(*, now: datetime) -> None:
    """Open tickets of members who bought lately and let most of them go on."""
    if Ticket.objects.filter(channel="mini_program").exists():
        return
    bought = _recent(now)
    for place, (line, (kind, said, wish)) in enumerate(zip(bought, ASKED * 2, strict=False)):
        _play(place, line, kind, said, wish, now)
    told_then(now)


def told_then(now: datetime) -> None:
    """What happened then was told then: no push of today, and read by now."""
    OutboxMessage.objects.filter(
        kind="notice", subject__contains=":ticket:", due_at__lt=now - timedelta(hours=2)
    ).delete()
    Notification.objects.filter(kind="ticket", at__lt=now - timedelta(days=1)).update(read_at=now, message=None)


def _recent(now: datetime) -> Sequence[OrderLine]:
    """Return a line of the newest order of each of a dozen members with a guide of their own, the guide on show first."""
    orders = (
        Order.objects.filter(member__owner_guide__isnull=False, member__status=Member.Status.ACTIVE, status="paid", paid_at__lte=now)
        .order_by("member_id", "-paid_at").distinct("member_id").values("pk")
    )  # fmt: skip
    lines = OrderLine.objects.filter(order__in=orders, line_no=1, returned_quantity=0).select_related(
        "order__member__owner_guide"
    )
    return list(lines.order_by("order__member__owner_guide_id", "-order__paid_at")[:12])


def _play(place: int, line: OrderLine, kind: str, said: str, wish: dict[str, object], now: datetime) -> None:
    member = line.order.member
    if member is None or member.owner_guide is None:
        return
    opened = now - (timedelta(minutes=12) if place == 0 else timedelta(hours=5 + 19 * place))
    opened = _in_hours(opened)
    guide = actor_for(member.owner_guide)
    with clock.travelled(opened):
        ticket = services.open_ticket(
            member, kind=kind, order=line.order, actor=HIMSELF, now=opened, channel="mini_program", description=said, wish=wish,
        )  # fmt: skip
        Ticket.objects.filter(pk=ticket.pk).update(line=line)
        ticket.refresh_from_db()
    if place == 0:  # waits for her word
        return
    if place == 1:  # nobody answered: by now the manager's, or the desk's
        services.pass_up_late(now=now)
        return
    soon = opened + timedelta(minutes=11)
    services.reply(ticket, f"{member.called}，看到了，您别急，我今天就给您办法。", actor=guide, now=soon)
    if place == 2:
        services.propose(
            ticket, "到店我当面给您弄好，二十分钟；不方便我安排寄回。", actor=guide, now=soon + timedelta(hours=1)
        )
        return
    if place == 3 and (desk := desk_of(now)) is not None:
        services.hand_up(ticket, to="service", actor=guide, now=soon, reason="要查上一次清洗的记录")
        services.take(Ticket.objects.get(pk=ticket.pk), actor=actor_for(desk), now=soon + timedelta(minutes=20))
        return
    ended = min(now, soon + timedelta(hours=26))
    ticket.refresh_from_db()
    services.close_ticket(ticket, actor=guide, now=ended, reason="弄好了，顾客取走")
    said = Given(2, ["slow"], "等得有点久") if place == 7 else Given(5, ["caring"], "很贴心")
    rate_ticket(ticket, said, actor=HIMSELF, now=ended)


def _in_hours(moment: datetime) -> datetime:
    """Return a moment between ten and nine in the evening of its day."""
    local = moment.astimezone(clock.SHANGHAI)
    return local.replace(hour=min(20, max(10, local.hour))) if not 10 <= local.hour < 21 else moment


def desk_of(now: datetime) -> Staff | None:
    """Return one of the service desk; None where nobody sits there."""
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(clock.local_day(now)), role="customer_service").first()
    return held.staff if held else None
