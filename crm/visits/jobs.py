"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task
def plan_groups(**_: object) -> dict[str, int]:
    """Go on with managers' lists; every half minute."""
    return services.go_on_with_groups(now=clock.now())


@shared_task
def follow_visits(**_: object) -> dict[str, int]:
    """Keep what was wished for days that are near now, end what is over, tell of what nobody confirmed; each ten minutes."""
    now = clock.now()
    return services.keep_due(now=now) | services.end_past(now=now) | services.raise_unconfirmed(now=now)
