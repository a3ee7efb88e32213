"""等级与权益: what is written when a level changed, and the uses of its benefits.

Who reaches, keeps or loses a level is decided where spending is counted (crm/scoring/services): one set-based statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.benefits.models import BenefitUse, LevelChange
from crm.benefits.queries import Allowance, free_care_of
from crm.members.models import Member
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor


class UsedUp(Conflict):
    code, title = "benefit.used_up", _("今年的次数用完了")


@dataclass(frozen=True)
class LevelStep:
    """One member's level changed, or was kept at its end."""

    member_id: int
    from_level: str
    to_level: str
    reason: str  # LevelChange.Reason
    spend_180_fen: int
    valid_until: date | None


def note_levels(steps: Iterable[LevelStep], *, now: datetime) -> None:
    """Keep the history of levels; called by whoever writes them, in the same transaction."""
    LevelChange.objects.bulk_create(
        [
            LevelChange(
                member_id=one.member_id,
                from_level=one.from_level,
                to_level=one.to_level,
                reason=one.reason,
                spend_180_fen=one.spend_180_fen,
                valid_until=one.valid_until,
                at=now,
            )
            for one in steps
        ],
        batch_size=1_000,
    )


@transaction.atomic
def use_free_care(member: Member, *, subject: str, key: str, actor: Actor, now: datetime) -> BenefitUse:
    """Take one of this year's free cares; the same key again returns the same use. Raises UsedUp.

    Two at once meet in the key (member, kind, year, nth): one gets it, the other looks again.
    """
    kind, today = BenefitUse.Kind.FREE_CARE, clock.local_day(now)
    for _try in range(3):
        if done := BenefitUse.objects.filter(kind=kind, key=key).first():
            return done
        allowance = free_care_of(member, today=today)
        if not allowance.left:
            raise UsedUp(
                _("%(level)s 每年 %(count)d 次免费洗护，今年已用完")
                % {"level": member.member_level, "count": allowance.per_year}
            )
        taken = set(_standing(member, kind, today.year))
        nth = next(place for place in range(1, allowance.per_year + 1) if place not in taken)
        try:
            with transaction.atomic():
                use = BenefitUse.objects.create(
                    member=member, kind=kind, year=today.year, nth=nth, level=member.member_level, subject=subject,
                    key=key, by_id=actor.staff_id, at=now,
                )  # fmt: skip
        except IntegrityError:
            continue
        audit.record(actor, "benefit.used", use, after={"kind": kind, "subject": subject, "nth": nth})
        return use
    raise Conflict()


@transaction.atomic
def give_back_benefit(use: BenefitUse, *, actor: Actor, now: datetime, reason: str) -> None:
    """Take back a use of this kind: the ticket was withdrawn, or the house's fault. Twice is once."""
    if BenefitUse.objects.filter(pk=use.pk, given_back_at=None).update(given_back_at=now):
        audit.record(actor, "benefit.given_back", use, reason=reason)


def _standing(member: Member, kind: str, year: int) -> Iterable[int]:
    rows = BenefitUse.objects.filter(member=member, kind=kind, year=year, given_back_at=None)
    return rows.values_list("nth", flat=True)


__all__ = ["Allowance", "LevelStep", "UsedUp", "give_back_benefit", "note_levels", "use_free_care"]
