"""Typed calls to WeChat Pay v3. The one place that knows wechatpayv3.

wechatpayv3 2.0.4 starts without network only in public-key mode, sends to one fixed host, has no timeout of its own, takes a
proxy out of the environment, answers (status, text) for a refusal and a bare Exception for a wrong signature, and asks the
network for certificates when an answer names another serial. So: public-key mode, our host, our timeouts, and one error type.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

import requests
from django.conf import settings
from wechatpayv3 import WeChatPay, WeChatPayType

from yejibao.core import clock, traffic
from yejibao.core.connections import is_surely_unsent

from .account import Account, configured
from .errors import NO_ORDER, Kind, PayError

CONNECT_SECONDS, READ_SECONDS = 3.0, 8.0
BILL_SECONDS = 30.0
LARGEST_BILL = 256 * 2**20
CURRENCY = "CNY"


@dataclass(frozen=True)
class Payment:
    """What the platform says of an order, in an answer or a notice."""

    out_trade_no: str
    trade_state: str  # SUCCESS | REFUND | NOTPAY | CLOSED | REVOKED | USERPAYING | PAYERROR
    appid: str = ""
    mchid: str = ""
    transaction_id: str = ""
    amount_fen: int | None = None
    currency: str = ""
    payer_openid: str = ""
    paid_at: datetime | None = None

    @property
    def is_paid(self) -> bool:
        return self.trade_state in ("SUCCESS", "REFUND")  # REFUND: paid, and some of it went back


@dataclass(frozen=True)
class Refund:
    """What the platform says of a refund, in an answer or a notice."""

    out_refund_no: str
    status: str  # SUCCESS | PROCESSING | CLOSED | ABNORMAL
    refund_id: str = ""
    out_trade_no: str = ""
    mchid: str = ""
    amount_fen: int | None = None
    settled_at: datetime | None = None


def read_payment(facts: Mapping[str, Any]) -> Payment:
    """Read a transaction object. Raises ValueError for what is none."""
    amount, payer = _object(facts, "amount"), _object(facts, "payer")
    return Payment(
        out_trade_no=_text(facts, "out_trade_no"), trade_state=_text(facts, "trade_state"), appid=_text(facts, "appid", ""),
        mchid=_text(facts, "mchid", ""), transaction_id=_text(facts, "transaction_id", ""), amount_fen=_fen(amount, "total"),
        currency=_text(amount, "currency", ""), payer_openid=_text(payer, "openid", ""), paid_at=_moment(facts),
    )  # fmt: skip


def read_refund(facts: Mapping[str, Any]) -> Refund:
    """Read a refund object: a notice says `refund_status` where an answer says `status`. Raises ValueError."""
    status = facts.get("refund_status") or facts.get("status")
    if not isinstance(status, str):
        raise ValueError("no status")
    return Refund(
        out_refund_no=_text(facts, "out_refund_no"), status=status, refund_id=_text(facts, "refund_id", ""),
        out_trade_no=_text(facts, "out_trade_no", ""), mchid=_text(facts, "mchid", ""),
        amount_fen=_fen(_object(facts, "amount"), "refund"), settled_at=_moment(facts),
    )  # fmt: skip


def _object(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = facts.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is no object")
    return value


def _text(facts: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = facts.get(name, default)
    if not isinstance(value, str) or len(value) > 128 or "\0" in value:
        raise ValueError(f"{name} is no text")
    return value


def _fen(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"{name} is no number of fen")
    return value


def _moment(facts: Mapping[str, Any]) -> datetime | None:
    value = facts.get("success_time")
    if not value:
        return None
    if not isinstance(value, str):
        raise ValueError("success_time is no text")
    return clock.parse_iso(value)


class Gateway:
    """Calls with the rights of one merchant. All methods raise PayError and nothing else; none opens a transaction."""

    def __init__(self, account: Account, base: str) -> None:
        self.account = account
        self._base = base.rstrip("/")
        self._pay = self._client(READ_SECONDS)
        self._bills = self._client(BILL_SECONDS)

    def _client(self, seconds: float) -> WeChatPay:
        account = self.account
        client = WeChatPay(
            wechatpay_type=WeChatPayType.JSAPI, mchid=account.mchid, private_key=account.private_key, cert_serial_no=account.serial_no,
            appid=account.appid, apiv3_key=account.api_v3_key, notify_url=account.notify_url, public_key=account.public_key,
            public_key_id=account.public_key_id, timeout=(CONNECT_SECONDS, seconds), proxy={"http": "", "https": ""},
        )  # fmt: skip
        client._core._gate_way = self._base
        client._core._update_certificates = lambda: None  # an answer under another serial is refused, not looked up
        return client

    # ------------------------------------------------------------ orders
    def order_jsapi(
        self, *, out_trade_no: str, description: str, amount_fen: int, openid: str, expires_at: datetime
    ) -> str:
        """Return the prepay_id for the mini-program. The same words again are the same order."""
        answer = self._order(
            WeChatPayType.JSAPI, "jsapi", out_trade_no, description, amount_fen, expires_at, payer={"openid": openid}
        )
        return str(answer["prepay_id"])

    def order_native(self, *, out_trade_no: str, description: str, amount_fen: int, expires_at: datetime) -> str:
        """Return the address behind the QR code that the payer scans."""
        answer = self._order(WeChatPayType.NATIVE, "native", out_trade_no, description, amount_fen, expires_at)
        return str(answer["code_url"])

    def take_code(
        self, *, out_trade_no: str, description: str, amount_fen: int, auth_code: str, store_code: str
    ) -> Payment:
        """Charge a payment code the payer shows. The answer may be that he is still asked for his password."""
        answer = self._call(
            "codepay",
            lambda: self._pay.pay(
                description=description, out_trade_no=out_trade_no, amount={"total": amount_fen, "currency": CURRENCY},
                payer={"auth_code": auth_code}, pay_type=WeChatPayType.CODEPAY,
                scene_info={"device_ip": "127.0.0.1", "store_info": {"out_id": store_code or "hq"}},
            ),
        )  # fmt: skip
        return self._read(read_payment, answer, "codepay")

    def query(self, out_trade_no: str) -> Payment:
        """Return what became of an order."""
        return self._read(
            read_payment, self._call("query", lambda: self._pay.query(out_trade_no=out_trade_no)), "query"
        )

    def close(self, out_trade_no: str) -> None:
        """Close an unpaid order. ORDERPAID when it is paid."""
        self._call("close", lambda: self._pay.close(out_trade_no))

    def reverse(self, out_trade_no: str) -> None:
        """Undo a payment code's order: unpaid it is closed, paid the platform gives the money back."""
        self._call("reverse", lambda: self._pay.codepay_reverse(out_trade_no))

    def _order(
        self, kind: WeChatPayType, api: str, out_trade_no: str, description: str, amount_fen: int, expires_at: datetime,
        **more: Any,
    ) -> Mapping[str, Any]:  # fmt: skip
        return self._call(
            api,
            lambda: self._pay.pay(
                description=description, out_trade_no=out_trade_no, amount={"total": amount_fen, "currency": CURRENCY},
                time_expire=expires_at.astimezone(clock.SHANGHAI).isoformat(timespec="seconds"), pay_type=kind, **more,
            ),
        )  # fmt: skip

    # ------------------------------------------------------------ refunds
    def refund(self, *, out_refund_no: str, out_trade_no: str, amount_fen: int, total_fen: int, reason: str) -> Refund:
        """Ask for money back. The answer says accepted, hardly ever done. The same number never pays twice."""
        answer = self._call(
            "refund",
            lambda: self._pay.refund(
                out_refund_no=out_refund_no, out_trade_no=out_trade_no, reason=reason or None,
                amount={"refund": amount_fen, "total": total_fen, "currency": CURRENCY},
            ),
        )  # fmt: skip
        return self._read(read_refund, answer, "refund")

    def query_refund(self, out_refund_no: str) -> Refund:
        """Return what became of a refund."""
        answer = self._call("query_refund", lambda: self._pay.query_refund(out_refund_no))
        return self._read(read_refund, answer, "query_refund")

    # ------------------------------------------------------------ bills
    def trade_bill(self, day: date) -> bytes:
        """Return the day's orders and refunds as the platform counts them: CSV, UTF-8. Ready at 10:00 of the next day."""
        return self._bill("tradebill", lambda: self._bills.trade_bill(day.isoformat()))

    def fund_flow_bill(self, day: date) -> bytes:
        """Return the day's movements of the merchant's account: CSV, UTF-8."""
        return self._bill("fundflowbill", lambda: self._bills.fundflow_bill(day.isoformat()))

    def _bill(self, api: str, ask: Callable[[], Any]) -> bytes:
        where = self._call(api, ask)
        url = str(where.get("download_url", ""))
        if not url.startswith(f"{self._base}/"):  # nothing is fetched from a host that is not the platform's
            raise PayError("", kind=Kind.PERMANENT, api=api)
        status, content = self._answered(api, lambda: self._bills.download_bill(url))
        if status != 200:
            raise PayError.from_answer(status, "", api=api)
        raw = content if isinstance(content, bytes) else str(content).encode()
        try:
            plain = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
        except (OSError, EOFError, zlib.error):
            raise PayError("", kind=Kind.UNKNOWN, api=api) from None
        if len(plain) > LARGEST_BILL or not self.account.is_digest(where, plain):
            raise PayError("", kind=Kind.UNKNOWN, api=api)
        return plain

    # ------------------------------------------------------------ for the payer's phone, and for the doctor
    def request_payment(self, prepay_id: str, *, nonce: str, at: datetime) -> dict[str, str]:
        """Return what wx.requestPayment is called with."""
        stamp, package = str(int(at.timestamp())), f"prepay_id={prepay_id}"
        return {
            "appId": self.account.appid, "timeStamp": stamp, "nonceStr": nonce, "package": package, "signType": "RSA",
            "paySign": self._pay.sign([self.account.appid, stamp, nonce, package]),
        }  # fmt: skip

    def check_keys(self) -> None:
        """Ask for an order that cannot exist: who is let in is told so. Raises PayError for every other answer."""
        try:
            self.query("YJBDOCTOR0000000")
        except PayError as error:
            if error.code not in NO_ORDER:
                raise

    # ------------------------------------------------------------ one call
    def _call(self, api: str, ask: Callable[[], Any]) -> Mapping[str, Any]:
        status, text = self._answered(api, ask)
        if status == 204 or status == 200 and not text:
            return {}
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            kind = Kind.UNKNOWN if status < 300 else PayError.from_answer(status, "", api=api).kind
            raise PayError("", kind=kind, api=api, status=status)
        if status >= 300:
            raise PayError.from_answer(status, str(answer.get("code") or ""), api=api)
        return answer

    def _answered(self, api: str, ask: Callable[[], Any]) -> tuple[int, Any]:
        try:
            with traffic.elsewhere():
                status, text = ask()
        except requests.RequestException as error:
            raise _from_connection(error, api=api) from None
        except PayError:
            raise
        except Exception as error:
            # The library's own: a 2xx whose signature is not the platform's. What it says may be anybody's word.
            if type(error) is not Exception and not isinstance(error, ValueError):
                raise
            raise PayError("", kind=Kind.UNKNOWN, api=api) from None
        return int(status), text

    @staticmethod
    def _read(reader: Callable[[Mapping[str, Any]], Any], answer: Mapping[str, Any], api: str) -> Any:
        try:
            return reader(answer)
        except ValueError:
            raise PayError("", kind=Kind.UNKNOWN, api=api) from None


def _from_connection(error: requests.RequestException, *, api: str) -> PayError:
    """Return the error for a failed connection: not connected is surely not sent, all else is unknown."""
    return PayError("", kind=Kind.TRANSIENT if is_surely_unsent(error) else Kind.UNKNOWN, api=api)


@cache
def _gateway(account: Account, base: str) -> Gateway:
    return Gateway(account, base)


def default() -> Gateway:
    """Return this process's gateway for the merchant of the settings."""
    return _gateway(configured(), settings.WECHATPAY_API_BASE)
