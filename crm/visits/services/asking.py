"""He wants to come himself: the day, the time, the store and what for. His guide says yes, offers another time, or why not."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.visits import rules
from crm.visits.models import Kind, Visit
from crm.visits.queries import stores_to_choose
from crm.visits.telling import slot_words, tell_guide, tell_manager
from guides.org.models import Store
from yejibao.core import clock
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from .inviting import InvitedAlready, write_alone
from .steps import held, leave_trace

State = Visit.State
TOLD_AT_ONCE = 200


@transaction.atomic
def ask_to_come(
    member: Member, *, store: Store, starts_at: datetime, kind: str = Kind.TRYON, words: str = "", actor: Actor, now: datetime
) -> Visit:  # fmt: skip
    """Write down when a member wants to come, and tell who confirms it (`accept`): his guide, else the store's manager.

    What a group only planned for him gives way to it. Raises InvitedAlready where a time stands, Invalid for a time or a
    store that cannot be.
    """
    if store not in stores_to_choose(member, today=clock.local_day(now)):
        raise Invalid(errors=[{"field": "store", "code": "choice", "message": str(_("选一家列出来的门店"))}])
    ends_at = rules.must_be_open_then(store, starts_at, now=now)
    former = Visit.objects.open().filter(member=member).first()
    visit = held(former) if former is not None else Visit(member=member, made_at=now)
    if visit.pk and visit.state != State.PLANNED:
        raise InvitedAlready(_("您已经约了一个时间，要改就改那一次"), visit=str(visit.public_id))
    visit.store, visit.starts_at, visit.ends_at, visit.day = store, starts_at, ends_at, clock.local_day(starts_at)
    visit.state, visit.source, visit.kind = (
        State.ASKED,
        Visit.Source.MEMBER,
        kind if kind in Kind.values else Kind.OTHER,
    )
    visit.words, visit.guide_id = words.strip()[:60], member.owner_guide_id or store.duty_guide_id
    visit.invited_at, visit.is_own_answer = now, True
    if visit.pk:
        visit.save(
            update_fields=["store", "starts_at", "ends_at", "day", "state", "source", "kind", "words", "guide", "invited_at",
                           "is_own_answer"]
        )  # fmt: skip
    else:
        write_alone(visit)
    leave_trace(visit, "visit.asked", actor=actor, now=now)
    tell_of_wish(visit, now=now)
    return visit


def tell_of_wish(visit: Visit, *, now: datetime) -> None:
    """Tell whoever confirms it that he wants to come then; nobody of his own: the manager of the store."""
    title = f"{visit.member.called}想{slot_words(visit, now=now)}来{visit.store.short_name}"
    about = visit.words or str(visit.get_kind_display())
    if visit.guide_id is None:
        tell_manager(visit, title, now=now, text=about)
    else:
        tell_guide(visit, title, now=now, text=f"{about}。点开确认，他那边马上变")


def raise_unconfirmed(*, now: datetime) -> dict[str, int]:
    """Tell the manager of what a member asked for and nobody has answered in time, once. Each ten minutes."""
    late = Q(invited_at__lte=now - rules.CONFIRM_WITHIN) | Q(starts_at__lte=now + rules.CONFIRM_WITHIN)
    asked = Visit.objects.filter(late, state=State.ASKED, raised_at=None).with_people().order_by("invited_at", "pk")
    told = 0
    for visit in asked[:TOLD_AT_ONCE]:
        if not rules.is_open_at(visit.store, now):
            continue
        with transaction.atomic():
            if not Visit.objects.filter(pk=visit.pk, state=State.ASKED, raised_at=None).update(raised_at=now):
                continue
            title = f"{visit.member.called}想{slot_words(visit, now=now)}来，还没人确认"
            tell_manager(visit, title, now=now, text=f"{visit.guide.name} 没有回，请帮着定" if visit.guide else "")
            told += 1
    return {"visits_raised": told}
