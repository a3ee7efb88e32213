"""Guards of the door to WeChat Pay and of the day's books."""

from .declaring import guard, lock, on_conflict
from .stories import payments

_SETTLING, _REFUNDS = "yejibao/wechatpay/services/settling.py", "yejibao/wechatpay/services/refunds.py"
_ORDERS, _NOTICES = "yejibao/wechatpay/services/orders.py", "yejibao/wechatpay/notices/services.py"
_DAYS, _ENDING = "crm/finance/services/days.py", "crm/finance/services/ending.py"

GUARDS = [
    guard("payments: told once", f"{_SETTLING}:take_payment", lock(), payments.a_payment_told_by_notice_and_query_at_once),
    guard("payments: paid wins over given up", f"{_ORDERS}:close", lock(), payments.it_is_paid_while_the_business_gives_it_up),
    guard("payments: paid wins over ended", f"{_SETTLING}:end", lock(),
          payments.it_is_paid_while_the_platform_is_said_to_have_closed_it),
    guard("payments: paid wins over waiting", f"{_SETTLING}:mark_paying", lock(),
          payments.it_is_paid_while_a_code_is_said_to_wait_for_the_password),
    guard("payments: one open order", f"{_ORDERS}:begin", lock(), payments.two_cashiers_begin_anew),
    guard("payments: looked at by one", "yejibao/wechatpay/services/polling.py:_drain", lock(), payments.two_ticks_look_at_one_order),
    guard("refunds: within what was paid", f"{_REFUNDS}:refund", lock(), payments.two_refunds_of_more_than_is_left),
    guard("refunds: told once", f"{_REFUNDS}:take_refund", lock(), payments.a_refund_told_by_notice_and_query_at_once),
    guard("refunds: done wins over failed", f"{_REFUNDS}:_failed", lock(), payments.a_refund_fails_while_it_is_told_to_be_done),
    guard("refunds: done is not sent again", f"{_REFUNDS}:try_again", lock(),
          payments.a_stuck_refund_is_sent_again_while_it_gets_through),
    guard("refunds: done wins over ended by hand", f"{_REFUNDS}:end_by_hand", lock(),
          payments.a_refund_is_ended_by_hand_while_it_gets_through),
    guard("refunds: ended by hand or sent again", f"{_ENDING}:_lock_refund", lock(),
          payments.a_refund_is_sent_again_while_another_way_is_asked_for),
    guard("refunds: paid by hand once", f"{_ENDING}:_approved", lock(), payments.two_who_pay_a_refund_by_hand),
    guard("notices: twice is no error", f"{_NOTICES}:_INSERT", on_conflict(), payments.a_notice_comes_twice_at_once),
    guard("notices: worked off by one", f"{_NOTICES}:_CLAIM", lock(), payments.two_workers_take_a_notice),
    guard("notices: tried again by one", f"{_NOTICES}:try_notice_again", lock(), payments.two_who_try_a_notice_again),
    guard("books: counted by one", f"{_DAYS}:_count", lock(), payments.two_who_count_a_day),
    guard("books: bills kept once", f"{_DAYS}:_keep", lock(), payments.two_who_bring_the_days_bills),
    guard("books: not closed under a count", f"{_DAYS}:close_day", lock(), payments.a_day_is_closed_while_it_is_counted),
    guard("books: answered by one", "crm/finance/services/answering.py:_open", lock(), payments.two_who_answer_a_break),
]  # fmt: skip

REASONS = {
    f"{_ORDERS}:prepay": "the step is guarded by itself; asked again, the platform gives the same order",
    "yejibao/wechatpay/services/polling.py:_CLAIM": "sent by _drain",
    f"{_DAYS}:reconcile": "the key refuses a second; what is counted is held in _count",
}
