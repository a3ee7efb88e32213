"""What the departments above do with WeChat Pay.

    order = services.begin(purpose="sale", subject=str(sale.pk), amount_fen=…, …)     # a row, in the business transaction
    params = services.prepay(order, now=now)                                          # calls out, no transaction open
    …  PaymentSettled / PaymentClosed come by the outbox (yejibao.wechatpay.events)
    services.refund(order, amount_fen=…, key=…, reason=…, now=now)                    # a row; a job sends it

`begin`, `close` and `refund` write rows and call nobody. `prepay`, `take_code` and `look` call the platform.
"""

from .orders import (
    CodeRefused,
    NotPayable,
    OtherOpen,
    PaidAlready,
    PayUnavailable,
    begin,
    close,
    look,
    order_for,
    prepay,
    read_code,
    recheck,
    take_code,
)
from .refunds import MoreThanPaid, NotStuck, ask_again, end_by_hand, is_refunded, refund, try_again

__all__ = [
    "CodeRefused",
    "MoreThanPaid",
    "NotPayable",
    "NotStuck",
    "OtherOpen",
    "PaidAlready",
    "PayUnavailable",
    "ask_again",
    "begin",
    "close",
    "end_by_hand",
    "is_refunded",
    "look",
    "order_for",
    "prepay",
    "read_code",
    "recheck",
    "refund",
    "take_code",
    "try_again",
]
