"""自主巡店 as a duty: each Monday the manager of every open store has one, and handing a self patrol in ends it."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from guides.events import PatrolSubmitted
from guides.org.models import Store
from guides.org.queries import managers_of_stores
from guides.patrol.models import Visit
from yejibao.core import clock

from .services import NewDuty, close_duties, open_duties

KIND = "self_patrol"
ENDS = time(22, 0)  # task_types.yaml self_patrol: due Wednesday 22:00, expire Sunday 22:00


def key_of(store_id: int, day: date) -> str:
    year, week, _weekday = day.isocalendar()
    return f"self_patrol:{store_id}:{year}-{week:02}"


def open_week(*, now: datetime) -> dict[str, int]:
    """Open this week's self patrols; who has his already gets no second. Returns how many are new."""
    today = clock.local_day(now)
    monday = today - timedelta(days=today.weekday())
    stores = dict(Store.objects.filter(closed_on=None).values_list("pk", "short_name"))
    managers = managers_of_stores(list(stores), day=today)
    duties = [
        NewDuty(
            assignee_id=person, task_type=KIND, key=key_of(store, monday), title=f"{stores[store]}本周自主巡店", why="按总部同一张清单自查",
            url=f"/m/patrol/stores/{store}/", due_at=clock.local_moment(monday + timedelta(days=2), ENDS),
            expire_at=clock.local_moment(monday + timedelta(days=6), ENDS),
        )
        for store, person in sorted(managers.items())
    ]  # fmt: skip
    return {"opened": open_duties(duties, now=now)}


def follow(events: Sequence[PatrolSubmitted], *, now: datetime) -> int:
    """Close the week's duty of who handed a self patrol in. Twice is like once."""
    ids = [event.visit_id for event in events if event.kind == Visit.Kind.SELF]
    closed = 0
    for visit in Visit.objects.filter(pk__in=ids).order_by("pk"):
        day = clock.local_day(visit.started_at)
        closed += close_duties(KIND, key_of(visit.store_id, day), now=now, assignees=[visit.patroller_id])
    return closed
