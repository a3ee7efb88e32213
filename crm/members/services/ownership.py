"""Whose a member is, and who may be given members."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.events import MemberChanged
from crm.members.models import Member, OwnershipTransfer
from crm.members.scoped import HEIR_ROLES
from guides.org.models import Staff, Store
from guides.org.queries import heads_of_stores
from guides.org.scoped import under_grants
from yejibao.core import audit, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor


class NotHisToGive(Forbidden):
    code, title = "perm.member.change_owner", _("你不能把会员交给这位导购")


class NotWorking(Invalid):
    code, title = "owner.not_working", _("这位导购不在职，请另选一位")


@transaction.atomic
def change_owner(member: Member, *, to: Staff, actor: Actor, reason: str, now: datetime) -> Member:
    """Give a member to another guide, within the stores the actor answers for; the reason is kept.

    With a guide of another store he changes his main store: her manager looks after him from now on.
    """
    if not reason.strip():
        raise Invalid(
            _("请写明原因"), errors=[{"field": "reason", "code": "required", "message": str(_("请写明原因"))}]
        )
    if not Member.objects.visible_to(actor).filter(pk=member.pk).exists():
        raise NotFound()
    check_may_give(actor, to)
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
        before={"owner_guide": held.owner_guide_id, "main_store": held.main_store_id},
        after={"owner_guide": to.pk, "main_store": to.store_id},
        reason=reason,
    )
    member.owner_guide = held.owner_guide = to
    member.main_store = held.main_store = to.store
    held.save(update_fields=["owner_guide", "main_store"])
    outbox.publish(MemberChanged(held.pk, "owner"))
    return held


def check_may_give(actor: Actor, to: Staff) -> None:
    """Raise NotHisToGive or NotWorking where the actor may not give members to this person."""
    if not actor.may("member.change_owner"):
        raise NotHisToGive()
    if to.state not in Staff.MAY_SIGN_IN or to.store_id is None:
        raise NotWorking()
    if not may_give_to(actor, to):
        raise NotHisToGive()


def may_give_to(actor: Actor, to: Staff) -> bool:
    """Tell whether this person's store is among those the actor answers for."""
    reach = under_grants(actor.reach(*HEIR_ROLES), path="unit__path", store="pk")
    return actor.is_system or Store.objects.filter(reach, pk=to.store_id or 0).exists()


def receives_closed_store(store: Store | None, heir: Staff, *, actor: Actor, now: datetime) -> bool:
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
