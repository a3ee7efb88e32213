"""Jobs of the ground floor."""

from celery import shared_task

from . import clock, health, heart


@shared_task
def heartbeat(**_: object) -> None:
    """Say that a worker takes and ends jobs. Every 15 seconds, on the default queue."""
    heart.beat("worker")


@shared_task
def watch_health(**_: object) -> dict[str, int]:
    """Look at all signs, so that a change is noted when it happens and not when somebody opens the page. Each minute."""
    signs = health.read_signs(clock.now())
    return {"not_well": sum(isinstance(one, dict) and not one["ok"] for one in signs.values())}
