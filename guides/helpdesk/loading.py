"""Bring the categories of data/call_hq.yaml into the table. Twice is like once; what HQ edited stays."""

from .models import HelpCategory
from .rules import book


def load_categories() -> int:
    """Create what is missing and follow the file where HQ has changed nothing. Returns how many there are."""
    rows = [
        HelpCategory(
            key=one["key"], name=one["name"], responder=one["responder"], first_response_minutes=one["first_response_minutes"],
            solve_hours=one["solve_hours"], is_for_dealers=one["dealer"], sample=one["sample"], place=place,
        )
        for place, one in enumerate(book()["categories"])
    ]  # fmt: skip
    edited = set(HelpCategory.objects.filter(edited_at__isnull=False).values_list("key", flat=True))
    HelpCategory.objects.bulk_create(
        [row for row in rows if row.key not in edited], update_conflicts=True, unique_fields=["key"],
        update_fields=["name", "responder", "first_response_minutes", "solve_hours", "is_for_dealers", "sample", "place"],
    )  # fmt: skip
    return HelpCategory.objects.count()
