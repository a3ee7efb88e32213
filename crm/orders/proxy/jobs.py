"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from .services import follow_orders


@shared_task
def follow_proxy_orders(**_: object) -> dict[str, int]:
    """Ask managers about transfers nobody confirmed, end what was closed; every minute."""
    return follow_orders(now=clock.now())
