"""What Celery runs for surveys."""

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task
def ask_for_surveys(**_: object) -> dict[str, int]:
    """Ask who bought or was served so many days ago; every ten minutes, within its hours."""
    return services.ask_due(now=clock.now())


@shared_task
def age_survey_tags(**_: object) -> dict[str, int]:
    """Count the tags again of whose answers are too old to count; weekly."""
    return services.age_tags(now=clock.now())
