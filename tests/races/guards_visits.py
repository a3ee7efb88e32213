"""The guards of invitations to the store."""

from .declaring import guard, lock
from .stories import visits
from .taking_out import unique

_SERVICES = "crm/visits/services"

GUARDS = [
    guard("visits: one open at a time", f"{_SERVICES}/inviting.py:write_alone", unique("crm_visit", "member_visit_one_open"),
          visits.asked_by_two),
    guard("visits: he asks while he is asked", f"{_SERVICES}/inviting.py:write_alone",
          unique("crm_visit", "member_visit_one_open"), visits.wished_while_asked),
    guard("visits: one after the other", f"{_SERVICES}/steps.py:held", lock(), visits.answered_twice),
    guard("visits: bought while called off", f"{_SERVICES}/arriving.py:_BOUGHT", lock(), visits.bought_while_called_off),
    guard("visits: ended by one beat", f"{_SERVICES}/ending.py:_END", lock(), visits.ended_by_two_beats),
    guard("visits: a list planned by one beat", f"{_SERVICES}/groups.py:go_on_with_groups", lock(), visits.planned_by_two_beats),
    guard("visits: a list stopped once", f"{_SERVICES}/groups.py:stop_group", lock(), visits.stopped_twice),
]  # fmt: skip

REASONS = {
    f"{_SERVICES}/groups.py:_PLAN": "the unique key of an open visit decides; who is asked by somebody else meanwhile is passed by",
    f"{_SERVICES}/pieces.py:set_aside": "a piece is wished for once by its unique key",
    f"{_SERVICES}/pieces.py:keep_due": "a reservation is made once by its key; who is at a visit is passed by",
    f"{_SERVICES}/arriving.py:follow_returns": "a step is taken once by move_to's own condition; the lock keeps the order",
    f"{_SERVICES}/ending.py:follow_owners": "twice is like once; the lock keeps the order of the rows",
    f"{_SERVICES}/ending.py:end_of_members": "events are drained by one; the lock keeps the order of the rows",
    "tasks/followups/services/wish_tasks.py:_ON_CONFLICT": "one task a time he asked for by the unique key",
    "tasks/followups/services/wish_tasks.py:place_wishes": "twice is like once; the lock keeps the order of the rows",
    "tasks/followups/services/visit_tasks.py:_ON_CONFLICT": "one task a visit and kind by the unique key",
    "tasks/followups/services/visit_tasks.py:_take_back": "events are drained by one; the lock keeps the order of the rows",
    "tasks/followups/services/visit_tasks.py:call_back": "events are drained by one; the lock keeps the order of the rows",
}
