"""What Celery runs for coupons and points."""

from celery import shared_task

from crm.benefits.services import (
    expire_due,
    expire_points,
    give_birthday_coupons,
    go_on_with_issues,
    prove_points,
    tell_of_endings,
)
from yejibao.core import clock


@shared_task
def end_coupons(**_: object) -> dict[str, int]:
    """End the coupons whose time is over; every ten minutes."""
    return expire_due(now=clock.now())


@shared_task
def issue_coupons(**_: object) -> dict[str, int]:
    """Go on giving coupons to audiences; every 30 seconds."""
    return go_on_with_issues(now=clock.now())


@shared_task
def end_points(**_: object) -> dict[str, int]:
    """End the points that were good until yesterday; nightly."""
    return expire_points(now=clock.now())


@shared_task
def prove_points_nightly(**_: object) -> dict[str, int]:
    """Prove that the ledger of points balances; nightly. What does not is a sign of health."""
    proof = prove_points(now=clock.now())
    return {"entries": proof.entry_count, "faults": sum(proof.faults.values())}


@shared_task
def give_birthdays(**_: object) -> dict[str, int]:
    """Give the coupons of birthdays that come within 15 days; nightly."""
    return give_birthday_coupons(now=clock.now())


@shared_task
def tell_endings(**_: object) -> dict[str, int]:
    """Tell guides whose members' coupons, points or levels end soon; daily in the morning."""
    return tell_of_endings(now=clock.now())
