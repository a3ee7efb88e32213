"""The guards of rosters, leave and work logs, and of the work that follows them."""

from .declaring import guard, lock
from .stories import leaving, people

_LAST = "a row of its own kind, the last writer is right"

GUARDS = [
    guard("roster: one edit", "guides/attendance/services.py:write_days", lock(), people.two_who_set_the_same_rest_day),
    guard("leave: decided once", "guides/attendance/leave.py:_lock", lock(), leaving.two_managers_decide_a_leave),
    guard("leave: days asked for once", "guides/attendance/leave.py:hold", lock(), leaving.the_same_days_asked_for_twice),
    guard("leave: what is decided is not withdrawn", "guides/attendance/leave.py:_close_waiting", lock(),
          leaving.a_leave_is_approved_as_its_asker_leaves),
    guard("logs: handed in once", "guides/worklog/services.py:save_log", lock(), leaving.a_log_handed_in_twice),
    guard("tickets: what is closed goes to no backup", "crm/aftersale/covering.py:follow_roster", lock(),
          leaving.a_ticket_is_closed_as_its_guide_leaves_for_the_day),
    guard("tasks: what is done does not come back", "tasks/followups/absences.py:bring_back", lock(),
          leaving.a_leave_is_cancelled_while_the_backup_does_it),
]  # fmt: skip

REASONS = {
    "guides/attendance/leave.py:follow_moved": "says whose turn it is, never the state; a handler of events: one drain",
    "guides/attendance/holiday_services.py:seed_holidays": "safe to run twice: both write the library's words",
    "guides/attendance/holiday_services.py:set_holiday": _LAST,
    "guides/worklog/services.py:current_template": "the unique number lets one be made; the other reads it",
    "guides/worklog/services.py:_first": "the unique day lets one be made; the condition of the update lets one be first",
}
