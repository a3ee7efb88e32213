"""The HTTP face: one handler, the platform's order of checks, and faults where they would strike."""

import asyncio
import hashlib
import inspect
import json
import logging
import os
import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from . import (
    cards,
    contacts,
    control,
    control_callbacks,
    control_contacts,
    control_masses,
    control_tags,
    masses,
    messages,
    miniprogram,
    moments,
    office,
    pictures,
    reads,
    rooms,
    tags,
    things,
    transfers,
)
from .state import App, Fault, Refusal, State

log = logging.getLogger(__name__)

READS: dict[str, Callable[[State, App, Mapping[str, str]], dict[str, Any]]] = {
    "auth/getuserinfo": reads.get_user_by_code,
    "user/get": reads.get_user,
    "user/list": reads.list_users,
    "user/simplelist": reads.list_users_simple,
    "department/list": reads.list_departments,
    "department/simplelist": reads.list_departments_simple,
    "agent/get": reads.get_agent,
    "get_jsapi_ticket": reads.get_corp_ticket,
    "ticket/get": reads.get_agent_ticket,
    "getcallbackip": reads.get_callback_ips,
    "externalcontact/list": reads.list_contacts,
    "externalcontact/get": reads.get_contact,
    "externalcontact/get_follow_user_list": reads.list_followers,
}
WRITES: dict[str, Callable[[State, App, dict[str, Any]], dict[str, Any]]] = {
    "message/send": messages.send,
    "message/recall": messages.recall,
    "message/update_template_card": cards.update,
    "externalcontact/transfer_customer": transfers.start_on_job,
    "externalcontact/transfer_result": transfers.read_on_job,
    "externalcontact/resigned/transfer_customer": transfers.start_resigned,
    "externalcontact/resigned/transfer_result": transfers.read_resigned,
    "checkin/getcorpcheckinoption": office.list_checkin_rules,
    "checkin/getcheckindata": office.list_check_ins,
    "oa/getapprovalinfo": office.list_approvals,
}
READS |= things.READS | moments.READS
WRITES |= things.WRITES | contacts.WRITES | tags.WRITES | masses.WRITES | moments.WRITES | rooms.WRITES
CONTROLS = (
    control.ROUTES
    | control_callbacks.ROUTES
    | control_contacts.ROUTES
    | control_masses.ROUTES
    | control_tags.ROUTES
    | miniprogram.CONTROLS
    | rooms.ROUTES
)
NOT_COUNTED = frozenset({"message/send", "gettoken"})  # no part of the basic frequency


