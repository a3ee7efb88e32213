"""What the scope costs: the open tasks of guides, stores and the company, read through `visible_to` and without it.

Each list is the first 20 by due time, of a guide, of a store as its manager reads it, or of a region as HQ reads it; beside
it the very same rows by the same ORM with the plain condition alone. The sides take turns over the same people.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import Q

from bench import brand, desk
from bench.figures import Options, Report, at_least, interleaved, median, median_ratio, progress
from guides.org.actors import actor_for
from guides.org.models import OrgUnit, RoleAssignment, Staff
from tasks.followups.models import Task
from yejibao.core import clock
from yejibao.core.scope import Actor

DATABASE = "pages"
KEEP = True
ROWS = 20

List = tuple[Actor, Q]  # who asks, and which rows


def main(options: Options) -> Report:
    size = brand.filled(options)
    clock.travel(brand.MORNING)
    lists = _lists(300 if options.quick else 2_000)
    for kind, some in lists.items():
        _same_rows(kind, some)
    sides: dict[str, Callable[[], float]] = {}
    for kind, some in lists.items():
        sides[f"{kind} scoped"] = _turn(some, is_scoped=True)
        sides[f"{kind} bare"] = _turn(some, is_scoped=False)
    for turn in sides.values():
        turn()  # warm: plans, the parts of the index that are read
    seen = interleaved(3 if options.quick else 7, sides)
    ratios = {kind: median_ratio(seen[f"{kind} scoped"], seen[f"{kind} bare"]) for kind in lists}
    worst = min(ratios, key=lambda kind: ratios[kind])
    return Report(
        value=median(seen["guide scoped"]), unit="lists/s", limit=median(seen["guide bare"]),
        limit_is="the same ORM query for the same rows without visible_to, in the same process",
        ratio=ratios["guide"],
        goals=[at_least(f"of the query without scope, {worst}", ratios[worst], 0.7)],
        more={"ratios": {kind: round(ratio, 3) for kind, ratio in ratios.items()}, "size": size},
    )  # fmt: skip


def _lists(count: int) -> dict[str, Sequence[List]]:
    """Return the lists of each kind; people are read once, as a request reads them with its session."""
    people = desk.guides(count)
    guides = [(actor_for(person), Q(assignee_id=person.pk)) for person in people]
    held = (
        RoleAssignment.objects.filter(role="store_manager")
        .select_related("staff")
        .order_by("pk")[: max(20, count // 10)]
    )
    stores = [(actor_for(one.staff), Q(store__unit_id=one.unit_id)) for one in held]
    head = Staff.objects.filter(role_assignments__role="hq_operator").order_by("pk").first()
    found: dict[str, Sequence[List]] = {"guide": guides}
    if stores:
        found["store"] = stores
    if head is not None:
        operator = actor_for(head)
        regions = OrgUnit.objects.filter(level="region").order_by("pk")[:20]
        found["region by HQ"] = [(operator, Q(store__unit__path__startswith=unit.path)) for unit in regions]
    progress(", ".join(f"{kind}: {len(some)} lists" for kind, some in found.items()))
    return found


def _rows(one: List, *, is_scoped: bool) -> list[Any]:
    actor, condition = one
    tasks = Task.objects.visible_to(actor) if is_scoped else Task.objects.all()
    return list(
        tasks.listed(brand.MORNING).filter(condition).order_by("due_at", "pk").values_list("pk", "due_at")[:ROWS]
    )


def _same_rows(kind: str, some: Sequence[List]) -> None:
    """Raise where the scope takes rows away: then the sides would not read the same."""
    for one in some[:20]:
        if _rows(one, is_scoped=True) != _rows(one, is_scoped=False):
            raise RuntimeError(f"{kind}: the scope changes what is read")


def _turn(some: Sequence[List], *, is_scoped: bool) -> Callable[[], float]:
    def turn() -> float:
        started = time.perf_counter()
        for one in some:
            _rows(one, is_scoped=is_scoped)
        return len(some) / (time.perf_counter() - started)

    return turn
