"""What the panels of a member's page read of the room, for one statement with the others (core/together)."""

from functools import partial

from yejibao.core import reading, together

from .models import Ticket

SHOWN = 9
# His tickets that are not over, the oldest first, as far as the actor may read them.
OPEN_TICKETS = together.Read(
    "tickets",
    together.rows(
        "crm_ticket x WHERE x.member_id = m.id AND x.closed_at IS NULL AND x.id IN (%(scope)s)", f"x.id LIMIT {SHOWN}"
    ),
    lambda rows: [reading.row_of(Ticket, row) for row in rows or ()],
    scope=partial(together.visible_ids, Ticket),
)
