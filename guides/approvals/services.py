"""Four eyes: one person asks, others approve; then what was asked is carried out, in the same transaction.

For any room above this one. Who approves is data (data/four_eyes.yaml), here is how it goes:

    waits = ask_approval("member.export", key=f"export:{job.pk}", title="导出 3,200 位会员（不含手机号）", reason="…",
                         unit=branch_unit, facts={"job": job.pk}, url="/hq/exports/", actor=actor, now=now)

    @on_decided("member.export")            # in the room's handlers.py
    def go_on_with_export(approval: Approval, *, actor: Actor, now: datetime) -> None:
        match approval.state: case "approved": …; case _: …       # refused, withdrawn, expired

`actor` is who gave the last approval (the asker on withdrawal, the system on expiry). A handler that refuses by a
DomainError undoes the decision, and the person at the button reads why. Check what is allowed again there: days may lie
between asking and approving.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from guides.notices import services as notices
from guides.notices.services import Notice
from guides.org.models import OrgUnit, RoleAssignment, Staff
from yejibao.core import audit
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from .models import Approval, ApprovalStep
from .rules import kinds
from .scoped import in_hand

State = Approval.State
PAGE = "/me/approvals/"


class NotYoursToAsk(Forbidden):
    code, title = "perm.approval.ask", _("这件事不能由你来申请")


class NotYoursToApprove(Forbidden):
    code, title = "perm.approval.decide", _("这件事要由别人来批")


class OwnRequest(NotYoursToApprove):
    code, title = "perm.approval.own", _("自己的申请不能自己批")


class AlreadyAsked(Conflict):
    code, title = "approval.waits", _("已经申请过了，正在等审批")


class Ended(Conflict):
    code, title = "approval.ended", _("这个申请已经有结果了")


class Handler(Protocol):
    def __call__(self, approval: Approval, *, actor: Actor, now: datetime) -> None: ...


_handlers: dict[str, Handler] = {}


def on_decided(kind: str) -> Callable[[Handler], Handler]:
    """Register what happens when a request of a kind has ended, whichever way. Raises KeyError for an unknown kind."""
    known = kinds()[kind].key

    def register(handler: Handler) -> Handler:
        _handlers[known] = handler
        return handler

    return register


@transaction.atomic
def ask_approval(
    kind: str,
    *,
    key: str,
    title: str,
    reason: str,
    actor: Actor,
    now: datetime,
    unit: OrgUnit | None = None,
    facts: dict[str, Any] | None = None,
    url: str = "",
) -> Approval:
    """Ask for what needs a second pair of eyes; those who may approve are told. `unit` None means the whole company.

    `key` names what it is about, `title` says it in one Chinese line without personal data. Raises NotYoursToAsk, Invalid
    without a reason, AlreadyAsked while the same waits.
    """
    rule = kinds()[kind]
    role = rule.asking_role(actor)
    if not role or actor.staff_id is None:
        raise NotYoursToAsk()
    if len(reason.strip()) < 2:
        raise Invalid(
            _("请写明原因"), errors=[{"field": "reason", "code": "required", "message": str(_("请写明原因"))}]
        )
    place = unit or OrgUnit.objects.get(level=OrgUnit.Level.HQ)
    try:
        with transaction.atomic():
            approval = Approval.objects.create(
                kind=kind, key=key[:64], title=title[:120], reason=reason.strip()[:255], url=url, unit=place,
                facts=facts or {}, asked_by_id=actor.staff_id, asked_role=role, asked_at=now, ends_at=now + rule.lasts,
            )  # fmt: skip
    except IntegrityError:
        raise AlreadyAsked() from None
    steps = [
        ApprovalStep(approval=approval, number=number, roles=list(roles))
        for number, roles in enumerate(rule.approvals[role], start=1)
    ]
    ApprovalStep.objects.bulk_create(steps)
    audit.record(actor, "approval.asked", approval, after={"kind": kind, "title": approval.title}, reason=reason)
    deciders = people_who_may_approve(approval, day=local_day(now)).exclude(pk=actor.staff_id)
    said = f"{actor.name}申请：{title}"
    notices.tell(deciders, Notice("approval", _key(approval), said, _page(approval), reason), now=now)
    return approval


@transaction.atomic
def approve(approval: Approval, *, actor: Actor, now: datetime, answer: str = "") -> Approval:
    """Give one of the approvals that are missing; the last one carries out what was asked.

    Raises OwnRequest, NotYoursToApprove or Ended.
    """
    held = _lock(approval, now=now)
    step = _step_for(held, actor)
    _decide(step, actor=actor, is_approved=True, answer=answer, now=now)
    audit.record(actor, "approval.given", held, after={"kind": held.kind, "step": step.number}, reason=answer)
    if held.steps.filter(by=None).exists():
        return held
    return _end(held, State.APPROVED, actor=actor, now=now, said=f"批准了：{held.title}", answer=answer)


@transaction.atomic
def refuse(approval: Approval, *, actor: Actor, now: datetime, answer: str) -> Approval:
    """Say no, with a word why. One no ends it. Raises OwnRequest, NotYoursToApprove, Ended or Invalid."""
    if len(answer.strip()) < 2:
        raise Invalid(
            _("写一句为什么不同意"), errors=[{"field": "answer", "code": "required", "message": "写一句为什么不同意"}]
        )
    held = _lock(approval, now=now)
    _decide(_step_for(held, actor), actor=actor, is_approved=False, answer=answer, now=now)
    audit.record(actor, "approval.refused", held, after={"kind": held.kind}, reason=answer)
    return _end(held, State.REFUSED, actor=actor, now=now, said=f"没同意：{held.title}", answer=answer)


@transaction.atomic
def withdraw(approval: Approval, *, actor: Actor, now: datetime) -> Approval:
    """Take back one's own request. Raises NotYoursToAsk or Ended."""
    held = _lock(approval, now=now)
    if held.asked_by_id != actor.staff_id:
        raise NotYoursToAsk(_("只能撤回自己的申请"))
    audit.record(actor, "approval.withdrawn", held, after={"kind": held.kind})
    return _end(held, State.WITHDRAWN, actor=actor, now=now)


