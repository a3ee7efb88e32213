"""The HTTP face: checks our signature, answers with its own, and lets faults strike where they would."""

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from . import bills, control, orders, refunds
from .notices import Notices
from .state import Fault, Refusal, State

log = logging.getLogger(__name__)

AUTHORIZATION = re.compile(r'(mchid|nonce_str|signature|timestamp|serial_no)="([^"]*)"')
TURN_SECONDS = 0.2


class Server:
    """The stand-in as an aiohttp low-level server."""

    def __init__(self, state: State, *, snapshot: Path | None = None) -> None:
        self.state, self.snapshot = state, snapshot
        self.notices = Notices(state)
        self._runner: web.ServerRunner | None = None
        self._turning: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the address as a URL. Raises OSError when the port is taken."""
        if self.snapshot and self.snapshot.exists():
            try:
                self.state.restore(self.snapshot.read_text())
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("pay sandbox: snapshot unreadable, starting empty: %s", error)
        self._runner = web.ServerRunner(web.Server(self.handle, access_log=None))
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, reuse_address=True)
        await site.start()
        listener = site._server.sockets[0].getsockname()  # type: ignore[union-attr]
        self.state.own_url = f"http://{listener[0]}:{listener[1]}"
        self._turning = asyncio.get_running_loop().create_task(self._turn())
        return self.state.own_url

    async def _turn(self) -> None:
        while True:
            self.state.ripen()
            self.notices.tell_all()
            await asyncio.sleep(TURN_SECONDS)

    async def stop(self) -> None:
        if self._turning:
            self._turning.cancel()
        if self._runner:
            await self._runner.cleanup()
        await self.notices.close()
        self.save()

    def save(self) -> None:
        """Write the snapshot if something changed since the last one."""
        if self.snapshot and self.state.dirty:
            scratch = self.snapshot.with_suffix(".new")
            scratch.write_text(self.state.snapshot())
            os.replace(scratch, self.snapshot)
            self.state.dirty = False

    # ------------------------------------------------------------ one request
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        if request.path.startswith("/v3/"):
            return await self._call(request, raw)
        if request.path.startswith("/control/"):
            return self._control(request, request.path[9:].rstrip("/"), raw)
        if request.path == "/healthz":
            return _json({"ok": True})
        return _json({"code": "NOT_FOUND", "message": "not found"}, 404)

    async def _call(self, request: web.BaseRequest, raw: bytes) -> web.StreamResponse:
        api, number = _api(request.method, request.path)
        fault = self.state.fault_for(api) if self.state.faults else None
        if fault:
            if fault.latency:
                await asyncio.sleep(fault.latency / 1000)
            if not fault.after_effect and (early := await _strike(request, fault)):
                return early
        status, answer = self._answer(request, api, number, raw, fault)
        if fault and fault.after_effect and (late := await _strike(request, fault)):
            return late
        return self._signed(status, answer, is_signed=not (fault and fault.unsigned))

    def _answer(
        self, request: web.BaseRequest, api: str, number: str, raw: bytes, fault: Fault | None
    ) -> tuple[int, Any]:
        state = self.state
        state.ripen()
        code = ""
        body: dict[str, Any] = {}
        try:
            if fault and fault.code and not fault.after_effect:
                raise Refusal(fault.http or 400, fault.code, "fault on demand")
            self._check(request, raw)
            if raw:
                try:
                    body = json.loads(raw)
                except ValueError:
                    body = {}
                if not isinstance(body, dict) or not body:
                    raise Refusal(400, "PARAM_ERROR", "请求不是 JSON")
            status, answer = self._act(request, api, number, body)
            if fault and fault.code:
                raise Refusal(fault.http or 500, fault.code, "fault on demand")
        except Refusal as refusal:
            code, status = refusal.code, refusal.status
            answer = {"code": refusal.code, "message": refusal.message}
        shown = {key: value for key, value in body.items() if key != "payer"}
        state.calls.append({"api": api, "number": number, "body": shown, "status": status, "code": code})
        return status, answer

    def _check(self, request: web.BaseRequest, raw: bytes) -> None:
        """Who calls has to be the merchant, with a signature over the very bytes, made just now."""
        merchant = self.state.merchant
        kind, _, rest = request.headers.get("Authorization", "").partition(" ")
        said = dict(AUTHORIZATION.findall(rest))
        if kind != "WECHATPAY2-SHA256-RSA2048" or len(said) != 5:
            raise Refusal(401, "SIGN_ERROR", "没有签名")
        if said["mchid"] != merchant.mchid or said["serial_no"] != merchant.serial_no:
            raise Refusal(401, "SIGN_ERROR", "商户号或证书序列号不对")
        if (serial := request.headers.get("Wechatpay-Serial")) and serial != merchant.public_key_id:
            raise Refusal(400, "PARAM_ERROR", "公钥 ID 不对")
        if (
            not said["timestamp"].isdecimal()
            or abs(time.time() - int(said["timestamp"])) > self.state.figures.skew_seconds
        ):
            raise Refusal(401, "SIGN_ERROR", "时间戳过期")
        signed = (
            f"{request.method}\n{request.path_qs}\n{said['timestamp']}\n{said['nonce_str']}\n".encode() + raw + b"\n"
        )
        if not self.state.is_signed_by_merchant(signed, said["signature"]):
            raise Refusal(401, "SIGN_ERROR", "签名错误")

    def _act(self, request: web.BaseRequest, api: str, number: str, body: dict[str, Any]) -> tuple[int, Any]:
        state, query = self.state, dict(request.query)
        match api:
            case "jsapi" | "native":
                return 200, orders.order(state, api, body)
            case "codepay":
                return 200, orders.take_code(state, body)
            case "query" | "query_by_id":
                if query.get("mchid") != state.merchant.mchid:
                    raise Refusal(400, "PARAM_ERROR", "mchid 不对")
                return 200, orders.query(state, number) if api == "query" else orders.query_by_id(state, number)
            case "close" | "reverse":
                if body.get("mchid") != state.merchant.mchid:
                    raise Refusal(400, "PARAM_ERROR", "mchid 不对")
                (orders.close if api == "close" else orders.reverse)(state, number)
                return 204, None
            case "refund":
                return 200, refunds.refund(state, body)
            case "query_refund":
                return 200, refunds.query(state, number)
            case "tradebill" | "fundflowbill":
                return 200, bills.apply(state, api, query)
            case "download":
                content = state.files.get(query.get("token", ""))
                if content is None:
                    raise Refusal(400, "PARAM_ERROR", "下载地址过期")
                return 200, content
        raise Refusal(404, "NOT_FOUND", "没有这个接口")

    def _signed(self, status: int, answer: Any, *, is_signed: bool = True) -> web.Response:
        is_file = isinstance(answer, bytes)
        body = answer if is_file else b"" if answer is None else json.dumps(answer, ensure_ascii=False).encode()
        stamp, nonce = str(int(time.time())), secrets.token_hex(16)
        headers = {
            "Content-Type": "application/octet-stream" if is_file else "application/json; charset=utf-8",
            "Request-ID": secrets.token_hex(8),
        }
        if is_signed and not is_file:
            headers |= {
                "Wechatpay-Serial": self.state.merchant.public_key_id, "Wechatpay-Timestamp": stamp, "Wechatpay-Nonce": nonce,
                "Wechatpay-Signature": self.state.sign(stamp, nonce, body),
                "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
            }  # fmt: skip
        return web.Response(body=body, status=status, headers=headers)

    # ------------------------------------------------------------ control
    def _control(self, request: web.BaseRequest, name: str, raw: bytes) -> web.StreamResponse:
        act = control.ROUTES.get((request.method, name))
        if act is None:
            return _json({"ok": False, "error": "no such control"}, 404)
        try:
            body = json.loads(raw) if raw else {}
            answer = act(self.state, self.notices, body | dict(request.query))
        except control.Rejected as error:
            return _json({"ok": False, "error": str(error)}, error.status)
        except (ValueError, KeyError, TypeError) as error:
            return _json({"ok": False, "error": f"{type(error).__name__}: {error}"}, 400)
        self.notices.tell_all()
        return _json({"ok": True, **answer})


def _api(method: str, path: str) -> tuple[str, str]:
    """Return which call a path is, by the name faults are ordered for, and the number in it."""
    parts = path.removeprefix("/v3/").strip("/").split("/")
    match method, parts:
        case "POST", ["pay", "transactions", ("jsapi" | "native" | "codepay") as kind]:
            return kind, ""
        case "GET", ["pay", "transactions", "out-trade-no", number]:
            return "query", number
        case "GET", ["pay", "transactions", "id", number]:
            return "query_by_id", number
        case "POST", ["pay", "transactions", "out-trade-no", number, ("close" | "reverse") as kind]:
            return kind, number
        case "POST", ["refund", "domestic", "refunds"]:
            return "refund", ""
        case "GET", ["refund", "domestic", "refunds", number]:
            return "query_refund", number
        case "GET", ["bill", ("tradebill" | "fundflowbill") as kind]:
            return kind, ""
        case "GET", ["billdownload", "file"]:
            return "download", ""
    return "unknown", ""


async def _strike(request: web.BaseRequest, fault: Fault) -> web.StreamResponse | None:
    if fault.hang:
        await asyncio.sleep(fault.hang)
    if fault.hang or fault.reset:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)
    if fault.http and not fault.code:
        return web.Response(text=f"<html><h1>{fault.http}</h1></html>", status=fault.http, content_type="text/html")
    return None


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(body, ensure_ascii=False).encode(),
        status=status,
        content_type="application/json",
        charset="utf-8",
    )


async def serve(state: State, *, host: str, port: int, snapshot: Path | None, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or Ctrl-C, saving the snapshot every 5 seconds. Raises OSError when the port is taken."""
    server = Server(state, snapshot=snapshot)
    announce(await server.start(host, port))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), timeout=5)
        server.save()
    await server.stop()
