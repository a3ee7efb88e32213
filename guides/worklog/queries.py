"""Who is to write on a day, who did, and the sums of it upwards."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db.models import Count, Q, QuerySet

from guides.attendance.calendar import at_work
from guides.org import matrix
from guides.org.models import OrgUnit, RoleAssignment, Staff, Store
from guides.org.scoped import under_grants
from yejibao.core import clock
from yejibao.core.scope import Actor

from .models import WorkLog, WorkLogTemplate
from .scoped import READ

WRITERS = ("guide", "store_manager")  # task_types.yaml, work_log.audience


@dataclass(frozen=True)
class Times:
    """When a day's log is asked for, due and closed, as instants."""

    opens_at: datetime
    due_at: datetime
    closes_at: datetime


def times_of(template: WorkLogTemplate, day: date) -> Times:
    """Return the three moments of a day."""
    return Times(
        clock.local_moment(day, template.opens_at),
        clock.local_moment(day, template.due_at),
        clock.local_moment(day + timedelta(days=1), template.closes_at),
    )


def writers_on(day: date) -> QuerySet[Staff]:
    """Return who is to write on a day: guides and managers of open stores who work then, half a day too."""
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(day), role__in=WRITERS)
    people = Staff.objects.employed().filter(pk__in=held.values("staff_id"), store__isnull=False)
    return at_work(people.filter(Q(store__closed_on=None) | Q(store__closed_on__gt=day)), day)


def missing_on(day: date) -> QuerySet[Staff]:
    """Return who is to write and has not handed in."""
    return writers_on(day).exclude(pk__in=WorkLog.objects.handed_in().filter(day=day).values("staff_id"))


def stores_read(actor: Actor) -> QuerySet[Store]:
    """Return the stores whose logs an actor reads."""
    grants = actor.reach(*matrix.leaders(READ))
    return Store.objects.filter(under_grants(grants, path="unit__path", store="pk"))


@dataclass
class Sums:
    """Of some people: how many are to write, handed in, were late."""

    expected: int = 0
    handed_in: int = 0
    late: int = 0

    def add(self, other: "Sums") -> None:
        self.expected += other.expected
        self.handed_in += other.handed_in
        self.late += other.late

    @property
    def missing(self) -> int:
        return max(self.expected - self.handed_in, 0)

    @property
    def share(self) -> float | None:
        return min(self.handed_in / self.expected, 1) if self.expected else None


@dataclass
class Part:
    """One unit below another, with its sums."""

    unit: OrgUnit
    sums: Sums = field(default_factory=Sums)


def sums_by_store(stores: QuerySet[Store], day: date) -> dict[int, Sums]:
    """Return the sums of each store with anybody to write, in two statements."""
    found: dict[int, Sums] = defaultdict(Sums)
    expected = (
        writers_on(day).filter(store__in=stores).order_by().values("store_id").annotate(n=Count("pk", distinct=True))
    )
    for row in expected:
        found[row["store_id"]].expected = row["n"]
    logs = WorkLog.objects.handed_in().filter(day=day, store__in=stores).order_by().values("store_id")
    for row in logs.annotate(n=Count("pk"), late=Count("pk", filter=Q(is_late=True))):
        found[row["store_id"]].handed_in, found[row["store_id"]].late = row["n"], row["late"]
    return found


def sums_below(actor: Actor, unit: OrgUnit | None, day: date) -> tuple[Sums, list[Part]]:
    """Return the sums of what an actor reads below a unit (None: all he reads), and of each part one level down."""
    stores = stores_read(actor)
    if unit is not None:
        stores = stores.filter(unit__path__startswith=unit.path or "-")
    by_store = sums_by_store(stores, day)
    paths = {pk: path or "" for pk, path in stores.values_list("pk", "unit__path")}
    depth = len(unit.path.strip("/").split("/")) if unit and unit.path else _common_depth(paths.values())
    parts: dict[int, Part] = {}
    total = Sums()
    heads = {int(path.strip("/").split("/")[min(depth, path.count("/") - 1)]) for path in paths.values()}
    units = OrgUnit.objects.in_bulk(heads)
    for store, path in paths.items():
        steps = path.strip("/").split("/")
        head = int(steps[min(depth, len(steps) - 1)])
        part = parts.setdefault(head, Part(units[head]))
        sums = by_store.get(store, Sums())
        part.sums.add(sums)
        total.add(sums)
    shown = [part for part in parts.values() if part.sums.expected or part.sums.handed_in]
    return total, sorted(shown, key=lambda part: (part.sums.share if part.sums.share is not None else 2, part.unit.pk))


def _common_depth(paths: object) -> int:
    """Return how many steps all these paths share: whoever reads one area begins with its stores."""
    split = [str(path).strip("/").split("/") for path in paths]  # type: ignore[attr-defined]
    if not split:
        return 0
    depth = 0
    for steps in zip(*split, strict=False):
        if len(set(steps)) > 1:
            break
        depth += 1
    return min(depth, min(map(len, split)) - 1)


@dataclass(frozen=True)
class Line:
    """One person of a store and day: the log, or that there is none."""

    person: Staff
    log: WorkLog | None
    is_expected: bool


def lines_of(store: Store, day: date) -> list[Line]:
    """Return everybody of a store who is to write or wrote, who handed nothing in first. Three statements."""
    logs = {
        log.staff_id: log
        for log in WorkLog.objects.handed_in().filter(store=store, day=day)
        .select_related("staff").annotate(comment_count=Count("comments"))
    }  # fmt: skip
    expected = {person.pk: person for person in writers_on(day).filter(store=store)}
    people = expected | {log.staff_id: log.staff for log in logs.values()}
    lines = [Line(person, logs.get(pk), pk in expected) for pk, person in people.items()]
    return sorted(lines, key=lambda one: (one.log is not None, one.person.pk))
