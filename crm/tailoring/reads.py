"""What the panels of a member's page read of the room, for one statement with the others (core/together)."""

from functools import partial
from typing import Any

from guides.org.models import Store
from yejibao.core import reading, together

from .models import Fitting, MemberMeasure

SHOWN = 9
# His fittings that are not over, the next first, as far as the actor may read them.
FITTINGS = together.Read(
    "fittings",
    together.rows(
        """crm_fitting x WHERE x.member_id = m.id AND x.state IN ('booked', 'measured', 'confirmed', 'making', 'ready')
        AND x.id IN (%(scope)s)""",
        f"x.starts_at, x.id LIMIT {SHOWN}",
        "x.*, (SELECT to_json(s) FROM guides_store s WHERE s.id = x.store_id) AS at_store",
    ),
    lambda rows: [_fitting(row) for row in rows or ()],
    scope=partial(together.visible_ids, Fitting),
)
# What counts of his size file.
MEASURE = together.Read(
    "measure",
    together.first("crm_membermeasure x WHERE x.member_id = m.id", "x.taken_at DESC, x.id DESC"),
    lambda row: reading.row_of(MemberMeasure, row) if row else None,
)


def _fitting(row: dict[str, Any]) -> Fitting:
    fitting = reading.row_of(Fitting, row)
    fitting.store = reading.row_of(Store, row["at_store"])
    return fitting
