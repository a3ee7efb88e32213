"""Calls the merchant: signed, sealed, again when nobody answers; and on demand late, twice, at once, lost or forged."""

import asyncio
import base64
import contextlib
import json
import secrets
import time
from collections import deque
from typing import Any

import aiohttp
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from . import orders, refunds
from .state import State

# What a forger may try. Those of FACTS are signed with the right key: they name another order's facts.
FACTS = {"amount", "mchid", "appid", "payer", "currency", "transaction"}
FORGERIES = FACTS | {
    "signature",
    "other_key",
    "stale",
    "future",
    "probe",
    "serial",
    "tampered",
    "unsealed",
    "algorithm",
}


class Notices:
    """Who is called about what, and what became of it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._forger: Any = None
        self.reset()

    def reset(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        self.records: deque[dict[str, Any]] = deque(maxlen=2000)
        self.weather: dict[str, Any] = {}
        self.sequence = 0

    # ------------------------------------------------------------ what happened
    def tell_all(self) -> None:
        """Call about everything that has happened since."""
        while self.state.to_tell:
            kind, number = self.state.to_tell.popleft()
            weather = self.weather
            if (left := weather.get("times")) is not None:
                if left <= 0:
                    weather = self.weather = {}
                else:
                    self.weather = weather | {"times": left - 1}
            if weather.get("lose"):
                self.records.append({"kind": kind, "number": number, "forge": "", "state": "lost", "tries": []})
                continue
            for _ in range(int(weather.get("copies", 1))):
                self.tell(kind, number, delay=float(weather.get("late", 0)))
            if forge := weather.get("forge"):
                self.tell(kind, number, forge=str(forge))

    def tell(self, kind: str, number: str, *, forge: str = "", delay: float = 0.0) -> dict[str, Any]:
        """Put one notice on its way; return its record."""
        self.sequence += 1
        record: dict[str, Any] = {
            "seq": self.sequence, "kind": kind, "number": number, "forge": forge, "tries": [], "state": "waiting",
            "id": secrets.token_hex(16),
        }  # fmt: skip
        self.records.append(record)
        task = asyncio.get_running_loop().create_task(self._deliver(record, delay))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return record

    async def _deliver(self, record: dict[str, Any], delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        url, resource, event = self._resource(record)
        if not url:
            record["state"] = "nowhere"
            return
        gaps = () if record["forge"] else self.state.figures.notice_gaps
        for gap in (*gaps, None):
            headers, body = self._sealed(record, resource, event)
            record["tries"].append(await self._post(url, headers, body))
            if record["tries"][-1] in (200, 204):
                record["state"] = "delivered"
                return
            if gap is None:
                break
            await asyncio.sleep(gap)
        record["state"] = "refused" if record["forge"] else "dropped"

    def _resource(self, record: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
        state, forge = self.state, record["forge"]
        if record["kind"] == "order":
            order = state.orders[record["number"]]
            facts = orders.shape(state, order)
            url, event = order.notify_url, "TRANSACTION.SUCCESS"
        else:
            refund = state.refunds[record["number"]]
            facts = refunds.shape(state, refund)
            facts = {"mchid": state.merchant.mchid, "refund_status": facts.pop("status"), **facts}
            url, event = refund.notify_url, f"REFUND.{refund.status}"
        amount = facts["amount"]
        match forge:
            case "amount":
                facts["amount"] = amount | {"total": amount["total"] + 1, "refund": amount.get("refund", 0) + 1}
            case "currency":
                facts["amount"] = amount | {"currency": "USD"}
            case "mchid":
                facts["mchid"] = "1900009999"
            case "appid":
                facts["appid"] = "wxffffffffffffffff"
            case "payer":
                facts["payer"] = {"openid": "oSomebodyElse"}
            case "transaction":
                facts["transaction_id"] = "4200000000000000000000000000"
        return url, facts, event

    def _sealed(self, record: dict[str, Any], resource: dict[str, Any], event: str) -> tuple[dict[str, str], bytes]:
        forge, merchant = record["forge"], self.state.merchant
        nonce, bound = secrets.token_hex(6), "transaction" if record["kind"] == "order" else "refund"
        key = secrets.token_hex(16) if forge == "unsealed" else merchant.api_v3_key
        sealed = AESGCM(key.encode()).encrypt(nonce.encode(), json.dumps(resource).encode(), bound.encode())
        body = json.dumps(
            {
                "id": record["id"], "create_time": self.state.clock.iso(self.state.clock.time()), "event_type": event,
                "resource_type": "encrypt-resource", "summary": "支付成功" if record["kind"] == "order" else "退款",
                "resource": {
                    "original_type": bound, "algorithm": "AEAD_AES_256_GCM", "ciphertext": base64.b64encode(sealed).decode(),
                    "associated_data": bound, "nonce": nonce,
                },
            }
        ).encode()  # fmt: skip
        # The platform's clock is the world's, whatever the product's says.
        stamp = str(int(time.time()) + {"stale": -3600, "future": 3600}.get(forge, 0))
        mark = secrets.token_hex(16)
        signature = self._foreign(stamp, mark, body) if forge == "other_key" else self.state.sign(stamp, mark, body)
        if forge == "signature":
            signature = base64.b64encode(secrets.token_bytes(256)).decode()
        if forge == "probe":
            signature = f"WECHATPAY/SIGNTEST/{signature}"
        if forge == "tampered":
            body = body.replace(b'"summary"', b'"summarY"')
        headers = {
            "Content-Type": "application/json",
            "Wechatpay-Serial": "PUB_KEY_ID_OF_NOBODY" if forge == "serial" else merchant.public_key_id,
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": mark,
            "Wechatpay-Signature": signature,
            "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048" if forge != "algorithm" else "NONE",
        }
        return headers, body

    def _foreign(self, stamp: str, mark: str, body: bytes) -> str:
        if self._forger is None:
            self._forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        said = b"%b\n%b\n%b\n" % (stamp.encode(), mark.encode(), body)
        return base64.b64encode(self._forger.sign(said, PKCS1v15(), SHA256())).decode()

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(trust_env=False)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False,
                timeout=aiohttp.ClientTimeout(self.state.figures.notice_seconds),
            ) as answer:  # fmt: skip
                await answer.read()
                return answer.status
        return 0

    @property
    def waiting(self) -> int:
        return len(self._tasks)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._session is not None:
            await self._session.close()
