"""What Celery runs for this room."""

from datetime import timedelta

from celery import shared_task

from yejibao.core import clock

from . import services
from .checking import services as checking
from .covering import follow_roster


@shared_task
def cover_tickets(**_: object) -> dict[str, int]:
    """Give open tickets of who is off today to their backups, and back; every morning before the stores open."""
    return {"covered": follow_roster(now=clock.now())}


@shared_task
def pass_up_late(**_: object) -> dict[str, int]:
    """Call the next where a clock of a ticket ran out; close those whose money is back or whose piece is exchanged, go on with those
    whose money was refused; each minute."""
    now = clock.now()
    ended = services.close_refunded(now=now) | services.close_exchanged(now=now) | services.close_compensated(now=now)
    return services.pass_up_late(now=now) | ended | services.go_on_refused(now=now)


@shared_task
def tell_of_unclaimed(**_: object) -> dict[str, int]:
    """Tell managers of what nobody collects for ninety days; every morning."""
    return services.tell_of_unclaimed(now=clock.now())


@shared_task
def close_silent(**_: object) -> dict[str, int]:
    """Close what has waited a week for the member; each hour."""
    return services.close_silent(now=clock.now())


@shared_task
def draw_checks(**_: object) -> dict[str, int]:
    """Draw for 质检 from the tickets closed last week; Monday mornings."""
    now = clock.now()
    today = clock.local_day(now)
    return {"drawn": checking.draw_checks(week=today - timedelta(days=today.weekday() + 7), now=now)}


@shared_task
def age_complaint_tags(**_: object) -> dict[str, int]:
    """Take complaints that are older than two years out of the tags; each week."""
    return services.age_tags(now=clock.now())
