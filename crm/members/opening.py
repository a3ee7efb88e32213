"""A member's page begins: who he is and all that its panels read, with one statement."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from yejibao.core import access, audit, clock, panels, reading, together
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .customers import Customer
from .models import Member
from .queries import LINK, ONE, PERSON, facts


def open_card(request: HttpRequest, public_id: UUID, *slots: str) -> Customer:
    """Return the member of a page whose card the actor may open; what the panels of `slots` read is there. Raises NotFound."""
    actor = access.actor_of(request)
    member = None
    if (seen := _cards_of(actor)) is not None:
        source, named = seen
        known = facts(0, now=clock.now(), actor=actor) | named | {"public_id": public_id}
        together.about(request, source, known, actor=actor)
        together.fetch(request, [PERSON, LINK, *panels.reads(*slots)])
        member = PERSON.of(request)
    if member is None:
        raise NotFound(_("这位会员找不到，或者不归你看。"))
    audit.saw_members(actor, [member.pk])
    return Customer(LINK.of(request), member, may_see_card=True)


@lru_cache(maxsize=8192)
def _cards_of(actor: Actor) -> tuple[str, dict[str, Any]] | None:
    """Return where to find the one of a public id whose card the actor may open; None where he may open none."""
    visible = together.visible_ids(Member, actor)
    if visible is None:
        return None
    ids, named = reading.named(*visible, "card_of")
    return f"crm_member m WHERE m.public_id = %(public_id)s AND m.id IN ({ids})", named


def about(request: HttpRequest, customer: Customer, *slots: str) -> None:
    """Say of whom a page is that knows him already; what the panels of `slots` read is there where his card may be seen."""
    if customer.member is None:
        return
    actor = access.actor_of(request)
    together.about(request, ONE, facts(customer.member, now=clock.now(), actor=actor), actor=actor)
    if slots and customer.may_see_card:
        together.fetch(request, panels.reads(*slots))
