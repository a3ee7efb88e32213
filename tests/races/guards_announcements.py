"""The guards of announcements and of the duties they make."""

from .declaring import guard, lock, on_conflict
from .stories import announcing

_HERE = "guides/announcements/services"

GUARDS = [
    guard("announcements: what one saw", f"{_HERE}/drafting.py:lock_draft", lock(), announcing.two_who_edit_a_draft),
    guard("announcements: out once", f"{_HERE}/publishing.py:publish_due", lock(), announcing.two_beats_publish_what_is_scheduled),
    guard("announcements: spread or withdrawn", f"{_HERE}/publishing.py:spread_batch", lock(),
          announcing.one_withdraws_while_it_spreads),
    guard("announcements: withdrawn once", f"{_HERE}/publishing.py:withdraw", lock(), announcing.two_who_withdraw),
    guard("announcements: confirmed once", f"{_HERE}/reading.py:confirm", lock(), announcing.two_taps_that_confirm),
    guard("announcements: urged by one", f"{_HERE}/urging.py:urge", lock(), announcing.two_who_urge_the_same),
    guard("duties: asked for once", "tasks/duties/services.py:open_duties", on_conflict(), announcing.a_duty_asked_for_twice),
]  # fmt: skip

REASONS = {
    f"{_HERE}/publishing.py:pin": "a row of its own kind, the last who pins is right",
    f"{_HERE}/publishing.py:_SPREAD": "under the lock of its announcement (spread_batch)",
    f"{_HERE}/publishing.py:go_on": "under the lock of its approval",
    f"{_HERE}/upkeep.py:_each": "safe to run twice: urging passes by whom it has just told, a notice takes the place of the same one",
    f"{_HERE}/upkeep.py:mark_overdue": "safe to run twice: a duty is asked for once (tasks/duties)",
}
