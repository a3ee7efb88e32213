"""A guide gives her members away: she left, changed the store, goes on a long leave or passes them on.

From the proposal to the last friend.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from crm.events import HeirNamed
from crm.members.models import FriendTransfer, GuideHandover, Member, OwnershipTransfer
from crm.members.services import passing_on
from crm.members.services.locking import lock_members
from crm.members.services.ownership import NotWorking, check_may_give, receives_closed_store
from crm.members.services.plans import Plan, give_members
from guides.notices.services import Notice, tell_each
from guides.org.models import RoleAssignment, Staff
from guides.org.queries import heads_of_stores
from yejibao.core import audit, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Invalid, NotFound, Stale
from yejibao.core.scope import Actor

# Then the proposal is applied; nobody waits for that on a long leave or where she stays.
DECIDE_WITHIN = timedelta(hours=24)
Reason = GuideHandover.Reason
State = GuideHandover.State


class AlreadyHandedOver(Conflict):
    code, title = "handover.done", _("已经交接完成")


class PlanChanged(Stale):
    code, title = "handover.plan_changed", _("方案刚被别人改过，看看新的再定")


class NobodyTakes(Invalid):
    code, title = "handover.nobody", _("至少选一位接手的人")


class AlreadyOpen(Conflict):
    code, title = "handover.open", _("他已经有一份交接在等确认")


def default_heir(guide: Staff, *, now: datetime, store_id: int | None = None) -> Staff | None:
    """Return who inherits if nobody picks: of the guides of the same store the one with the fewest active members.

    A store without another guide: its manager; None where there is neither (a closed store, say).
    """
    store_id = store_id or guide.store_id
    if store_id is None:
        return None
    day = local_day(now)
    roles = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role="guide").values("staff_id")
    heir = (
        Staff.objects.filter(store_id=store_id, state=Staff.State.ACTIVE, pk__in=roles)
        .exclude(pk=guide.pk)
        .annotate(load=Count("members", filter=Q(members__status=Member.Status.ACTIVE)))
        .order_by("load", "pk")
        .first()
    )
    if heir:
        return heir
    manager = heads_of_stores([store_id], role="store_manager", day=day).get(store_id)
    return Staff.objects.filter(pk=manager).exclude(pk=guide.pk).first()


@transaction.atomic
def open_handover(
    guide: Staff, *, reason: str, store_id: int | None, left_at: datetime, now: datetime
) -> GuideHandover | None:
    """Open a handover with the default heir proposed; an open one of the same guide goes on with the new reason.

    Safe to run twice; None for office staff.
    """
    if store_id is None:
        return None
    same = GuideHandover.objects.filter(guide=guide, reason=reason)
    if known := same.filter(
        Q(reason=Reason.RESIGNED) | Q(state=State.PROPOSED) | Q(reason=Reason.MOVED_STORE, left_at=left_at)
    ).first():
        return known
    if reason == Reason.RESIGNED:  # what was planned as passed on by a colleague is asked for as 离职继承 now
        FriendTransfer.objects.filter(giver=guide, state=FriendTransfer.State.PLANNED).delete()
    facts = {
        "reason": reason, "store_id": store_id, "left_at": left_at, "plan": {}, "version": 0,
        "heir": default_heir(guide, store_id=store_id, now=now),
    }  # fmt: skip
    handover, _created = GuideHandover.objects.update_or_create(guide=guide, state=State.PROPOSED, defaults=facts)
    return handover


def propose_heir(staff_id: int, *, resigned_at: datetime, now: datetime) -> GuideHandover | None:
    """Open the handover of somebody who left. Safe to run twice; None for office staff."""
    guide = Staff.objects.get(pk=staff_id)
    return open_handover(guide, reason=Reason.RESIGNED, store_id=guide.store_id, left_at=resigned_at, now=now)


@transaction.atomic
def plan_giving(guide: Staff, *, reason: str, actor: Actor, now: datetime) -> GuideHandover:
    """Open the handover of somebody who works here and whose members are to get new guides; she keeps none.

    `reason`: long_leave, or given where she stays.

    A leave with an end is no handover: the backup does her work (followup_3369.yaml, guide_on_leave). Raises AlreadyOpen.
    """
    if reason not in GuideHandover.NEVER_BY_ITSELF:
        raise Invalid(_("选一下为什么交"))
    check_may_give(actor, guide)
    Staff.objects.select_for_update(no_key=True).get(pk=guide.pk)  # of two at once one sees the other's
    if GuideHandover.objects.filter(guide=guide, state=State.PROPOSED).exists():
        raise AlreadyOpen()
    handover = open_handover(guide, reason=reason, store_id=guide.store_id, left_at=now, now=now)
    if handover is None:
        raise NotWorking()
    audit.record(actor, "handover.opened", handover, after={"guide": guide.pk, "reason": handover.reason})
    return handover


@transaction.atomic
def withdraw_handover(handover: GuideHandover, *, actor: Actor, now: datetime) -> GuideHandover:
    """Drop a handover before it is confirmed: she stays after all. Not of somebody who left."""
    held = _open(handover, actor)
    if held.is_resigned:
        raise Invalid(_("人已经离职，会员总要有人接"))
    held.state, held.decided_at, held.decided_by_id = State.WITHDRAWN, now, actor.staff_id
    held.save(update_fields=["state", "decided_at", "decided_by"])
    audit.record(actor, "handover.withdrawn", held)
    return held


# ---------------------------------------------------------------- the plan


@transaction.atomic
def save_plan(handover: GuideHandover, *, plan: Plan, version: int, actor: Actor, now: datetime) -> GuideHandover:
    """Keep a changed plan; `version` is the one it was made from. Raises AlreadyHandedOver or PlanChanged."""
    held = _open(handover, actor)
    if held.version != version:
        raise PlanChanged()
    _check(held, plan, actor=actor, now=now)
    held.plan, held.version = plan.as_json(), version + 1
    held.save(update_fields=["plan", "version"])
    return held


@transaction.atomic
def confirm_plan(handover: GuideHandover, *, plan: Plan, version: int, actor: Actor, now: datetime) -> GuideHandover:
    """Hand over as the plan says, once. Raises AlreadyHandedOver, PlanChanged, NotWorking or NotHisToGive."""
    held = _open(handover, actor)
    if held.version != version:
        raise PlanChanged()
    _check(held, plan, actor=actor, now=now)
    return _hand_over(held, plan=plan, actor=actor, now=now)


@transaction.atomic
def choose_heir(handover: GuideHandover, *, heir: Staff, actor: Actor, now: datetime) -> GuideHandover:
    """Give all members to one, at once, whatever plan there was. Raises AlreadyHandedOver, NotWorking or NotHisToGive."""
    plan = Plan(takers=(heir.pk,))
    _check(handover, plan, actor=actor, now=now)
    return _hand_over(_open(handover, actor), plan=plan, actor=actor, now=now)


def apply_due_handovers(*, now: datetime) -> dict[str, int]:
    """Apply the handovers nobody confirmed within 24 hours: as last saved, else all to the default heir."""
    due = (
        GuideHandover.objects.filter(state=State.PROPOSED, left_at__lte=now - DECIDE_WITHIN)
        .exclude(reason__in=GuideHandover.NEVER_BY_ITSELF)
        .select_related("guide", "heir")
    )
    tally = {"handed_over": 0, "without_heir": 0}
    for handover in due.order_by("pk"):
        with transaction.atomic():
            held = GuideHandover.objects.select_for_update(of=("self",)).select_related("guide").get(pk=handover.pk)
            if held.state != State.PROPOSED:
                continue
            plan = _working_plan(held, now=now)
            if plan is None:
                tally["without_heir"] += 1
                continue
            _hand_over(held, plan=plan, actor=Actor.system(), now=now)
            tally["handed_over"] += 1
    return tally


def _working_plan(handover: GuideHandover, *, now: datetime) -> Plan | None:
    """Return the saved plan if all it names still work here, else the heir, else whoever would be proposed today."""
    plan = Plan.of(handover)
    if plan and Staff.objects.employed().filter(pk__in=plan.people).count() == len(plan.people):
        return plan
    heir = handover.heir
    if heir is None or heir.state not in Staff.MAY_SIGN_IN:
        heir = default_heir(handover.guide, store_id=handover.store_id, now=now)
    return Plan(takers=(heir.pk,)) if heir else None


def _open(handover: GuideHandover, actor: Actor) -> GuideHandover:
    """Return the handover, locked, while it waits. Raises AlreadyHandedOver, or NotFound for one out of sight."""
    if not actor.is_system and not GuideHandover.objects.visible_to(actor).filter(pk=handover.pk).exists():
        raise NotFound()
    held = GuideHandover.objects.select_for_update(of=("self",)).select_related("guide", "store").get(pk=handover.pk)
    if held.state != State.PROPOSED:
        raise AlreadyHandedOver()
    return held


def _check(handover: GuideHandover, plan: Plan, *, actor: Actor, now: datetime) -> None:
    """Raise unless everybody the plan names may take over, in the store the actor answers for."""
    if plan.heir_id is None:
        raise NobodyTakes()
    people = {one.pk: one for one in Staff.objects.filter(pk__in=plan.people)}
    for pk in plan.people:
        person = people.get(pk)
        if person is None or pk in plan.takers and pk == handover.guide_id:
            raise NotWorking()
        if pk == handover.guide_id:
            if not handover.may_go_along:
                raise NotWorking()
        elif not receives_closed_store(handover.store, person, actor=actor, now=now):
            check_may_give(actor, person)


def _hand_over(handover: GuideHandover, *, plan: Plan, actor: Actor, now: datetime) -> GuideHandover:
    """Move the members and plan their friends' transfers. Call with the handover locked and open."""
    before = handover.heir_id
    handover.plan, handover.heir_id, handover.state = plan.as_json(), plan.heir_id, State.DONE
    handover.decided_at, handover.decided_by_id = now, actor.staff_id
    handover.save(update_fields=["plan", "heir", "state", "decided_at", "decided_by"])
    lock_members(Member.objects.filter(owner_guide_id=handover.guide_id).values_list("pk", flat=True))
    moved, along = give_members(handover, plan, now=now)
    friends = passing_on.plan_handover(handover.pk, heir_id=plan.heir_id, now=now)
    audit.record(
        actor,
        "member.handed_over",
        handover,
        before={"proposed": before},
        after={
            "heir": plan.heir_id,
            "members": sum(moved.values()),
            "along": along,
            "friends": friends,
            "plan": handover.plan,
        },
        reason="会员转交" if handover.reason == Reason.GIVEN else f"{handover.get_reason_display()}交接",
    )
    _tell_takers(handover, moved, now=now)
    outbox.publish(HeirNamed(handover.pk))
    return handover


