"""The guards of after-sale tickets."""

from .declaring import condition, guard, lock
from .stories import aftersale
from .taking_out import unique

_SERVICES = "crm/aftersale/services"

GUARDS = [
    guard("tickets: answered or passed on", f"{_SERVICES}/answering.py:held_by", lock(), aftersale.two_who_take_a_ticket),
    guard("tickets: passed up by one beat", f"{_SERVICES}/escalating.py:_batch", lock(), aftersale.two_beats_pass_up),
    guard("tickets: rated once", f"{_SERVICES}/answering.py:rate", lock(), aftersale.rated_twice),
    guard("tickets: the first word once", f"{_SERVICES}/answering.py:answered_in_chat", lock(), aftersale.said_twice_in_the_chat),
    guard("care: confirmed once", f"{_SERVICES}/caring.py:confirm_slip", lock(), aftersale.a_slip_confirmed_twice),
    guard("care: a fee of what we spoilt", f"{_SERVICES}/fees.py:settle_fee", lock(), aftersale.spoilt_while_wechat_pays),
    guard("tickets: opened again once", f"{_SERVICES}/answering.py:member_says", lock(), aftersale.two_words_of_the_member),
    guard("tickets: of a mall once", "crm/aftersale/intake.py:take_request", unique("crm_ticket", "ticket_feed_once"), aftersale.asked_in_the_mall_twice),
    guard("tickets: one open a piece", f"{_SERVICES}/pieces.py:free_piece", lock(), aftersale.two_who_ask_for_one_piece),
    guard("checks: scored once", "crm/aftersale/checking/services.py:score_check",
          condition(r'"crm_servicecheck"\."checked_at" IS NULL'), aftersale.two_who_score_a_check),
]  # fmt: skip

REASONS = {
    "crm/aftersale/checking/services.py:draw_checks": "a ticket's number decides what is drawn: two at once draw the same, and the unique key keeps one",
    "crm/aftersale/replies/services.py:load_templates": "sentences of a file, loaded before anybody works; the key is unique",
    "tasks/followups/services/ticket_tasks.py:_ON_CONFLICT": "one task a ticket and kind by the unique key",
    "yejibao/demo/goods.py:build": "the demo is built once, by one process",
    "yejibao/demo/goods.py:_STOCK": "the demo is built once, by one process",
    f"{_SERVICES}/answering.py:note": "a note more is a note more; the lock keeps the order of the lines",
    f"{_SERVICES}/answering.py:cancel_by_member": "a step is taken once by move_ticket's own condition",
}
