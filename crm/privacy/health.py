"""Signs of health: requests of members that are late, people who look at unusually many numbers."""

from datetime import datetime

from yejibao.core import health
from yejibao.core.clock import local_day

from . import queries
from .services.revealing import ALARM_PER_DAY


@health.gauge("yejibao_reveals_people_over_alarm", "People who looked at more than 50 full numbers today.")
def people_over_alarm(now: datetime) -> list[tuple[dict[str, str], float]]:
    return [({}, float(queries.over_alarm(local_day(now), more_than=ALARM_PER_DAY)))]


@health.gauge(
    "yejibao_member_requests", "Requests of members about their data that wait, and those past their 15 days."
)
def member_requests(now: datetime) -> list[tuple[dict[str, str], float]]:
    waiting, late = queries.count_waiting()
    return [({"state": "waiting"}, float(waiting)), ({"state": "late"}, float(late))]
