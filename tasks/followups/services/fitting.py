"""要换要改: from the third-day question to an after-sale ticket, in one tap."""

from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.aftersale.models import Ticket
from crm.aftersale.services import move_ticket, open_ticket, set_pickup
from crm.members.services import lock_members
from tasks.followups.models import Task
from yejibao.core import clock
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.scope import Actor

from ..queries.day import label_of
from .guards import lock, may_act

FIT_KINDS = (Ticket.Kind.EXCHANGE_SIZE, Ticket.Kind.EXCHANGE_ITEM, Ticket.Kind.ALTERATION)
CHANNEL = "wecom_chat"
PICKUP_WITHIN = timedelta(days=30)
TAKE_BACK_WITHIN = timedelta(minutes=10)


class NothingToFit(Conflict):
    code, title = "task.no_fit_problem", _("先在结果里点「要换要改」")


def fit_ticket(task: Task) -> Ticket | None:
    """Return the unfinished ticket about the fit of what a task is about, if there is one."""
    if task.order_id is None:
        return None
    tickets = Ticket.objects.filter(order_id=task.order_id, member_id=task.member_id, kind__in=FIT_KINDS)
    return tickets.unfinished().order_by("pk").first()


def may_take_back(ticket: Ticket, *, now: datetime) -> bool:
    """Tell whether a ticket was opened by a tap just now and nobody has worked on it."""
    return ticket.state == "new" and ticket.channel == CHANNEL and now <= ticket.opened_at + TAKE_BACK_WITHIN


@transaction.atomic
def open_fit_ticket(
    task: Task, *, kind: str, actor: Actor, now: datetime, pickup_on: date | None = None
) -> tuple[Ticket, bool]:
    """Open a ticket for the order of a task whose outcome is 要换要改; return it and whether it is new.

    One unfinished ticket of these kinds an order: a second tap gets the first one, whatever it asked for. `pickup_on`
    is when an altered piece can be collected; it is also kept for a ticket that is there already.
    Raises NotYourTask, NothingToFit or Invalid.
    """
    may_act(lock(task), actor)
    if task.state != Task.State.DONE or task.outcome != "fit_problem" or task.order is None:
        raise NothingToFit()
    if kind not in FIT_KINDS:
        raise Invalid(errors=[{"field": "kind", "code": "choice", "message": "选换尺码、换款或改衣"}])
    pickup_at = _pickup_at(task, pickup_on, now) if kind == Ticket.Kind.ALTERATION and pickup_on else None
    lock_members([task.member_id])  # another task of the same order waits here
    ticket = fit_ticket(task)
    if ticket is None:
        about = label_of(task.task_type, task.node)
        return open_ticket(
            task.member, kind=kind, actor=actor, now=now, order=task.order, channel=CHANNEL, topic=about,
            description=f"{about}里会员说要{Ticket.Kind(kind).label}：{_items(task)}", pickup_at=pickup_at,
        ), True  # fmt: skip
    if pickup_at and ticket.kind == kind and ticket.pickup_at != pickup_at:
        set_pickup(ticket, pickup_at=pickup_at, actor=actor, now=now)
    return ticket, False


@transaction.atomic
def take_back_fit_ticket(task: Task, *, actor: Actor, now: datetime) -> None:
    """Cancel a ticket opened by mistake a moment ago. Raises NotYourTask, or Conflict once it is somebody's work."""
    may_act(lock(task), actor)
    ticket = fit_ticket(task)
    if ticket is None:
        return
    if not may_take_back(ticket, now=now):
        raise Conflict(_("这张售后单已经在办了，不能撤销"))
    move_ticket(ticket, to="cancelled", actor=actor, now=now, reason="点错了")


def _pickup_at(task: Task, day: date, now: datetime) -> datetime:
    today = clock.local_day(now)
    if not today <= day <= today + PICKUP_WITHIN:
        raise Invalid(_("取衣日期要在今天到 30 天以内"))
    return clock.local_moment(day, task.store.closes_at if task.store else time(22))


def _items(task: Task) -> str:
    """`藏青羊毛套西 175/92A`, for whoever picks the ticket up."""
    found = []
    for item in (task.context.get("items") or [])[:3]:
        name, color = item.get("name") or "衣服", item.get("color") or ""
        found.append(" ".join(filter(None, [name if color in name else f"{color}{name}", item.get("size")])))
    return "、".join(found) or f"单号 {task.order.number if task.order else ''}"
