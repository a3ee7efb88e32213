"""The guard of a suggestion that is taken (crm/nextbest)."""

from .declaring import guard, on_conflict
from .stories import next_best

GUARDS = [
    guard("tasks: one task of a suggestion", "tasks/followups/services/next_best.py:take_next_best", on_conflict(),
          next_best.a_suggestion_taken_twice),
]  # fmt: skip
