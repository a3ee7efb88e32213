"""Celery entry point: mass messages and moments go on by themselves."""

from celery import shared_task

from .steps import go_on


@shared_task(name="yejibao.wecom.mass.jobs.go_on_with_mass_sends")
def go_on_with_mass_sends(**_: object) -> dict[str, int]:
    """Create, look up, remind and read what is due. Every 30 seconds; stops by itself after 25."""
    return go_on(seconds=25)
