"""Whose a member is: changed by a manager, or inherited when a guide leaves."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Count, Q
from django.utils.translation import gettext_lazy as _

from crm.events import HeirNamed, MemberChanged
from crm.members.models import FriendLink, GuideHandover, Member, OwnershipTransfer
from crm.members.scoped import HEIR_ROLES
from crm.members.services import transfers
from crm.members.services.locking import lock_members
from guides.org.models import RoleAssignment, Staff, Store
from guides.org.queries import heads_of_stores
from guides.org.scoped import under_grants
from yejibao.core import audit, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor

DECIDE_WITHIN = timedelta(hours=24)  # then the proposal is applied


class NotHisToGive(Forbidden):
    code, title = "perm.member.change_owner", _("你不能把会员交给这位导购")


class NotWorking(Invalid):
    code, title = "owner.not_working", _("这位导购不在职，请另选一位")


class AlreadyHandedOver(Conflict):
    code, title = "handover.done", _("已经交接完成")


@transaction.atomic
def change_owner(member: Member, *, to: Staff, actor: Actor, reason: str, now: datetime) -> Member:
    """Give a member to another guide, within the stores the actor answers for; the reason is kept."""
    if not reason.strip():
        raise Invalid(
            _("请写明原因"), errors=[{"field": "reason", "code": "required", "message": str(_("请写明原因"))}]
        )
    if not Member.objects.visible_to(actor).filter(pk=member.pk).exists():
        raise NotFound()
    _check_may_give(actor, to)
    held = Member.objects.select_for_update(no_key=True, of=("self",)).get(pk=member.pk)
    if held.owner_guide_id == to.pk:
        return held
    OwnershipTransfer.objects.create(
        member=held, from_guide_id=held.owner_guide_id, to_guide=to, reason="manager", at=now
    )
    audit.record(
        actor,
        "member.owner_changed",
        held,
        before={"owner_guide": held.owner_guide_id},
        after={"owner_guide": to.pk},
        reason=reason,
    )
    member.owner_guide = held.owner_guide = to
    held.save(update_fields=["owner_guide"])
    outbox.publish(MemberChanged(held.pk, "owner"))
    return held


def _check_may_give(actor: Actor, to: Staff) -> None:
    if not actor.may("member.change_owner"):
        raise NotHisToGive()
    if to.state not in Staff.MAY_SIGN_IN or to.store_id is None:
        raise NotWorking()
    reach = under_grants(actor.reach(*HEIR_ROLES), path="unit__path", store="pk")
    if not actor.is_system and not Store.objects.filter(reach, pk=to.store_id).exists():
        raise NotHisToGive()


# ---------------------------------------------------------------- a guide left


def default_heir(guide: Staff, *, now: datetime) -> Staff | None:
    """Return who inherits if nobody picks: of the guides of the same store the one with the fewest active members.

    A store without another guide: its manager; None where there is neither (a closed store, say).
    """
    if guide.store_id is None:
        return None
    day = local_day(now)
    roles = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role="guide").values("staff_id")
    heir = (
        Staff.objects.filter(store_id=guide.store_id, state=Staff.State.ACTIVE, pk__in=roles)
        .exclude(pk=guide.pk)
        .annotate(load=Count("members", filter=Q(members__status=Member.Status.ACTIVE)))
        .order_by("load", "pk")
        .first()
    )
    if heir:
        return heir
    manager = heads_of_stores([guide.store_id], role="store_manager", day=day).get(guide.store_id)
    return Staff.objects.filter(pk=manager).exclude(pk=guide.pk).first()


@transaction.atomic
def propose_heir(staff_id: int, *, resigned_at: datetime, now: datetime) -> GuideHandover | None:
    """Open the handover of somebody who left, with the default heir proposed. Safe to run twice; None for office staff."""
    guide = Staff.objects.get(pk=staff_id)
    if guide.store_id is None:
        return None
    handover, _created = GuideHandover.objects.get_or_create(
        guide=guide, defaults={"heir": default_heir(guide, now=now), "left_at": resigned_at, "store_id": guide.store_id}
    )
    return handover


@transaction.atomic
def choose_heir(handover: GuideHandover, *, heir: Staff, actor: Actor, now: datetime) -> GuideHandover:
    """Let the manager name the heir, and hand over at once. Raises AlreadyHandedOver, NotWorking or NotHisToGive."""
    guide = Staff.objects.select_related("store").get(pk=handover.guide_id)
    if not _receives_closed_store(guide.store, heir, actor=actor, now=now):
        _check_may_give(actor, heir)
    if not actor.is_system and not GuideHandover.objects.visible_to(actor).filter(pk=handover.pk).exists():
        raise NotFound()
    if heir.pk == guide.pk:
        raise NotWorking()
    return _hand_over(handover.pk, heir=heir, actor=actor, now=now)


def _receives_closed_store(store: Store | None, heir: Staff, *, actor: Actor, now: datetime) -> bool:
    """Tell whether this is a region manager naming the receiving store of a closed one: its manager becomes the heir.

    Source: followup_3369.yaml, assignment.guide_resigned, store closed.
    """
    day = local_day(now)
    if store is None or store.closed_on is None or store.closed_on > day or heir.store_id in (None, store.pk):
        return False
    reach = under_grants(actor.reach("region_manager"), path="unit__path", store="pk")
    if Store.objects.filter(reach, pk__in=[store.pk, heir.store_id]).count() < 2:
        return False
    return heads_of_stores([heir.store_id], role="store_manager", day=day).get(heir.store_id) == heir.pk


def apply_due_handovers(*, now: datetime) -> dict[str, int]:
    """Apply the proposals nobody decided on within 24 hours."""
    due = GuideHandover.objects.filter(
        state=GuideHandover.State.PROPOSED, left_at__lte=now - DECIDE_WITHIN
    ).select_related("guide", "heir")
    tally = {"handed_over": 0, "without_heir": 0}
    for handover in due.order_by("pk"):
        heir = handover.heir
        if heir is None or heir.state not in Staff.MAY_SIGN_IN:
            heir = default_heir(handover.guide, now=now)
        if heir is None:
            tally["without_heir"] += 1
            continue
        try:
            _hand_over(handover.pk, heir=heir, actor=Actor.system(), now=now)
        except AlreadyHandedOver:
            continue
        tally["handed_over"] += 1
    return tally


@transaction.atomic
def _hand_over(handover_id: int, *, heir: Staff, actor: Actor, now: datetime) -> GuideHandover:
    """Move the members with one statement, keep a row for each, and tell that there is an heir."""
    handover = GuideHandover.objects.select_for_update().get(pk=handover_id)
    if handover.state != GuideHandover.State.PROPOSED:
        raise AlreadyHandedOver()
    before = handover.heir_id
    handover.heir, handover.state, handover.decided_at = heir, GuideHandover.State.DONE, now
    handover.decided_by_id = actor.staff_id
    handover.save(update_fields=["heir", "state", "decided_at", "decided_by"])
    lock_members(Member.objects.filter(owner_guide_id=handover.guide_id).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH moved AS (
                UPDATE crm_member SET owner_guide_id = %(heir)s WHERE owner_guide_id = %(guide)s RETURNING id
            )
            INSERT INTO crm_ownershiptransfer (member_id, from_guide_id, to_guide_id, reason, handover_id, at)
            SELECT id, %(guide)s, %(heir)s, 'resigned', %(handover)s, %(now)s FROM moved
            """,
            {"heir": heir.pk, "guide": handover.guide_id, "handover": handover.pk, "now": now},
        )
        moved = cursor.rowcount
    friends = FriendLink.objects.filter(guide_id=handover.guide_id, state=FriendLink.State.FRIEND, ended_at=None)
    links = list(friends.values_list("pk", flat=True))
    FriendLink.objects.filter(pk__in=links).update(state=FriendLink.State.PENDING_TRANSFER)
    transfers.plan(links, taker=heir, is_resigned=True, now=now, handover_id=handover.pk)
    audit.record(
        actor,
        "member.handed_over",
        handover,
        before={"proposed": before},
        after={"heir": heir.pk, "members": moved},
        reason="离职交接",
    )
    outbox.publish(HeirNamed(handover.pk))
    return handover
