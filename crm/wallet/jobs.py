"""Top-ups that nobody confirmed end; at night the days are closed and the ledger is proved."""

from datetime import timedelta

from celery import shared_task

from crm.wallet.keeping import forget_holders
from crm.wallet.services import close_days, expire_top_ups, prove_ledger
from yejibao.core import clock


@shared_task
def expire_old_top_ups(**_: object) -> dict[str, int]:
    """End what was not confirmed and paid in time; every minute."""
    return {"expired": expire_top_ups(now=clock.now())}


@shared_task
def prove_ledger_nightly(**_: object) -> dict[str, int]:
    """Close the days that are over, then count the whole ledger; daily at 00:40. Off: refunds stop and it is told."""
    now = clock.now()
    closed = close_days(until=clock.local_day(now) - timedelta(days=1), now=now)
    proof = prove_ledger(now=now)
    return {
        "closed": closed, "entries": proof.entries_count, "difference_fen": proof.difference_fen, "wallets_off": proof.wallets_off_count,
        "transfers_off": proof.transfers_off_count, "days_off": proof.days_off_count, "forgotten": forget_holders(now=now),
    }  # fmt: skip
