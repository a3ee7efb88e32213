"""Whose clock-ins an actor reads, and how far he sees totals; both as the matrix has it."""

from django.db.models import Q

from guides.org import matrix
from guides.org.scoped import under_grants
from yejibao.core.scope import Actor

READ, TOTALS, PLACES = "attendance.read", "attendance.totals", "attendance.places"
EXCEPTIONS = "exceptions"
# Who opens the day of a store or of what is above it; a guide has her own page.
BOARD = (*matrix.leaders(READ), *matrix.leaders(READ, EXCEPTIONS), *matrix.holders(TOTALS))


def own_or_led(actor: Actor, *, prefix: str = "") -> Q:
    """Return the condition for rows of one's own and of the stores whose people one reads by name."""
    led = under_grants(actor.reach(*matrix.leaders(READ)), path=f"{prefix}store__unit__path", store=f"{prefix}store_id")
    if actor.staff_id:
        return led | Q(**{f"{prefix}staff_id": actor.staff_id})
    return led


def record_filter(actor: Actor) -> Q:
    """The same for days, and of the whole company those that are out of order for whoever reads only these."""
    found = own_or_led(actor)
    if not actor.is_system and actor.has_role(*matrix.leaders(READ, EXCEPTIONS)):
        found |= Q(state__in=("late", "missing"))
    return found


def named_stores(actor: Actor) -> Q:
    """Return the condition for stores whose whole day one reads by name; for `Store`."""
    return under_grants(actor.reach(*matrix.leaders(READ)), path="unit__path", store="pk")


def counted_stores(actor: Actor) -> Q:
    """Return the condition for stores whose totals one sees."""
    return under_grants(actor.reach(*matrix.leaders(READ), *matrix.holders(TOTALS)), path="unit__path", store="pk")


def placed_stores(actor: Actor) -> Q:
    """Return the condition for stores whose 打卡点 one may set."""
    return under_grants(actor.reach(*matrix.holders(PLACES)), path="unit__path", store="pk")


def sees_exceptions(actor: Actor) -> bool:
    """Tell whether he reads late and missing days of everybody, and nothing else of them."""
    return not actor.is_system and actor.has_role(*matrix.leaders(READ, EXCEPTIONS))
