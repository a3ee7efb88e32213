"""What runs by itself: sales that nobody paid come to their end."""

from celery import shared_task

from yejibao.core import clock

from . import services


@shared_task
def close_expired_sales(**_: object) -> dict[str, int]:
    """Close what nobody paid in time, sales and differences of exchanges; coupon, points, card and goods go back."""
    now = clock.now()
    return services.close_expired(now=now) | services.close_expired_exchanges(now=now)
