"""A person says who a friend is: one of the candidates, several of them at once, or nobody of them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.friends.models import LinkReview
from crm.friends.services.linking import link_contact, unlink_contact
from crm.members.models import FriendLink, Member
from crm.members.services import merge_members
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.core.scope import Actor

State = LinkReview.State


class AlreadyDecided(Conflict):
    code, title = "review.decided", _("这位刚有人确认过了")


@transaction.atomic
def decide_review(
    review: LinkReview, *, answer: str, actor: Actor, now: datetime, member: Member | None = None
) -> LinkReview:
    """Close a review: `linked` to `member`, `merged` (all candidates are one, `member` stays) or `nobody`.

    Raises AlreadyDecided, NotFound, or Invalid for a member who is no candidate.
    """
    held = LinkReview.objects.select_for_update(of=("self",)).select_related("contact").get(pk=review.pk)
    if not LinkReview.objects.visible_to(actor).filter(pk=held.pk).exists():
        raise NotFound()
    if held.state != State.OPEN:
        raise AlreadyDecided()
    if answer not in LinkReview.ANSWERS or (
        answer != State.NOBODY and (member is None or member.pk not in held.candidate_ids)
    ):
        raise Invalid(_("从名单里选一位"))
    external = held.contact.external_user_id
    if answer == State.MERGED and member is not None:
        for other in Member.objects.filter(pk__in=held.candidate_ids, status=Member.Status.ACTIVE).exclude(
            pk=member.pk
        ):
            held.merge = merge_members(kept=member, gone=other, actor=actor, reason="好友关联时确认是同一个人", now=now)
    if answer == State.NOBODY:
        unlink_contact(external, actor=actor, now=now, reason="都不是")
    elif member is not None:
        linked = FriendLink.objects.filter(external_user_id=external, member__isnull=False).exclude(member=member)
        if linked.exists():
            unlink_contact(external, actor=actor, now=now, reason="改认另一位")
        link_contact(external, member, actor=actor, now=now, reason="关联待确认")
    held.state, held.member, held.decided_at, held.decided_by_id = answer, member, now, actor.staff_id
    held.save(update_fields=["state", "member", "merge", "decided_at", "decided_by"])
    audit.record(
        actor, "friend.review_decided", held, after={"answer": answer, "member": member.pk if member else None},
    )  # fmt: skip
    return held


@transaction.atomic
def undo_review(review: LinkReview, *, actor: Actor, now: datetime) -> LinkReview:
    """Open a decision again, seconds after it; a merge is taken back on its own page. Raises Conflict or NotFound."""
    held = LinkReview.objects.select_for_update(of=("self",)).select_related("contact").get(pk=review.pk)
    if not LinkReview.objects.visible_to(actor).filter(pk=held.pk).exists():
        raise NotFound()
    if held.state not in (State.LINKED, State.NOBODY):
        raise Conflict(_("合并要在合并记录里撤销"))
    external = held.contact.external_user_id
    unlink_contact(external, actor=actor, now=now, reason="撤销")
    if held.reason != LinkReview.Reason.PHONES:  # he had been linked by the surer sign
        before = Member.objects.get(pk=held.candidate_ids[0])
        link_contact(external, before, actor=Actor.system(), now=now, reason="撤销")
    held.state, held.member, held.decided_at, held.decided_by = State.OPEN, None, None, None
    held.save(update_fields=["state", "member", "decided_at", "decided_by"])
    audit.record(actor, "friend.review_reopened", held)
    return held
