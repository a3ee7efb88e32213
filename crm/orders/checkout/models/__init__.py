"""Tables of a sale: the basket (`sales`), the money (`payments`), what went back (`refunds`), 换货 and 促销."""

from .exchanges import Exchange, ExchangeMoved
from .payments import SalePayment
from .promotions import Promotion
from .refunds import RefundLine, RefundPart, SaleRefund
from .sales import Sale, SaleLine, SaleMove, SaleMoved, SalePiece

__all__ = [
    "Exchange",
    "ExchangeMoved",
    "Promotion",
    "RefundLine",
    "RefundPart",
    "Sale",
    "SaleLine",
    "SaleMove",
    "SaleMoved",
    "SalePayment",
    "SalePiece",
    "SaleRefund",
]
