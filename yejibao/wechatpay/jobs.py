"""Celery entry points of the door to WeChat Pay."""

from celery import shared_task

from yejibao.core import clock

from .notices import work_off
from .notices.services import tidy_up
from .services.polling import poll


@shared_task(name="yejibao.wechatpay.jobs.go_on_with_payments")
def go_on_with_payments(**_: object) -> dict[str, int]:
    """Work off notices, ask for open orders, send refunds. Every 5 seconds; stops by itself after 25."""
    return work_off(now=clock.now()) | poll(now=clock.now())


@shared_task(name="yejibao.wechatpay.jobs.tidy_notices")
def tidy_notices(**_: object) -> dict[str, int]:
    """Clear the texts of notices after a month, their digests after 400 days. Nightly."""
    return tidy_up(now=clock.now())