class Server:
    """The stand-in as an aiohttp low-level server: no routing table, because message/send has to be quick."""

    def __init__(self, state: State, *, snapshot: Path | None = None) -> None:
        self.state = state
        self.snapshot = snapshot
        self.site: web.TCPSite | None = None
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int) -> str:
        """Listen, and return the address as a URL. Raises OSError when the port is taken."""
        if self.snapshot and self.snapshot.exists():
            try:
                self.state.restore(self.snapshot.read_text())
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("sandbox: snapshot unreadable, starting empty: %s", error)
        self._runner = web.ServerRunner(web.Server(self.handle, access_log=None, keepalive_timeout=75))
        await self._runner.setup()
        self.site = web.TCPSite(self._runner, host, port, backlog=1024, reuse_address=True)
        await self.site.start()
        listener = self.site._server.sockets[0].getsockname()  # type: ignore[union-attr]
        self.state.own_url = f"http://{listener[0]}:{listener[1]}"
        return self.state.own_url

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        await self.state.callbacks.close()
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
        path = request.path
        if path.startswith(("/sns/", "/wxa/")) or path == "/cgi-bin/token":
            return await self._mini_program(request, path)
        if path.startswith("/cgi-bin/"):
            return await self._call(request, path[9:])
        if path.startswith("/control/"):
            return await self._control(request, path[9:].rstrip("/"))
        if path.startswith("/qr/"):
            return pictures.answer(self.state, path[4:].removesuffix(".png"))
        if path == "/healthz":
            return _json({"ok": True})
        return _json({"errcode": 404, "errmsg": "not found"}, status=404)

    async def _call(self, request: web.BaseRequest, api: str) -> web.StreamResponse:
        state = self.state
        raw = await request.read()
        ip = request.remote or "127.0.0.1"
        if api not in WRITES and api not in READS and api != "gettoken":
            return _json({"errcode": 404, "errmsg": "unknown path"}, status=404)
        state.counts[api] += 1
        state.second_peaks[api].add(asyncio.get_running_loop().time())
        arrived = state.clock.time()  # before a slow answer, so that pace can be judged by it
        fault = state.fault_for(api) if state.faults else None
        if fault is None:
            return _json(self._answer(request, api, raw, ip, None, arrived))
        state.in_flight[api] += 1  # only a slow answer makes calls overlap
        pair = tags.pair_in(raw) if api == tags.MARK else None
        is_second = pair in state.marking
        if is_second:  # two at once on one record: the later one gives way
            fault = replace(fault, errcode=45035, after_effect=False)
        elif pair:
            state.marking.add(pair)
        try:
            early = await self._strike_early(request, fault)
            if early is not None:
                return early
            return await self._strike_late(request, fault, self._answer(request, api, raw, ip, fault, arrived))
        finally:
            state.in_flight[api] -= 1
            if pair and not is_second:
                state.marking.discard(pair)

    def _answer(
        self, request: web.BaseRequest, api: str, raw: bytes, ip: str, fault: Fault | None, arrived: float
    ) -> dict[str, Any]:
        state = self.state
        state.arrived = arrived
        query = request.query
        body: Any = None
        try:
            if fault is not None and fault.errcode is not None and not fault.after_effect and api == "gettoken":
                raise Refusal(fault.errcode, "fault on demand")
            if api == "gettoken":
                answer = reads.get_token(state, query, ip)
            else:
                app = state.app_of_token(query.get("access_token", ""))
                if app.trusted_ips is not None and ip not in app.trusted_ips:
                    raise Refusal(60020, "not allow to access from your ip")
                if app.families is not None and (family := api.partition("/")[0]) not in app.families:
                    raise Refusal(301055 if family == "oa" else 48002, "api forbidden")
                if fault is not None and fault.errcode is not None and not fault.after_effect:
                    raise Refusal(fault.errcode, "fault on demand")
                self._count(api, ip, request)
                if api.startswith("externalcontact/") and state.in_flight[api] > state.figures.contact_concurrency:
                    raise Refusal(45033, "api concurrent out of limit")
                if api in WRITES:
                    if request.method != "POST":
                        raise Refusal(40058, "invalid request method")
                    try:
                        body = json.loads(raw)
                    except ValueError:
                        body = None
                    if not isinstance(body, dict):
                        raise Refusal(40058, "invalid json format")
                    answer = WRITES[api](state, app, body)
                else:
                    answer = READS[api](state, app, query)
            if fault is not None and fault.errcode is not None:
                raise Refusal(fault.errcode, "fault on demand")
        except Refusal as refusal:
            answer = {"errcode": refusal.code, "errmsg": self._hint(refusal, ip)}
        if answer["errcode"]:
            state.errors[api][str(answer["errcode"])] += 1
        shown = {key: value for key, value in query.items() if key not in ("access_token", "corpsecret", "code")}
        state.calls.append(
            {"api": api, "at": state.clock.time(), "query": shown, "body": body, "errcode": answer["errcode"]}
        )
        return answer

    def _count(self, api: str, ip: str, request: web.BaseRequest) -> None:
        if api in NOT_COUNTED or (api == "auth/getuserinfo" and request.query.get("code") in self.state.codes):
            return
        figures, now = self.state.figures, self.state.clock.time()
        if not self.state.windows[api].hit(now, minute=figures.basic_minute, hour=figures.basic_hour):
            raise Refusal(45009, "api freq out of limit")
        if not self.state.windows[f"{ip} {api}"].hit(now, minute=figures.basic_minute * 2, hour=figures.basic_hour * 4):
            raise Refusal(45009, "api freq out of limit")

    def _hint(self, refusal: Refusal, ip: str) -> str:
        now = int(self.state.clock.time())
        mark = hashlib.md5(f"{now}{secrets.token_hex(4)}".encode(), usedforsecurity=False).hexdigest()
        where = f"https://open.work.weixin.qq.com/devtool/query?e={refusal.code}"
        return f"{refusal.message}, hint: [{now}_{secrets.randbelow(999)}_{mark}], from ip: {ip}, more info at {where}"

    async def _mini_program(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        answer = miniprogram.answer(self.state, path, request.query, body)
        if answer is None:
            return _json({"errcode": 404, "errmsg": "not found"}, status=404)
        return _json(answer)

    # ------------------------------------------------------------ faults
    async def _strike_early(self, request: web.BaseRequest, fault: Fault) -> web.StreamResponse | None:
        if fault.latency or fault.jitter:
            await asyncio.sleep((fault.latency + self.state.random.random() * fault.jitter) / 1000)
        if fault.after_effect:
            return None
        if fault.hang:
            await asyncio.sleep(fault.hang)
            return _gone(request)
        if fault.reset:
            return _gone(request)
        if fault.http:
            return _html(fault.http)
        return None

    async def _strike_late(self, request: web.BaseRequest, fault: Fault, answer: dict[str, Any]) -> web.StreamResponse:
        if fault.drop_after_effect or fault.after_effect and fault.reset:
            return _gone(request)
        if fault.after_effect and fault.hang:
            await asyncio.sleep(fault.hang)
            return _gone(request)
        if fault.after_effect and fault.http:
            return _html(fault.http)
        if fault.truncated:
            text = json.dumps(answer)
            return web.Response(text=text[: len(text) // 2], content_type="application/json")
        return _json(answer)

    # ------------------------------------------------------------ control
    async def _control(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        act: Callable[..., Any] | None = CONTROLS.get((request.method, name))
        if act is None:
            return _json({"ok": False, "error": "no such control"}, status=404)
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else {}
            if not isinstance(body, dict):
                raise ValueError("a JSON object is wanted")
            answer = act(self.state, dict(request.query), body)
            if inspect.isawaitable(answer):
                answer = await answer
        except control.Rejected as error:
            return _json({"ok": False, "error": str(error)}, status=error.status)
        except (ValueError, KeyError, TypeError) as error:
            return _json({"ok": False, "error": f"{type(error).__name__}: {error}"}, status=400)
        return _json({"ok": True, **answer})


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(body, ensure_ascii=False).encode(errors="replace"),
        status=status,
        content_type="application/json",
        charset="utf-8",
    )


def _html(status: int) -> web.Response:
    return web.Response(
        text=f"<html><body><h1>{status}</h1><hr>stgw</body></html>", status=status, content_type="text/html"
    )


def _gone(request: web.BaseRequest) -> web.Response:
    """Cut the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


async def serve(state: State, *, host: str, port: int, snapshot: Path | None, announce: Callable[[str], None]) -> None:
    """Run until SIGTERM or Ctrl-C, saving the snapshot every 5 seconds. Raises OSError when the port is taken."""
    server = Server(state, snapshot=snapshot)
    url = await server.start(host, port)
    announce(url)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), timeout=5)
        except TimeoutError:
            server.save()
    await server.stop()
