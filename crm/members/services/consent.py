"""What a member allows: do not contact, opt-outs, closing the account. Each leaves an audit row and tells the others."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from crm.events import MemberChanged
from crm.members.models import Member
from yejibao.core import audit, outbox
from yejibao.core.scope import Actor


def set_do_not_contact(member: Member, *, actor: Actor, reason: str, now: datetime, is_wanted: bool = True) -> Member:
    """Stop (or with `is_wanted=False` allow again) every contact with a member, at once and everywhere."""
    return _set(member, {"do_not_contact": is_wanted}, what="do_not_contact", actor=actor, reason=reason)


def opt_out(member: Member, *, channels: Collection[str], actor: Actor, reason: str, now: datetime) -> Member:
    """Take these channels out of marketing for a member; service messages stay."""
    return _set(
        member,
        lambda held: {"marketing_opt_out": sorted({*held.marketing_opt_out, *channels})},
        what="opt_out",
        actor=actor,
        reason=reason,
    )


def opt_in(member: Member, *, channels: Collection[str], actor: Actor, reason: str, now: datetime) -> Member:
    """Let these channels carry marketing again, because the member said so."""
    return _set(
        member,
        lambda held: {"marketing_opt_out": sorted(set(held.marketing_opt_out) - set(channels))},
        what="opt_out",
        actor=actor,
        reason=reason,
    )


def close_member(member: Member, *, actor: Actor, reason: str, now: datetime) -> Member:
    """Close an account: nothing is sent any more and open work about it ends."""
    return _set(member, {"status": Member.Status.CLOSED}, what="closed", actor=actor, reason=reason)


@transaction.atomic
def _set(member: Member, wanted: Any, *, what: str, actor: Actor, reason: str) -> Member:
    """Write what differs under the row's lock; a second tap changes nothing and tells nobody."""
    held = Member.objects.select_for_update(no_key=True, of=("self",)).get(pk=member.pk)
    values = wanted(held) if callable(wanted) else wanted
    before = {name: getattr(held, name) for name in values}
    if before != values:
        Member.objects.filter(pk=held.pk).update(**values)
        audit.record(actor, f"member.{what}", held, before=before, after=values, reason=reason)
        outbox.publish(MemberChanged(held.pk, what))
    for name, value in values.items():
        setattr(member, name, value)
    return member
