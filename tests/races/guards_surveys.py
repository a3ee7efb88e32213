"""The guards of surveys."""

from .declaring import again, condition, guard, lock, on_conflict
from .stories import surveys

_SERVICES = "crm/surveys/services"

GUARDS = [
    guard("surveys: answered once", f"{_SERVICES}/answering.py:_take",
          condition(r'"crm_survey"\."answered_at" IS NULL'), surveys.answered_twice),
    guard("surveys: a ticket rated at two doors", f"{_SERVICES}/asking.py:_ASK", on_conflict(), surveys.rated_at_two_doors),
    guard("surveys: asked once", f"{_SERVICES}/asking.py:_ASK", on_conflict(), surveys.asked_twice),
    guard("surveys: two answers count as two", f"{_SERVICES}/answering.py:_COUNT", again(), surveys.two_answers_of_one_day),
    guard("surveys: one beat asks at a time", f"{_SERVICES}/asking.py:_batch", lock(), surveys.two_beats_ask),
    guard("surveys: one reply", f"{_SERVICES}/replying.py:reply",
          condition(r'"crm_survey"\."replied_at" IS NULL'), surveys.replied_twice),
]  # fmt: skip

REASONS = {
    f"{_SERVICES}/answering.py:_COUNT_REASONS": "counts as _COUNT beside it does, in the same transaction",
    f"{_SERVICES}/answering.py:want_surveys": "refusing twice is refusing once: the key is the member",
}
