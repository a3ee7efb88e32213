"""What the panels of a member's page read of the room, for one statement with the others (core/together)."""

from yejibao.core import reading, together

from .models import Visit

# The visit he is asked to, or came to today. Whoever may open his card may see it.
NEXT_VISIT = together.Read(
    "visit",
    together.first(
        "crm_visit x WHERE x.member_id = m.id AND (x.state IN ('planned', 'asked', 'invited', 'accepted') "
        "OR x.state IN ('arrived', 'bought') AND x.arrived_at > now() - interval '12 hours')",
        "x.state IN ('planned', 'asked', 'invited', 'accepted') DESC, x.starts_at DESC",
    ),
    lambda row: reading.row_of(Visit, row) if row else None,
)
