"""What Celery runs for this room."""

from celery import shared_task

from yejibao.core import clock

from . import services
from .computing import compute_tags


@shared_task(name="crm.catalogue.jobs.end_promises")
def end_promises(**_: object) -> dict[str, int]:
    """Put back what nobody came for, end what nobody answered. Every minute."""
    now = clock.now()
    return {
        "reservations_expired": services.expire_reservations(now=now),
        "transfers_expired": services.expire_transfers(now=now),
    }


@shared_task(name="crm.catalogue.jobs.compute_product_tags")
def compute_product_tags(**_: object) -> dict[str, int]:
    """Compute the product tags by rule. Nightly."""
    return compute_tags(now=clock.now())
