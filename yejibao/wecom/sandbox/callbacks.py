"""Calls the product back, as the platform does: signed, encrypted, within 5 seconds, again when nobody answers; and in bad
weather twice, late, in another order, forged, or not at all.

state.callbacks.emit({"Event": "change_external_contact", "ChangeType": "add_external_contact", "UserID": …})
"""

import asyncio
import base64
import contextlib
import hashlib
import logging
import os
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from random import Random
from typing import Any
from urllib.parse import urlencode

import aiohttp
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

log = logging.getLogger(__name__)

IN_FLIGHT = 20
KEPT = 2000
CONTACTS = "contacts"  # the receiver of the address book's assistant; without one its events come to nobody
OWN = "yejibao"


@dataclass(frozen=True)
class Receiver:
    """Where an app is called, with what the console was given."""

    name: str
    url: str
    token: str = field(repr=False)
    aes_key: str = field(repr=False)  # EncodingAESKey, 43 characters

    def seal(self, corp_id: str, message: str, timestamp: str, *, agent_id: str = "", random: bytes = b"",
             nonce: str = "") -> tuple[dict[str, str], str]:  # fmt: skip
        """Return query and body of one callback."""
        encrypted = self.encrypt(corp_id, message, random=random)
        agent = f"<AgentID><![CDATA[{agent_id}]]></AgentID>" if agent_id else ""
        body = f"<xml><ToUserName><![CDATA[{corp_id}]]></ToUserName>{agent}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"
        return self.sign(encrypted, timestamp, nonce), body

    def sign(self, encrypted: str, timestamp: str, nonce: str = "") -> dict[str, str]:
        nonce = nonce or str(secrets.randbelow(10**10))
        text = "".join(sorted([self.token, timestamp, nonce, encrypted]))
        mark = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        return {"msg_signature": mark, "timestamp": timestamp, "nonce": nonce}

    def encrypt(self, corp_id: str, message: str, *, random: bytes = b"") -> str:
        key = base64.b64decode(self.aes_key + "=")
        text = message.encode()
        padder = padding.PKCS7(256).padder()  # blocks of 32 bytes
        plain = (random or os.urandom(16)) + len(text).to_bytes(4, "big") + text + corp_id.encode()
        plain = padder.update(plain) + padder.finalize()
        cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        return base64.b64encode(cipher.update(plain) + cipher.finalize()).decode()


@dataclass
class Weather:
    """What happens to callbacks on the way, and to calls of the API while it is bad."""

    duplicate_percent: float = 0.0
    delay_seconds: float = 0.0  # each is late by anything up to this, so they overtake each other
    lose_percent: float = 0.0
    forge_percent: float = 0.0  # a forged copy comes along
    busy_percent: float = 0.0  # of the API: -1
    latency_ms: float = 0.0  # of the API, half of it by chance

    @property
    def is_bad(self) -> bool:
        return any(vars(self).values())

    @classmethod
    def parse(cls, body: dict[str, Any]) -> "Weather":
        """Build from JSON: `{"bad": true}` is the one switch. Raises ValueError for an unknown field."""
        if unknown := set(body) - {item.name for item in fields(cls)} - {"bad"}:
            raise ValueError(f"unknown weather: {sorted(unknown)}")
        base = BAD if body.get("bad") else cls()
        return cls(**(asdict(base) | {name: float(value) for name, value in body.items() if name != "bad"}))


BAD = Weather(duplicate_percent=40, delay_seconds=8, lose_percent=5, forge_percent=10, busy_percent=8, latency_ms=600)


def element(name: str, value: Any) -> str:
    """Return a value as the platform writes it: texts in CDATA, numbers plain, lists as repeated elements."""
    match value:
        case dict():
            return f"<{name}>{''.join(element(key, inner) for key, inner in value.items())}</{name}>"
        case list():
            return "".join(element(name, one) for one in value)
        case int():
            return f"<{name}>{value}</{name}>"
    text = str(value).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{text}]]></{name}>" if text else f"<{name}></{name}>"