SAID = {
    Reason.RESIGNED: _("%(guide)s离职了，%(count)s 位会员交给你照顾"),
    Reason.MOVED_STORE: _("%(guide)s调店了，%(count)s 位会员交给你照顾"),
    Reason.LONG_LEAVE: _("%(guide)s休长假，%(count)s 位会员交给你照顾"),
    Reason.GIVEN: _("%(guide)s的 %(count)s 位会员转给你照顾"),
}


def _tell_takers(handover: GuideHandover, moved: Mapping[int, int], *, now: datetime, key: str = "") -> None:
    """Tell everybody who got members how many, and why; one statement. `key` names a later part of the same handover."""
    said, name = SAID[Reason(handover.reason)], handover.guide.display_name or handover.guide.name
    tell_each(
        [
            (
                taker,
                Notice(
                    kind="member",
                    key=f"handover:{handover.pk}{key}",
                    title=str(said % {"guide": name, "count": count}),
                    text=str(_("先给每位打个招呼，一天最多 20 位，都排在今日里。微信好友要等企业微信转过来。")),
                    url="/g/members/",
                ),
            )
            for taker, count in sorted(moved.items())
        ],
        now=now,
    )


# ---------------------------------------------------------------- what the platform or the member refused


@transaction.atomic
def replan(
    handover: GuideHandover, *, state: str, taker_id: int, to: Staff | None, actor: Actor, now: datetime, only: int = 0
) -> int:
    """Decide what becomes of the friends that did not go over to a taker: another one takes them, or they stay as they are.

    `state` is refused, taker_full or failed; `only` names one transfer. A member who refused is asked again when the
    platform's 24 hours are over; back to the leaver who still works here nothing has to be asked for. Returns how many.
    """
    if not actor.is_system and not GuideHandover.objects.visible_to(actor).filter(pk=handover.pk).exists():
        raise NotFound()
    held = GuideHandover.objects.select_for_update(of=("self",)).select_related("guide", "store").get(pk=handover.pk)
    if state not in FriendTransfer.UNDONE or held.state != State.DONE:
        raise Invalid()
    rows = FriendTransfer.objects.filter(handover=held, state=state, taker_id=taker_id, handled_at=None)
    rows = rows.filter(pk=only) if only else rows
    found = list(rows.select_for_update(of=("self",)).select_related("link").order_by("pk"))
    FriendTransfer.objects.filter(pk__in=[one.pk for one in found]).update(handled_at=now)
    if to is None or not found:
        return len(found)
    goes_back = to.pk == held.guide_id and not held.is_resigned
    if not goes_back and not receives_closed_store(held.store, to, actor=actor, now=now):
        check_may_give(actor, to)
    members = lock_members(one.link.member_id for one in found if one.link.member_id)
    owners = dict(Member.objects.filter(pk__in=members).exclude(owner_guide=to).values_list("pk", "owner_guide_id"))
    OwnershipTransfer.objects.bulk_create(
        [
            OwnershipTransfer(member_id=pk, from_guide_id=owner, to_guide=to, reason=held.reason, handover=held, at=now)
            for pk, owner in sorted(owners.items())
        ]
    )
    Member.objects.filter(pk__in=owners).update(owner_guide=to)
    if not goes_back:
        passing_on.plan_again([one.pk for one in found], taker_id=to.pk, now=now)
        if owners:
            _tell_takers(held, {to.pk: len(owners)}, now=now, key=f":{found[0].pk}")
    audit.record(
        actor, "handover.replanned", held, after={"state": state, "from": taker_id, "to": to.pk, "friends": len(found)}
    )
    outbox.publish(HeirNamed(held.pk))
    return len(found)
