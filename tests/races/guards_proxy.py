"""The guards of orders a guide sends: one basket, one day's limit, one answer."""

from .declaring import alone, guard, lock
from .stories import proxying

_ROOM = "crm/orders/proxy/services"

GUARDS = [
    guard("proxy: one basket", f"{_ROOM}/baskets.py:open_basket", alone("crm.orders.proxy.services.baskets", "lock_members"),
          proxying.two_taps_on_a_basket),
    guard("proxy: the day's limit", f"{_ROOM}/sending.py:send_order", lock(), proxying.two_fit_into_the_rest_of_a_day),
    guard("proxy: confirmed once", f"{_ROOM}/ending.py:_locked", lock(), proxying.he_and_the_manager_say_it_was_transferred),
    guard("proxy: told once", f"{_ROOM}/ending.py:note_paid", lock(), proxying.it_is_told_once_that_he_paid),
    guard("proxy: asked once", f"{_ROOM}/ending.py:follow_orders", lock(), proxying.two_beats_ask_the_manager),
]  # fmt: skip

REASONS: dict[str, str] = {}
