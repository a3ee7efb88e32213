"""The guards of patrols: one visit a person and store, one revision after the other, one number a year."""

from .declaring import guard, lock
from .stories import patrolling
from .taking_out import unique

GUARDS = [
    guard("patrol: one begun at a time", "guides/patrol/services/visiting.py:start_visit", unique("guides_visit", "visit_one_open"),
          patrolling.two_taps_on_start),
    guard("patrol: one batch of a visit at a time", "guides/patrol/services/syncing.py:sync_visit", lock(),
          patrolling.two_phones_on_one_item),
    guard("patrol: handed in once", "guides/patrol/services/submitting.py:submit_visit", lock(), patrolling.handed_in_twice),
    guard("patrol: the n-th of the year", "guides/patrol/services/submitting.py:_close", lock(), patrolling.two_hand_in_one_store),
    guard("patrol: four stores a day", "guides/patrol/services/planning.py:plan_visits", lock(),
          patrolling.a_fourth_and_a_fifth_store),
]  # fmt: skip

REASONS = {
    "guides/patrol/loading.py:load_checklist": "loaded by hand; of two at once the second waits and finds the first's",
    "guides/patrol/services/visiting.py:check_in": "of a visit just made, or under the lock of submit_visit",
}