class Callbacks:
    """Who is called, and what became of each callback."""

    def __init__(self, corp_id: str, now: Callable[[], float], receivers: dict[str, Receiver] | None = None) -> None:
        self.corp_id = corp_id
        self.default = dict(receivers or {})
        self._now = now
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.reset(Random(1))

    def reset(self, random: Random) -> None:
        """As at the start: the receivers of the command line, nothing on its way."""
        for task in list(getattr(self, "_tasks", ())):
            task.cancel()
        self.receivers = dict(self.default)
        self.weather = Weather()
        self.random = random
        self.records: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.number = 0
        self.timeout_seconds, self.resends, self.gap_seconds = 5.0, 3, 5.0
        self._places = asyncio.Semaphore(IN_FLIGHT)

    # ------------------------------------------------------------ emitting
    def emit(self, facts: dict[str, Any], *, app: str = OWN, sender: str = "sys", agent_id: int | None = None,
             at: float | None = None) -> int | None:  # fmt: skip
        """Call an app about something; return the callback's number, None if that app has no receiver.

        `facts` are the elements after MsgType. App events carry the agent's id. Returns at once.
        """
        receiver = self.receivers.get(app)
        if receiver is None:
            return None
        envelope = {"ToUserName": self.corp_id, "FromUserName": sender, "CreateTime": int(at or self._now()),
                    "MsgType": "event"}  # fmt: skip
        agent = {} if agent_id is None else {"AgentID": agent_id}
        return self.send(receiver, element("xml", envelope | facts | agent), agent_id="" if agent_id is None else str(agent_id),
                         name="/".join(str(facts[key]) for key in ("Event", "ChangeType") if facts.get(key)))  # fmt: skip

    def send(self, receiver: Receiver, message: str, *, agent_id: str = "", name: str = "") -> int:
        """Put a message on its way, with the weather's whims."""
        self.number += 1
        record = {
            "seq": self.number,
            "app": receiver.name,
            "kind": name,
            "at": self._now(),
            "tries": [],
            "state": "waiting",
        }
        self.records.append(record)
        weather, chance = self.weather, lambda percent: self.random.random() * 100 < percent
        if chance(weather.lose_percent):
            record["state"] = "lost"
            return self.number
        copies = 1 + chance(weather.duplicate_percent)
        record["copies"] = copies
        for _ in range(copies):
            delay = self.random.random() * weather.delay_seconds
            self._start(self._deliver(receiver, message, agent_id, record, delay))
        if chance(weather.forge_percent):
            self._start(self._forge(receiver, message))
        return self.number

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(
        self, receiver: Receiver, message: str, agent_id: str, record: dict[str, Any], delay: float
    ) -> None:
        """Post until it is answered with 200, or for the last time. Each try is encrypted anew."""
        if delay:
            await asyncio.sleep(delay)
        for number in range(self.resends + 1):
            if number > 1:  # the first resend follows at once
                await asyncio.sleep(self.gap_seconds)
            query, body = receiver.seal(self.corp_id, message, str(int(self._now())), agent_id=agent_id)
            async with self._places:
                started = asyncio.get_running_loop().time()
                status = await self._post(receiver.url, query, body)
            record["tries"].append({"status": status, "seconds": round(asyncio.get_running_loop().time() - started, 4)})
            if status == 200:
                record["state"] = "delivered"
                return
        if record["state"] == "waiting":
            record["state"] = "dropped"  # for good: delivery is not guaranteed

    async def _forge(self, receiver: Receiver, message: str) -> None:
        query, body = receiver.seal(self.corp_id, message, str(int(self._now())))
        await self._post(receiver.url, query | {"msg_signature": secrets.token_hex(20)}, body)

    async def _post(self, url: str, query: dict[str, str], body: str) -> int:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._client().post(
                f"{url}?{urlencode(query)}", data=body.encode(), headers={"Content-Type": "text/xml"},
                timeout=aiohttp.ClientTimeout(self.timeout_seconds), allow_redirects=False,
            ) as answer:  # fmt: skip
                await answer.read()
                return answer.status
        return 0

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(trust_env=False)
        return self._session

    async def verify(self, receiver: Receiver) -> str:
        """Do what the console does when the address is saved; return "" or what was wrong."""
        echo = str(secrets.randbelow(10**19))
        encrypted = receiver.encrypt(self.corp_id, echo)
        query = receiver.sign(encrypted, str(int(self._now()))) | {"echostr": encrypted}
        try:
            async with self._client().get(
                f"{receiver.url}?{urlencode(query)}", timeout=aiohttp.ClientTimeout(1.0), allow_redirects=False
            ) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"openapi回调地址请求不通过: {type(error).__name__}"
        return (
            "" if answer.status == 200 and text == echo.encode() else f"openapi回调地址请求不通过: HTTP {answer.status}"
        )

    # ------------------------------------------------------------ looking
    @property
    def waiting(self) -> int:
        """Return how many posts are still on their way."""
        return len(self._tasks)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._session is not None:
            await self._session.close()
