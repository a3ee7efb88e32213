"""Which unit a board is about."""

from django.db.models import F
from django.db.models.functions import Length

from guides.org.models import OrgUnit
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor, Grant

from ..scoped import figure_filter, figure_roles


def open_unit(actor: Actor, unit_id: int | None) -> OrgUnit:
    """Return the unit asked for, or the one the actor heads in the role he works in. Raises NotFound out of his scope."""
    units = OrgUnit.objects.filter(figure_filter(actor, path="path", store="store")).select_related("store", "parent")
    if unit_id is not None:
        found = units.filter(pk=unit_id).first()
    else:
        found = _first(actor, units)
    if found is None or not found.path:
        raise NotFound()
    return found


def _first(actor: Actor, units: object) -> OrgUnit | None:
    grants = actor.reach(*figure_roles())
    working = tuple(grant for grant in grants if grant.role == actor.working_role)
    paths = [grant.path for grant in _widest(working or grants)]
    ordered = units.annotate(depth=Length("path")).order_by(F("depth"), "pk")  # type: ignore[attr-defined]
    return (ordered.filter(path=paths[0]) if paths and paths[0] else ordered).first()


def _widest(grants: tuple[Grant, ...]) -> list[Grant]:
    """Return the grant to start from: the whole company first, else the unit nearest to the top."""
    if any(grant.reach == "all" for grant in grants):
        return []
    return sorted((grant for grant in grants if grant.reach == "units" and grant.path), key=lambda one: len(one.path))


def trail_of(actor: Actor, unit: OrgUnit) -> list[OrgUnit]:
    """Return the units above this one that the actor may open, from the top; empty at his own top."""
    above = [int(pk) for pk in (unit.path or "").strip("/").split("/")[:-1]]
    if not above:
        return []
    seen = OrgUnit.objects.filter(figure_filter(actor, path="path", store="store"), pk__in=above)
    return sorted(seen, key=lambda one: len(one.path or ""))
