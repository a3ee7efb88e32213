"""What crm does when something it listens to has happened."""

from crm.members.services import propose_heir
from guides.events import StaffResigned
from yejibao.core import clock, outbox


@outbox.subscribe(StaffResigned)
def open_handovers(events: list[StaffResigned]) -> None:
    """Somebody left: propose who takes over the members; the manager has 24 hours to pick somebody else."""
    for event in events:
        propose_heir(event.staff_id, resigned_at=clock.parse_iso(event.resigned_at), now=clock.now())
