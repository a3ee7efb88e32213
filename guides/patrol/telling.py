"""What people hear of a patrol at once: the region's manager of a red line (scoring.red_line_rule)."""

from collections.abc import Sequence

from guides.events import PatrolSubmitted
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.queries import heads_of_stores
from yejibao.core import clock

from .models import Finding


def tell_red_lines(events: Sequence[PatrolSubmitted]) -> int:
    """Tell each region's manager of the red lines in his stores. Returns how many were told."""
    now = clock.now()
    wanted = [pk for event in events for pk in event.red_lines]
    rows = Finding.objects.filter(pk__in=wanted).select_related("store", "item", "visit").order_by("pk")
    heads = heads_of_stores([row.store_id for row in rows], role="region_manager", day=clock.local_day(now))
    told = [
        (
            heads[row.store_id],
            Notice(
                "rectification", f"red_line:{row.pk}", f"{row.store.short_name}踩红线：{row.item.name}",
                f"/m/patrol/visits/{row.visit.public_id}/", row.problem,
            ),
        )
        for row in rows
        if row.store_id in heads
    ]  # fmt: skip
    return tell_and_push(told, now=now, priority=2)
