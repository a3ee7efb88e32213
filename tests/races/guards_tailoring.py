"""The guards of fittings: a slot holds as many as the store measures, one appointment a member, a step once."""

from .declaring import condition, guard, lock
from .stories import tailoring
from .taking_out import unique

_ROOM = "crm/tailoring"
_SERVICES = f"{_ROOM}/services"

GUARDS = [
    guard("fittings: a place once", f"{_SERVICES}/booking.py:_hold_slot", lock(), tailoring.two_for_one_place),
    guard("fittings: places as the manager set them", f"{_SERVICES}/planning.py:_hold", lock(), tailoring.booked_as_the_day_is_closed),
    guard("fittings: one appointment a member", f"{_SERVICES}/booking.py:book_fitting", unique("crm_fitting", "fitting_one_booked"),
          tailoring.booked_in_two_stores),
    guard("fittings: one after the other", f"{_SERVICES}/keeping.py:held_by", lock(), tailoring.taken_by_two),
    guard("fittings: a step once", f"{_ROOM}/models.py:Fitting.move_to", condition(r'"crm_fitting"\."state" = %s'),
          tailoring.ready_twice, "fittings: one after the other"),
    guard("fittings: who took it keeps it", f"{_SERVICES}/serving.py:follow_roster", lock(), tailoring.taken_as_the_roster_is_followed),
    guard("fittings: a line is one garment's", f"{_SERVICES}/making.py:link_line", lock(), tailoring.one_line_for_two_garments),
]  # fmt: skip

REASONS = {
    f"{_SERVICES}/planning.py:save_plan": "under the lock of its store",
    f"{_SERVICES}/planning.py:save_day": "under the lock of its store",
    f"{_SERVICES}/serving.py:_pass_on_work_of_the_gone": "twice is like once; the lock keeps the order of the rows",
    "tasks/followups/services/fitting_tasks.py:_ON_CONFLICT": "one task an appointment's time, a step, a reminder by the unique key",
    "tasks/followups/services/fitting_tasks.py:_take_back": "events are drained by one; the lock keeps the order of the rows",
}
