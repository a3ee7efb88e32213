"""Whom an actor may list, and whose card he may open (reliability-security §3, row "member list / card")."""

from django.db.models import Q

from guides.org import matrix
from guides.org.models import Store
from guides.org.scoped import EVERYBODY, NOBODY, under_grants
from yejibao.core import clock
from yejibao.core.scope import Actor

CARD, LIST = "member.view_card", "member.list"
HEIR_ROLES = matrix.leaders("member.change_owner")
CARD_ROLES = matrix.leaders(CARD)


def member_filter(actor: Actor, action: str = CARD) -> Q:
    """A guide: his own members and those he has open work for; managers and HQ: their scope; service: those with a ticket."""
    if actor.is_system:
        return Q()
    if actor.kind == "member":
        return own_filter(actor, "pk")
    condition = NOBODY
    if actor.has_role(*matrix.owners(action)) and actor.staff_id:
        condition |= Q(owner_guide_id=actor.staff_id) | Q(pk__in=working_on(actor.staff_id))
    grants = actor.reach(*matrix.leaders(action))
    if grants:
        condition |= under_grants(grants, path="main_store__unit__path", store="main_store_id")
    if actor.has_role(*matrix.leaders(action, "ticket")):
        condition |= Q(pk__in=_with_a_ticket())
    return condition


def own_filter(actor: Actor, column: str = "member_id") -> Q:
    """A member: the rows whose `column` is he. Nothing for anybody else: what staff may see each room says itself.

    Every filter of a room that members read begins with it: `if actor.kind == "member": return own_filter(actor)`.
    """
    return Q(**{column: actor.member_id}) if actor.kind == "member" and actor.member_id else NOBODY


def stores_to_list(actor: Actor) -> list[int] | None:
    """Return the stores all of whose members an actor may list; None for every store there is."""
    reach = under_grants(actor.reach(*matrix.leaders(LIST)), path="unit__path", store="pk")
    return (
        None
        if actor.is_system or reach == EVERYBODY
        else list(Store.objects.filter(reach).values_list("pk", flat=True))
    )


def lists_tickets(actor: Actor) -> bool:
    """Tell whether members with an after-sale ticket stand on his list, wherever they are."""
    return actor.has_role(*matrix.leaders(LIST, "ticket"))


def _with_a_ticket() -> object:
    from crm.members.models import Member

    return Member.objects.filter(tickets__isnull=False).values("pk")


def handover_filter(actor: Actor) -> Q:
    """Who may name an heir: the manager and those above who may change owners; the region's for a closed store."""
    if actor.is_system:
        return Q()
    condition = under_grants(actor.reach(*HEIR_ROLES), path="store__unit__path", store="store")
    region = under_grants(actor.reach("region_manager"), path="store__unit__path", store="store")
    return condition | (Q(store__closed_on__lte=clock.today()) & region)


_work_sources: list[object] = []


def working_on(staff_id: int) -> object:
    """Return a subquery of members this person has open work for; upper departments add theirs (see `add_work`)."""
    from crm.members.models import Member

    queries = [source(staff_id) for source in _work_sources]  # type: ignore[operator]
    return queries[0] if queries else Member.objects.none().values("pk")


def add_work(source: object) -> None:
    """Let an upper department say for whom a person has open work (tasks: backup, serving guide)."""
    if source not in _work_sources:
        _work_sources.append(source)
