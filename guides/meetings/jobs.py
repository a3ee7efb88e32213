"""What Celery runs for this room."""

from datetime import timedelta

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task(name="guides.meetings.jobs.tell_attendees")
def tell_attendees(**_: object) -> dict[str, int]:
    """Go on asking people to meetings. Every 30 seconds, and when one is planned."""
    return services.tell_attendees(now=clock.now(), budget=timedelta(seconds=25))


@shared_task(name="guides.meetings.jobs.remind_attendees")
def remind_attendees(**_: object) -> dict[str, int]:
    """Remind of what begins in 15 minutes. Every minute."""
    return services.remind(now=clock.now())


@shared_task(name="guides.meetings.jobs.make_calls")
def make_calls(**_: object) -> dict[str, int]:
    """Reserve calls in the platform; then those asked are told. Every 30 seconds, and when one is planned."""
    made = services.make_calls(now=clock.now(), budget=timedelta(seconds=20))
    return made | services.tell_attendees(now=clock.now(), budget=timedelta(seconds=20))


@shared_task(name="guides.meetings.jobs.count_joined")
def count_joined(**_: object) -> dict[str, int]:
    """Ask the platform who joined. Every ten minutes."""
    return services.count_joined(now=clock.now())
