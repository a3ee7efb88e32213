"""Celery entry points of the inbox. `run_inbox` is quicker; these are the net under it."""

from celery import shared_task

from yejibao.core import clock

from .services import repair, tidy_up
from .working import work_off


@shared_task(name="yejibao.wecom.inbox.jobs.work_inbox")
def work_inbox(**_: object) -> dict[str, int]:
    """Free what a lost worker held, then work off what is due. Every 30 seconds; stops by itself after 25."""
    freed = repair(now=clock.now())
    return freed | work_off(seconds=25)


@shared_task(name="yejibao.wecom.inbox.jobs.tidy_inbox")
def tidy_inbox(**_: object) -> dict[str, int]:
    """Clear texts after a month, digests after 400 days. Nightly."""
    return tidy_up(now=clock.now())