def expire_approvals(*, now: datetime) -> dict[str, int]:
    """End what nobody decided in time; whoever asked is told."""
    ended = 0
    for pk in list(Approval.objects.filter(state=State.ASKED, ends_at__lte=now).values_list("pk", flat=True)):
        with transaction.atomic():
            held = Approval.objects.select_for_update().filter(pk=pk, state=State.ASKED).first()
            if held is not None:
                audit.record(Actor.system(), "approval.expired", held, after={"kind": held.kind})
                _end(held, State.EXPIRED, actor=Actor.system(), now=now, said=f"过期没人批：{held.title}")
                ended += 1
    return {"ended": ended}


def people_who_may_approve(approval: Approval, *, day: Any) -> Any:
    """Return those who hold a role that may still approve, over the request's unit or one above it."""
    roles = {role for step in approval.steps.filter(by=None) for role in step.roles}
    above = [int(part) for part in (approval.unit.path or "").split("/") if part]
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role__in=roles, unit_id__in=above)
    return Staff.objects.employed().filter(pk__in=held.values("staff_id"))


# ---------------------------------------------------------------- one row, locked


def _lock(approval: Approval, *, now: datetime) -> Approval:
    """Take the row until the end of the transaction. Raises Ended."""
    held = Approval.objects.select_for_update().get(pk=approval.pk)
    if held.state != State.ASKED or held.ends_at <= now:
        raise Ended()
    return held


def _step_for(held: Approval, actor: Actor) -> ApprovalStep:
    """Return the approval that is missing and his to give, the first in order."""
    if held.asked_by_id == actor.staff_id:
        raise OwnRequest()
    step = in_hand(actor).filter(approval=held, by=None).order_by("number").first()
    if step is None or held.steps.filter(by_id=actor.staff_id).exists():
        raise NotYoursToApprove()
    return step


def _decide(step: ApprovalStep, *, actor: Actor, is_approved: bool, answer: str, now: datetime) -> None:
    ApprovalStep.objects.filter(pk=step.pk).update(
        by_id=actor.staff_id, is_approved=is_approved, answer=answer.strip()[:255], at=now
    )


def _end(held: Approval, state: State, *, actor: Actor, now: datetime, said: str = "", answer: str = "") -> Approval:
    """Write how it ended, do what follows from it, tell who asked; nobody is asked about it any more."""
    held.state, held.decided_at = state, now
    held.save(update_fields=["state", "decided_at"])
    if handler := _handlers.get(held.kind):
        handler(held, actor=actor, now=now)
    notices.settle(_key(held), now=now)
    if said:
        notices.tell_each([(held.asked_by_id, Notice("approval", _key(held), said, _page(held), answer))], now=now)
    return held


def _key(approval: Approval) -> str:
    return f"approval:{approval.pk}"


def _page(approval: Approval) -> str:
    return f"{PAGE}{approval.pk}/"
