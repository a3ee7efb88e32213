"""A member goes to another guide: at once within the stores one answers for, else one asks and whoever answers for both approves."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from guides.approvals.models import Approval
from guides.approvals.services import ask_approval, on_decided
from guides.org import matrix
from guides.org.models import OrgUnit, Staff
from yejibao.core import reading, together
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.personal import mask_name
from yejibao.core.scope import Actor

from .ownership import NotWorking, change_owner, may_give_to

KIND = "member.change_owner"
ACROSS = "member.change_owner_across"
MAY = matrix.holders(ACROSS)  # who may give or ask at all; how far, their reach says


def give_or_ask(member: Member, *, to: Staff, actor: Actor, reason: str, now: datetime) -> Approval | None:
    """Give a member to a guide: at once where the actor answers for both, else by a request, which is returned.

    Raises what `change_owner` and `ask_new_owner` raise.
    """
    if may_give_to(actor, to):
        change_owner(member, to=to, actor=actor, reason=reason, now=now)
        return None
    return ask_new_owner(member, to=to, actor=actor, reason=reason, now=now)


@transaction.atomic
def ask_new_owner(member: Member, *, to: Staff, actor: Actor, reason: str, now: datetime) -> Approval:
    """Ask to give a member to a guide of another store (四眼: four_eyes.yaml, member.change_owner).

    Within one's own stores nobody asks: `change_owner`. Raises NotFound, NotWorking, Invalid, NotYoursToAsk, AlreadyAsked.
    """
    if not Member.objects.visible_to(actor).filter(pk=member.pk).exists():
        raise NotFound()
    if to.state not in Staff.MAY_SIGN_IN or to.store is None:
        raise NotWorking()
    if member.main_store is None or to.store_id == member.main_store_id:
        raise Invalid(_("同店的会员直接换导购，不用申请"))
    return ask_approval(
        KIND, key=_key(member), unit=_above_both(member.main_store.unit, to.store.unit), reason=reason,
        title=f"会员{mask_name(member.name)}换到{to.store.short_name}，由{to.name}跟进",
        facts={"member": member.pk, "to": to.pk}, actor=actor, now=now,
    )  # fmt: skip


# The request about his guide that waits, where the actor may see it.
ASKED = together.Read(
    "asked",
    together.first(
        f"""guides_approval x WHERE x.kind = '{KIND}' AND x.key = 'member:' || m.id AND x.state = 'asked'
        AND x.id IN (%(scope)s)""",
        "x.id DESC",
    ),
    lambda row: reading.row_of(Approval, row) if row else None,
    scope=partial(together.visible_ids, Approval),
)


def asked_for(member: Member, actor: Actor) -> Approval | None:
    """Return the request about this member's guide that waits, where the actor may see it."""
    waiting = Approval.objects.visible_to(actor).filter(kind=KIND, key=_key(member), state=Approval.State.ASKED)
    return waiting.order_by("-pk").first()


@on_decided(KIND)
def give_to_new_owner(approval: Approval, *, actor: Actor, now: datetime) -> None:
    """Approved: give him, as whoever approved; the guide may have left or the reach ended since, then it is refused."""
    if approval.state == Approval.State.APPROVED:
        member = Member.objects.get(pk=approval.facts["member"])
        change_owner(
            member, to=Staff.objects.get(pk=approval.facts["to"]), actor=actor, reason=approval.reason, now=now
        )


def _key(member: Member) -> str:
    return f"member:{member.pk}"


def _above_both(one: OrgUnit, other: OrgUnit) -> OrgUnit:
    """Return the nearest unit above two stores: who approves reaches it, and with it both."""
    shared = [
        mine
        for mine, theirs in zip((one.path or "").split("/"), (other.path or "").split("/"), strict=False)
        if mine and mine == theirs
    ]
    return OrgUnit.objects.get(pk=int(shared[-1]))
