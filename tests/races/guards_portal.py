"""The guards of members' phones."""

from .declaring import guard, lock
from .stories import portal
from .taking_out import unique

GUARDS = [
    guard("tickets: used once", "crm/portal/sessions.py:use_ticket", lock(), portal.two_who_use_a_ticket),
    guard("phones: given once", "crm/portal/services.py:_bind", lock(), portal.two_taps_that_give_the_phone),
    guard("codes: came by it once", "crm/portal/codes.py:open_code", unique("crm_codevisit", "code_visit_once"), portal.two_taps_that_open_a_code),
    guard("phones: the last piece to one buyer", "crm/catalogue/services/holding.py:lock_level", lock(), portal.two_who_buy_the_last_piece),
]  # fmt: skip

REASONS = {
    "crm/members/services/registering.py:register_visitor": "two taps of one sign-in meet in the lock of crm/portal/services.py:_bind",
}
