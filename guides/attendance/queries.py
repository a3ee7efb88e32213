"""Who is away on which day."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date, timedelta

from guides.org.models import Staff

from .models import Shift

AWAY = (Shift.Kind.REST, Shift.Kind.LEAVE)


def kinds_of(people: Collection[Staff], start: date, end: date) -> dict[tuple[int, date], str]:
    """Return what each day of `[start, end)` is for each person: work, rest or leave, by the rules of `away_days`."""
    rows = Shift.objects.filter(staff__in=people, day__gte=start, day__lt=end).values_list("staff_id", "day", "kind")
    known = {(staff_id, day): kind for staff_id, day, kind in rows}
    days = [start + timedelta(days=number) for number in range((end - start).days)]
    return {
        (person.pk, day): known.get(
            (person.pk, day), str(Shift.Kind.LEAVE if person.state == Staff.State.LEAVE else Shift.Kind.WORK)
        )
        for person in people
        for day in days
    }


def away_days(staff_ids: Collection[int], start: date, end: date) -> dict[int, set[date]]:
    """Return the days of `[start, end)` on which each person does not work; people without such a day are left out.

    Rest and leave by the shift table; a day without a row is a working day. Somebody whose employment state is 请假中
    is away on every day that has no row saying he works.
    """
    away: dict[int, set[date]] = defaultdict(set)
    if not staff_ids or start >= end:
        return {}
    at_work: set[tuple[int, date]] = set()
    rows = Shift.objects.filter(staff_id__in=staff_ids, day__gte=start, day__lt=end)
    for staff_id, day, kind in rows.values_list("staff_id", "day", "kind"):
        if kind in AWAY:
            away[staff_id].add(day)
        else:
            at_work.add((staff_id, day))
    on_leave = Staff.objects.filter(pk__in=staff_ids, state=Staff.State.LEAVE).values_list("pk", flat=True)
    days = [start + timedelta(days=number) for number in range((end - start).days)]
    for staff_id in on_leave:
        away[staff_id].update(day for day in days if (staff_id, day) not in at_work)
    return {staff_id: found for staff_id, found in away.items() if found}
