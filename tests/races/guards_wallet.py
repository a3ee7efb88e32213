"""The guards of stored value: one statement a movement, and what stands around cards, top-ups and refunds."""

from .declaring import guard, lock, on_conflict
from .stories import wallet
from .taking_out import unique

_AT = "crm/wallet/services"

GUARDS = [
    guard("cards: spent once", f"{_AT}/moving.py:SPEND", lock(), wallet.the_last_of_a_balance),
    guard("cards: a spend twice is no error", f"{_AT}/moving.py:SPEND", on_conflict(), wallet.a_spend_sent_twice),
    guard("cards: a key once", f"{_AT}/moving.py:SPEND", unique("crm_transfer", "transfer_once"), wallet.a_spend_sent_twice),
    guard("cards: a dead card takes nothing", f"{_AT}/moving.py:TOP_UP", lock(), wallet.a_top_up_while_the_card_is_replaced),
    guard("cards: a top-up twice is no error", f"{_AT}/moving.py:TOP_UP", on_conflict(), wallet.a_top_up_credited_twice),
    guard("cards: refunded once", f"{_AT}/moving.py:REFUND", lock(), wallet.two_refunds_of_one_spend),
    guard("cards: a refund twice is no error", f"{_AT}/moving.py:REFUND", on_conflict(), wallet.a_refund_sent_twice),
    guard("ledger: a booking twice is no error", f"{_AT}/moving.py:BOOK", on_conflict(), wallet.a_booking_sent_twice),
    guard("ledger: reversed or refunded", f"{_AT}/moving.py:reverse_transfer", lock(), wallet.a_spend_is_reversed_as_it_is_refunded),
    guard("ledger: reversed once", f"{_AT}/moving.py:reverse_transfer", unique("crm_transfer", "transfer_reversed_once"),
          wallet.reversed_by_two, "ledger: reversed or refunded"),
    guard("cards: replaced once", f"{_AT}/cards.py:replace_card", lock(), wallet.a_card_replaced_by_two),
    guard("cards: frozen once", f"{_AT}/cards.py:_turn", lock(), wallet.a_card_frozen_by_two),
    guard("top-ups: confirmed or cancelled", f"{_AT}/top_ups.py:_lock", lock(), wallet.a_top_up_is_cancelled_as_he_confirms),
    guard("top-ups: settled or expired", f"{_AT}/top_ups.py:expire_top_ups", lock(), wallet.a_top_up_is_settled_as_it_expires),
    guard("card refunds: transferred once", f"{_AT}/payouts.py:_lock", lock(), wallet.a_transfer_is_written_down_by_two),
    guard("card refunds: paid once", f"{_AT}/refunds.py:_lock", lock(), wallet.a_refund_paid_twice),
    guard("card refunds: of the balance as it is", f"{_AT}/refunds.py:pay_refund", lock(), wallet.a_card_is_used_as_it_is_paid_out),
    guard("card refunds: asked of the balance as it is", f"{_AT}/refunds.py:ask_refund", lock(),
          wallet.a_card_is_used_as_its_refund_is_asked),
    guard("days: closed twice is no error", f"{_AT}/proving.py:close_days", on_conflict(), wallet.a_day_closed_by_two),
]  # fmt: skip

REASONS = {
    f"{_AT}/holders.py:register": "the newest day to keep it until is right; one row a member is the key's",
    f"{_AT}/refunds.py:settle_decision": "runs under the lock of its approval, and only of a refund that still waits",
}
