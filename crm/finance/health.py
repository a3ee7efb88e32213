"""Signs of health: whether yesterday was held against the provider's bill, and what nobody has answered for days."""

from datetime import datetime, time, timedelta

from yejibao.core import clock, health

from .models import Break, FinanceDay

BY = time(12, 0)  # of the next day: from 10:30 on it is tried each hour


@health.sign("reconciliation")
def reconciliation(now: datetime) -> health.Facts:
    """The newest counted day, whether it is yesterday's by noon, and breaks that are older than three days."""
    newest = (
        FinanceDay.objects.exclude(counted_at=None).exclude(state=FinanceDay.State.WAITING).order_by("-day").first()
    )
    wanted = clock.local_day(now) - timedelta(days=1 if now >= clock.local_moment(clock.local_day(now), BY) else 2)
    old = Break.objects.filter(state=Break.State.OPEN, found_at__lt=now - Break.DUE).count()
    is_late = newest is not None and newest.day < wanted
    return {
        "state": "slow" if is_late or old else "ok", "day": newest.day.isoformat() if newest else "", "is_late": is_late, "old": old,
        "since": None,
    }  # fmt: skip


@health.gauge("yejibao_finance_breaks_open", "What does not fit the provider's bill and waits for finance.")
def breaks_open(now: datetime) -> list[tuple[dict[str, str], float]]:
    return [({}, float(Break.objects.filter(state=Break.State.OPEN).count()))]
