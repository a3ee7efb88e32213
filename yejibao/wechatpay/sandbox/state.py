"""What the stand-in knows: merchant and keys, its clock, orders, refunds, payment codes, faults."""

import base64
import fnmatch
import json
import random
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

CHINA = timezone(timedelta(hours=8))


class Refusal(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass
class Figures:
    """Every limit with the platform's own value; `POST /control/settings` changes them."""

    skew_seconds: int = 300
    refund_seconds: float = 2.0  # from accepted to done
    refund_gap_seconds: int = 60  # between two refunds of one order
    refunds_most: int = 50
    code_seconds: int = 60  # a payment code shown on the phone
    paying_seconds: int = 30  # a password that is not typed by then fails
    order_days: int = 7  # an order without an end of its own
    bill_hour: int = 10  # of the next day
    balance_fen: int = 100_000_000_00  # of the merchant's account at the beginning
    fee_per_mille: int = 6
    notice_seconds: float = 5.0  # so long an answer is waited for
    notice_gaps: tuple[float, ...] = (
        15,
        15,
        30,
        180,
        600,
        1200,
        1800,
        1800,
        1800,
        3600,
        10800,
        10800,
        10800,
        21600,
        21600,
    )


@dataclass
class Order:
    """One order as the platform keeps it."""

    out_trade_no: str
    trade_type: str  # JSAPI | NATIVE | MICROPAY
    description: str
    total: int
    openid: str
    notify_url: str
    created: float
    expires: float
    words: str  # the parameters it was made with: others under the same number are refused
    state: str = "NOTPAY"
    prepay_id: str = ""
    code_url: str = ""
    transaction_id: str = ""
    paid: float | None = None
    decides: float | None = None  # when a payer who types his password is given up
    store: str = ""


@dataclass
class Refund:
    """One refund as the platform keeps it."""

    out_refund_no: str
    refund_id: str
    out_trade_no: str
    amount: int
    reason: str
    notify_url: str
    created: float
    status: str = "PROCESSING"
    becomes: str = "SUCCESS"
    ripe: float = 0.0
    settled: float | None = None


@dataclass
class Fault:
    """A misbehaviour on demand: one of code (with http), http alone, hang, reset, unsigned, or latency alone."""

    id: int
    api: str = "*"
    code: str = ""
    http: int | None = None
    hang: float = 0.0
    latency: float = 0.0  # milliseconds
    reset: bool = False
    unsigned: bool = False
    after_effect: bool = False
    next_n: int | None = None
    hits: int = 0

    @classmethod
    def parse(cls, number: int, body: dict[str, Any]) -> "Fault":
        """Build from JSON; `times` is `next_n`. Raises ValueError for an unknown field."""
        values = dict(body)
        if "times" in values:
            values["next_n"] = values.pop("times")
        if unknown := set(values) - ({item.name for item in fields(cls)} - {"id", "hits"}):
            raise ValueError(f"unknown fault fields: {sorted(unknown)}")
        return cls(id=number, **values)

    @property
    def spent(self) -> bool:
        return self.next_n is not None and self.hits >= self.next_n


@dataclass(frozen=True)
class Merchant:
    """Who may call, and the keys of both sides."""

    mchid: str
    appid: str
    serial_no: str
    public_key_id: str
    api_v3_key: str = field(repr=False)
    public_key: str = field(repr=False)  # the merchant's, PEM
    platform_key: str = field(repr=False)  # ours, PEM


class Clock:
    """The stand-in's time: the product's own, or a moment set from outside."""

    def __init__(self, base: Callable[[], datetime]) -> None:
        self._base = base
        self._frozen: float | None = None

    def set(self, moment: float | None) -> None:
        self._frozen = moment

    def time(self) -> float:
        return self._base().timestamp() if self._frozen is None else self._frozen

    @staticmethod
    def iso(at: float) -> str:
        return datetime.fromtimestamp(at, UTC).astimezone(CHINA).isoformat(timespec="seconds")

    @staticmethod
    def day(at: float) -> str:
        return datetime.fromtimestamp(at, UTC).astimezone(CHINA).date().isoformat()


class State:
    """All of it. `reset` brings back an empty world and the platform's figures."""

    def __init__(self, merchant: Merchant, clock: Clock) -> None:
        self.merchant, self.clock = merchant, clock
        self._key: Any = load_pem_private_key(merchant.platform_key.encode(), None)
        self._theirs: Any = load_pem_public_key(merchant.public_key.encode())
        self.own_url = ""
        self.reset()

    def reset(self) -> None:
        self.figures = Figures()
        self.clock.set(None)
        self.random = random.Random(1)
        self.orders: dict[str, Order] = {}
        self.refunds: dict[str, Refund] = {}
        self.codes: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.bill_changes: dict[str, dict[str, Any]] = {}  # by day: what the bill says otherwise
        self.next_refunds: deque[str] = deque()
        self.faults: list[Fault] = []
        self.fault_number = self.sequence = 0
        self.calls: deque[dict[str, Any]] = deque(maxlen=2000)
        self.to_tell: deque[tuple[str, str]] = deque()  # what happened and wants a notice: ("order" | "refund", number)
        self.dirty = True

    def number(self, prefix: str) -> str:
        """Return a number of the platform's, 28 digits."""
        self.sequence += 1
        self.dirty = True
        day = datetime.fromtimestamp(self.clock.time(), UTC).astimezone(CHINA).strftime("%Y%m%d")
        return f"{prefix}{day}{secrets.randbelow(10**8):08d}{self.sequence:06d}"

    # ------------------------------------------------------------ signatures
    def sign(self, timestamp: str, nonce: str, body: bytes) -> str:
        said = b"%b\n%b\n%b\n" % (timestamp.encode(), nonce.encode(), body)
        return base64.b64encode(self._key.sign(said, PKCS1v15(), SHA256())).decode()

    def is_signed_by_merchant(self, said: bytes, signature: str) -> bool:
        try:
            self._theirs.verify(base64.b64decode(signature, validate=True), said, PKCS1v15(), SHA256())
        except Exception:  # noqa: BLE001  whatever is wrong with it, it is no signature
            return False
        return True

    # ------------------------------------------------------------ faults
    def fault_for(self, api: str) -> Fault | None:
        for fault in self.faults:
            if not fault.spent and fnmatch.fnmatchcase(api, fault.api):
                fault.hits += 1
                return fault
        return None

    # ------------------------------------------------------------ time passes
    def ripen(self) -> None:
        """Let happen what was to happen by now: refunds get through, passwords that were not typed fail."""
        now = self.clock.time()
        for refund in self.refunds.values():
            if refund.status == "PROCESSING" and refund.becomes != "PROCESSING" and refund.ripe <= now:
                refund.status, refund.settled = refund.becomes, now
                self.to_tell.append(("refund", refund.out_refund_no))
                self.dirty = True
        for order in self.orders.values():
            if order.state == "USERPAYING" and order.decides is not None and order.decides <= now:
                order.state, order.decides = "PAYERROR", None
                self.dirty = True

    def refunded(self, order: Order, *, done_only: bool = False) -> int:
        kinds = ("SUCCESS",) if done_only else ("SUCCESS", "PROCESSING", "ABNORMAL")
        return sum(
            one.amount
            for one in self.refunds.values()
            if one.out_trade_no == order.out_trade_no and one.status in kinds
        )

    @property
    def balance(self) -> int:
        taken = sum(one.total for one in self.orders.values() if one.transaction_id)
        back = sum(one.amount for one in self.refunds.values() if one.status in ("SUCCESS", "PROCESSING"))
        return self.figures.balance_fen + taken - back

    # ------------------------------------------------------------ snapshot
    def snapshot(self) -> str:
        """Return what survives a restart as JSON."""
        return json.dumps(
            {
                "version": 1,
                "sequence": self.sequence,
                "orders": [asdict(one) for one in self.orders.values()],
                "refunds": [asdict(one) for one in self.refunds.values()],
            }
        )

    def restore(self, text: str) -> None:
        """Load a snapshot. Raises ValueError, KeyError or TypeError when it is not one."""
        data = json.loads(text)
        self.sequence = data["sequence"]
        self.orders = {row["out_trade_no"]: Order(**row) for row in data["orders"]}
        self.refunds = {row["out_refund_no"]: Refund(**row) for row in data["refunds"]}
        self.dirty = False
