"""The same platform for an event loop: message/send many at a time, with the gateway's tokens and error mapping."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from .errors import GatewayError, Kind
from .gateway import CONNECT_SECONDS, READ_SECONDS, Gateway, Sent, from_status, sent_from

Beside = Callable[[Callable[[], Any]], Awaitable[Any]]


class AsyncClient:
    """Calls of one gateway's app on one event loop. Use as `async with`.

    `beside` runs what may touch the database off the loop; without it a thread is taken.
    """

    def __init__(self, gateway: Gateway, *, in_flight: int = 256, beside: Beside | None = None) -> None:
        self.gateway = gateway
        self._beside: Beside = beside or asyncio.to_thread
        self._in_flight = in_flight
        self._session: aiohttp.ClientSession | None = None
        self._token = self._url_token = ""
        self._urls: dict[str, URL] = {}
        self._fetching = asyncio.Lock()

    async def __aenter__(self) -> "AsyncClient":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._in_flight, keepalive_timeout=60, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(
                total=CONNECT_SECONDS + READ_SECONDS + 1, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
            ),
            headers={"Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

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

    def _url(self, api: str, token: str) -> URL:
        # Kept, because building it costs as much as the rest of a call.
        if token != self._url_token:
            self._urls, self._url_token = {}, token
        if api not in self._urls:
            self._urls[api] = URL(self.gateway.base + api).with_query(access_token=token)
        return self._urls[api]

    async def _post(self, api: str, body: bytes, token: str) -> dict[str, Any]:
        assert self._session is not None, "use as `async with`"
        try:
            async with self._session.post(self._url(api, token), data=body) as answer:
                if answer.status >= 400:
                    raise from_status(answer.status, api=api)
                facts = json.loads(await answer.read())
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise GatewayError(None, type(error).__name__, kind=Kind.TRANSIENT, api=api) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise GatewayError(None, type(error).__name__, kind=Kind.UNKNOWN, api=api) from None
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
