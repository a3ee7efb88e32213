"""The guards of clocking in."""

from .declaring import guard, lock, on_conflict
from .stories import clocking

GUARDS = [
    guard("clock: one press a day", "guides/attendance/clockin/services.py:_lock", lock(), clocking.two_taps_at_once),
    guard("clock: judged one after the other", "guides/attendance/clockin/judging.py:judge", lock(),
          clocking.a_correction_counts_as_she_leaves),
    guard("clock: a day is closed once", "guides/attendance/clockin/judging.py:mark_missing", on_conflict(),
          clocking.two_who_close_a_day),
    guard("clock: a press of the platform once", "guides/attendance/clockin/platform.py:merge", on_conflict(),
          clocking.a_press_read_twice),
]  # fmt: skip
REASONS = {
    "guides/attendance/clockin/corrections.py:settle_correction": "under the lock of its approval",
    "guides/attendance/clockin/keeping.py:coarsen": "two runs would leave the same grid",
    "guides/attendance/clockin/places.py:set_fence": "a row of its own kind, the last writer is right",
    "yejibao/demo/clocking.py:_places": "a scratch world",
}
