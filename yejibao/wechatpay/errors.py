"""The one error type of this door, and what each code of WeChat Pay asks of the caller (wecom-api §12.1)."""

from enum import StrEnum


class Kind(StrEnum):
    """What a failed call asks for."""

    TRANSIENT = "transient"  # surely nothing happened, or repeating is harmless: try again
    THROTTLE = "throttle"  # too many calls: later
    SHORT = "short"  # the merchant's account has not enough for a refund: the same number later
    ADMIN = "admin"  # a key, a right or an agreement is wrong: a person has to mend it
    PERMANENT = "permanent"  # the same call will fail again
    UNKNOWN = "unknown"  # the request may have left and the answer is missing: ask by the same number


# Without underscores: the platform's own pages write ORDER_CLOSED and ORDERCLOSED for the same thing.
THROTTLE_CODES = frozenset({"FREQUENCYLIMITED", "FREQUENCYLIMITEXCEED", "RATELIMITEXCEEDED"})
SHORT_CODES = frozenset({"NOTENOUGH"})
ADMIN_CODES = frozenset({"SIGNERROR", "NOAUTH", "MCHNOTEXISTS", "APPIDMCHIDNOTMATCH", "ACCOUNTERROR"})
UNKNOWN_CODES = frozenset({"SYSTEMERROR", "BANKERROR"})  # 5xx: it may have been done all the same

ORDER_PAID = "ORDERPAID"
ORDER_CLOSED = "ORDERCLOSED"
NUMBER_USED = "OUTTRADENOUSED"
USER_PAYING = "USERPAYING"
NO_ORDER = frozenset({"ORDERNOTEXIST"})
NO_REFUND = frozenset({"RESOURCENOTEXISTS", "REFUNDNOTEXISTS"})
NO_BILL = frozenset({"NOSTATEMENTEXIST", "STATEMENTCREATING"})


def plain(code: str) -> str:
    """Return a code as this module writes it."""
    return code.upper().replace("_", "")


def kind_of(status: int, code: str) -> Kind:
    """Return what an answer other than 2xx asks for; without a code the HTTP status decides."""
    code = plain(code)
    if code in THROTTLE_CODES or status == 429:
        return Kind.THROTTLE
    if code in SHORT_CODES:
        return Kind.SHORT
    if code in ADMIN_CODES or status == 401:
        return Kind.ADMIN
    if code in UNKNOWN_CODES or status >= 500:
        return Kind.UNKNOWN
    return Kind.PERMANENT


class PayError(Exception):
    """A call to WeChat Pay failed.

    `code` is the platform's, without underscores, "" when no signed JSON answer came. `retryable`: the same call may succeed
    later without anybody's help. Never carries a header, key, name or openid.
    """

    def __init__(self, code: str, *, kind: Kind, api: str = "", status: int = 0) -> None:
        self.code, self.kind, self.api, self.status = plain(code), kind, api, status
        self.retryable = kind not in (Kind.ADMIN, Kind.PERMANENT)
        super().__init__(f"{api or 'wechatpay'}: {kind} {self.code or status or ''}".rstrip())

    @property
    def may_have_happened(self) -> bool:
        """True when nobody can say whether the call had its effect."""
        return self.kind is Kind.UNKNOWN

    @classmethod
    def from_answer(cls, status: int, code: str, *, api: str) -> "PayError":
        """Return the error for an answer of the platform."""
        return cls(code, kind=kind_of(status, code), api=api, status=status)
