"""The guards of the till: the row of a sale, the rows of an order something comes back from, what WeChat tells twice."""

from .declaring import condition, guard, lock
from .stories import till

_AT = "crm/orders/checkout/services"

GUARDS = [
    guard("sales: what is paid changes no more", f"{_AT}/baskets.py:lock_sale", lock(), till.a_piece_is_added_as_it_is_paid),
    guard("sales: ended or paid another way", f"{_AT}/baskets.py:lock_sale", lock(), till.another_way_is_begun_as_the_sale_ends),
    guard("returns: one after the other", f"{_AT}/refunding.py:locked", lock(), till.two_pieces_come_back_at_once),
    guard("returns: WeChat's word once", f"{_AT}/paying_back.py:settle_refund", condition(r'"crm_refundpart"."done_at" IS NULL'),
          till.a_refund_told_twice),
]  # fmt: skip

REASONS: dict[str, str] = {}
