"""What crm does when something it listens to has happened."""

from crm.events import MembersMerged
from crm.members.services import add_holding, after_merge, before_merge, propose_heir
from crm.scoring.services import recount_members
from crm.tags import services as tags
from guides.events import StaffResigned
from yejibao.core import clock, outbox

for table in ("crm_order", "crm_ticket", "crm_tagchange"):
    add_holding(table)
add_holding("crm_membertag", stays=tags.COLLIDES)
before_merge(tags.make_room)
after_merge(tags.settle_pair)


@outbox.subscribe(StaffResigned)
def open_handovers(events: list[StaffResigned]) -> None:
    """Somebody left: propose who takes over the members; the manager has 24 hours to pick somebody else."""
    for event in events:
        propose_heir(event.staff_id, resigned_at=clock.parse_iso(event.resigned_at), now=clock.now())


@outbox.subscribe(MembersMerged)
def recount_merged(events: list[MembersMerged]) -> None:
    """Purchases changed hands: count both again."""
    now = clock.now()
    ids = {pk for event in events for pk in (event.kept_id, event.gone_id)}
    recount_members(sorted(ids), as_of=clock.local_day(now), now=now)
