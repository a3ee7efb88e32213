"""Nightly and monthly runs of the models, in the queue `nightly`. Each stops by itself; its next beat goes on with it."""

from datetime import timedelta

from celery import shared_task

from crm.scoring.services import last_month_end, rank_tiers, recount_all, settle_levels
from yejibao.core import clock

BUDGET = timedelta(seconds=200)


@shared_task
def recount_members_nightly(**_: object) -> dict[str, int]:
    """Count everybody's purchase days, node, stage and spending for today; daily from 02:00."""
    now = clock.now()
    return recount_all(as_of=clock.local_day(now), now=now, budget=BUDGET)


@shared_task
def settle_levels_nightly(**_: object) -> dict[str, int]:
    """Renew or lower the levels whose validity ended by yesterday; daily."""
    now = clock.now()
    return settle_levels(as_of=clock.local_day(now) - timedelta(days=1), now=now)


@shared_task
def rank_tiers_monthly(**_: object) -> dict[str, int]:
    """Rank the 631 tiers as of the end of last month; on the 1st from 03:30."""
    now = clock.now()
    return rank_tiers(as_of=last_month_end(clock.local_day(now)), now=now, budget=BUDGET)
