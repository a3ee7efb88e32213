"""The guards of what follows a patrol: reports, rectification, the duty it is."""

from .declaring import condition, guard, lock
from .stories import mending
from .taking_out import sql

GUARDS = [
    guard("patrol: reports made once", "guides/patrol/reports/services.py:make_reports", lock(),
          mending.two_who_make_the_reports),
    guard("rectify: handed in once", "tasks/duties/rectifying.py:finish_duty", sql(r'"tasks_duty"\."state" IN \(%s, %s\)', "(%s::text, %s::text) IS NOT NULL"),
          mending.two_who_hand_in_one_duty),
    guard("rectify: a yes or a no", "guides/patrol/rectify/services.py:Machine.move", condition(r'"guides_finding"\."state" = %s'),
          mending.a_yes_and_a_no),
    guard("rectify: given to one", "guides/patrol/rectify/services.py:assign_rectification",
          condition(r'"guides_finding"\."owner_id" = %s'), mending.given_to_two, "rectify: one round"),
    guard("rectify: one round", "guides/patrol/rectify/services.py:_next_round", condition(r'"guides_rectification"\."round" = %s'),
          mending.given_to_two, "rectify: given to one"),
]  # fmt: skip

_COUNTED = "counted anew from the rows themselves: whoever writes last writes the same"
REASONS = {
    "guides/patrol/figures/services.py:_MONTHS": _COUNTED,
    "guides/patrol/figures/services.py:_ITEMS": _COUNTED,
}
