"""What stores took on a day that is over, written once: boards read the rows, not the ledger's history."""

from datetime import datetime

from django.db import connection

from ..models import FinanceDay, Takings
from ..takings import FROM_LEDGER


def keep_takings(day: FinanceDay, *, now: datetime) -> None:
    """Write a day's takings, again if it is counted again; the day is held by the caller, and its ledger is over."""
    Takings.objects.filter(day=day.day).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO crm_takings (day, store_id, way, purpose, in_fen, out_fen, in_count, out_count) {FROM_LEDGER}",
            {"days": [day.day]},
        )
    day.takings_at = now
