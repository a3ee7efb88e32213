"""What is said about a leave: its days in words, and who is told of what, in 消息 and by a push."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from guides.notices import services as notices
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from yejibao.core.scope import Actor
from yejibao.core.words import weekday

from .leave_models import LeaveRequest


def span(request: LeaveRequest) -> str:
    """Return 11-24 周二 至 11-26 周四, one day alone as itself, half days said."""
    first, last = request.starts_on, request.last_on
    start = f"{first:%m-%d} {weekday(first)}"
    if first == last:
        half = "下午" if request.starts_at_noon else "上午" if request.ends_at_noon and not request.back_on else ""
        return f"{start}{half}"
    end = f"{last:%m-%d} {weekday(last)}"
    until = "上午" if request.ends_at_noon and not request.back_on else ""
    return f"{start}{'下午' if request.starts_at_noon else ''} 至 {end}{until}"


def length(request: LeaveRequest) -> str:
    """Return 3 天, 1.5 天"""
    return f"{request.length:g} 天"


def tell_approvers(request: LeaveRequest, approvers: Sequence[int], *, now: datetime) -> None:
    """Tell whoever decides that somebody asks."""
    said = f"{request.staff.name}请{request.get_kind_display()}：{span(request)}"
    _tell(approvers, request, said, f"/m/leave/{request.pk}/", f"共 {length(request)}，等你批", now=now)


def tell_asker(request: LeaveRequest, *, now: datetime) -> None:
    """Tell who asked what came of it; nobody is asked about it any more."""
    settle(request, now=now)
    words = {
        LeaveRequest.State.APPROVED: _("请假批准了：%(span)s"),
        LeaveRequest.State.REFUSED: _("请假没同意：%(span)s"),
        LeaveRequest.State.RETURNED: _("请假要补充一下：%(span)s"),
    }
    said = str(words[LeaveRequest.State(request.state)] % {"span": span(request)})
    _tell([request.staff_id], request, said, f"/g/leave/{request.pk}/", request.answer, now=now)


def tell_ended(request: LeaveRequest, *, by: Actor, now: datetime) -> None:
    """Tell the other side that a leave is cancelled or ended early."""
    is_own = by.staff_id == request.staff_id
    who = f"{request.staff.name}的" if is_own else "你的"
    said = (
        f"{who}请假取消了"
        if request.state == LeaveRequest.State.CANCELLED
        else f"{who}请假改到 {request.last_on:%m-%d} 为止"
    )
    people = [one for one in (request.decided_by_id, request.approver_id) if one] if is_own else [request.staff_id]
    page = f"/m/leave/{request.pk}/" if is_own else f"/g/leave/{request.pk}/"
    _tell(sorted(set(people)), request, said, page, span(request), now=now)


def settle(request: LeaveRequest, *, now: datetime) -> None:
    """Nobody needs to decide on it any more."""
    notices.settle(_key(request), now=now)


def _key(request: LeaveRequest) -> str:
    return f"leave:{request.pk}"


def _tell(people: Sequence[int], request: LeaveRequest, said: str, page: str, text: str, *, now: datetime) -> None:
    tell_and_push([(pk, Notice("approval", _key(request), said, page, text)) for pk in people], now=now, priority=3)
