"""What a guide changes of a member's day: another outfit, another piece; and the way back."""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.members.services import lock_members
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

from ..models import LookChoice
from ..queries import MemberWeek, other_outfits, swaps_for


class DoesNotFit(Conflict):
    code, title = "outfit.does_not_fit", _("这件放进这一周不合适了，换一件")


@transaction.atomic
def choose_outfit(week: MemberWeek, day: date, *, actor: Actor, now: datetime) -> str:
    """换一套: take the next outfit that fits the day and the week; return its name. Raises Conflict where there is none.

    The next is the one behind what hangs there, so that tapping on shows each once.
    """
    look = week.look(day)
    others = other_outfits(week, day)
    if look is None or not others:
        raise Conflict(_("这一季没有别的搭配适合这一天了"))
    here = (look.outfit.occasion, look.outfit.key) if look.outfit else ("", "")
    ring = sorted(others, key=lambda one: (one.occasion, one.key))
    chosen = next((one for one in ring if (one.occasion, one.key) > here), ring[0])
    _keep(week.member, day, actor=actor, now=now, outfit_id=chosen.pk, swaps={})
    return chosen.name


@transaction.atomic
def choose_piece(week: MemberWeek, day: date, *, shown: str, instead: str, actor: Actor, now: datetime) -> str:
    """换单件: wear another piece in one place of the day; return its name. Raises DoesNotFit or NotFound."""
    pieces = {one.style.sku_code: one for one in swaps_for(week, day, shown)}
    look = week.look(day)
    if instead not in pieces or look is None:
        raise DoesNotFit()
    lock_members([week.member.pk])  # two who change the same day: the second adds to what the first did
    held = LookChoice.objects.filter(member=week.member, on=day).first()
    swaps = (held.swaps if held else {}) | {shown: instead}
    if shown == instead:
        swaps.pop(shown)
    outfit_id = held.outfit_id if held else None
    _keep(week.member, day, actor=actor, now=now, outfit_id=outfit_id, swaps=swaps)
    return pieces[instead].style.said


@transaction.atomic
def take_back(member: Member, day: date, *, actor: Actor, now: datetime) -> bool:
    """Show the day as the rules make it. Returns whether anything had been changed."""
    return bool(LookChoice.objects.filter(member=member, on=day).delete()[0])


def _keep(
    member: Member, day: date, *, actor: Actor, now: datetime, outfit_id: int | None, swaps: dict[str, str]
) -> None:
    lock_members([member.pk])
    held = LookChoice.objects.filter(member=member, on=day).first() or LookChoice(member=member, on=day)
    held.outfit_id, held.swaps, held.by_id, held.at = outfit_id, swaps, actor.staff_id, now
    held.save()
