"""The same platform for an event loop: message/send many at a time, with the gateway's tokens and error mapping."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any
from urllib.parse import urlencode, urlsplit

from .errors import GatewayError, Kind
from .gateway import CONNECT_SECONDS, READ_SECONDS, Gateway, Sent, from_status, sent_from
from .wire import Lost, NotSent, Wire

Beside = Callable[[Callable[[], Any]], Awaitable[Any]]


class AsyncClient:
    """Calls of one gateway's app on one event loop, as many at once as its user starts. Use as `async with`.

    `beside` runs what may touch the database off the loop; without it a thread is taken.
    """

    def __init__(self, gateway: Gateway, *, beside: Beside | None = None) -> None:
        self.gateway = gateway
        self._beside: Beside = beside or asyncio.to_thread
        self._wire: Wire | None = None
        self._token = self._head_token = ""
        self._heads: dict[str, bytes] = {}
        self._fetching = asyncio.Lock()

    async def __aenter__(self) -> "AsyncClient":
        self._wire = Wire(self.gateway.base, connect_seconds=CONNECT_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._wire:
            self._wire.close()

    async def send_message(self, body: bytes) -> Sent:
        """Send these very bytes. Raises GatewayError; one refresh of the token and one more try inside."""
        return sent_from(await self.post("message/send", body))

    async def post(self, api: str, body: bytes) -> dict[str, Any]:
        """Write, once, but for a refused token."""
        token = self._token or await self._get_token("")
        try:
            return await self._post(api, body, token)
        except GatewayError as error:
            if error.kind is not Kind.REFRESH:
                raise
        return await self._post(api, body, await self._get_token(token))

    async def _get_token(self, bad: str) -> str:
        # One thread asks; the others of this loop wait here and take what it brought.
        async with self._fetching:
            if self._token and self._token != bad:
                return self._token
            credentials = self.gateway.credentials
            self._token = await self._beside(lambda: credentials.refresh(bad) if bad else credentials.get())
            return self._token

    def _head(self, wire: Wire, api: str, token: str) -> bytes:
        # Kept: it is the same for all calls with one token.
        if token != self._head_token:
            self._heads, self._head_token = {}, token
        if api not in self._heads:
            self._heads[api] = wire.head(
                f"{urlsplit(self.gateway.base).path}{api}?{urlencode({'access_token': token})}"
            )
        return self._heads[api]

    async def _post(self, api: str, body: bytes, token: str) -> dict[str, Any]:
        assert self._wire is not None, "use as `async with`"
        try:
            answer = await self._wire.post(self._head(self._wire, api, token), body, seconds=READ_SECONDS)
        except NotSent as error:
            raise GatewayError(None, str(error), kind=Kind.TRANSIENT, api=api) from None
        except (Lost, TimeoutError) as error:
            raise GatewayError(None, type(error).__name__, kind=Kind.UNKNOWN, api=api) from None
        if answer.status >= 400:
            raise from_status(answer.status, api=api)
        try:
            facts = json.loads(answer.body)
        except ValueError:
            raise GatewayError(None, "the answer is no JSON", kind=Kind.UNKNOWN, api=api) from None
        if not isinstance(facts, dict):
            raise GatewayError(None, "the answer is no JSON object", kind=Kind.UNKNOWN, api=api)
        try:
            code = int(facts.get("errcode") or 0)
        except (TypeError, ValueError):
            raise GatewayError(None, "the errcode is no number", kind=Kind.UNKNOWN, api=api) from None
        if code:
            raise GatewayError.from_code(code, str(facts.get("errmsg", "")), api=api)
        return facts
