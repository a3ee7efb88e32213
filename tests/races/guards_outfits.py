"""The guards of the library of outfits: one judge of a proposal, a week judged as a whole."""

from .declaring import condition, guard, lock
from .stories import outfits

_LIBRARY = "crm/catalogue/outfits/services/library.py"

GUARDS = [
    guard("outfits: written or published", f"{_LIBRARY}:_lock", lock(), outfits.a_proposal_is_edited_while_it_is_adopted),
    guard("outfits: a week judged whole", f"{_LIBRARY}:_go_live", lock(), outfits.two_days_of_a_week_are_published),
    guard("outfits: decided by one", f"{_LIBRARY}:refuse", condition(r'"crm_outfit"\."state" = %s'), outfits.two_who_refuse),
]  # fmt: skip

REASONS = {"crm/catalogue/outfits/loading.py:_plan": "once an installation, by hand; twice is like once"}
