"""What Celery runs for this room."""

from datetime import timedelta

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task(name="guides.votes.jobs.hand_out_ballots")
def hand_out_ballots(**_: object) -> dict[str, int]:
    """Go on giving out ballots. Every 30 seconds, and when a vote is opened."""
    return services.hand_out(now=clock.now(), budget=timedelta(seconds=25))
