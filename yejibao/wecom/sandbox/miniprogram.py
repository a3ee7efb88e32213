"""The WeChat side of the stand-in: members' phones that open the mini-program, and the number they give.

Its paths stand beside /cgi-bin/ of Enterprise WeChat, as the real ones do on another host. Codes are made by the control side.
"""

import secrets
from collections.abc import Mapping
from typing import Any

from .state import Refusal, State

CODE_SECONDS = 300
TOKEN_SECONDS = 7200


def make_login_code(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return what `wx.login` gives on the phone of an account: {openid, unionid?, code?} -> {code}, the one wished for or a new one."""
    openid = str(body.get("openid") or "")
    if not openid:
        raise ValueError("openid missing")
    return {"code": _code(state, {"openid": openid, "unionid": str(body.get("unionid") or "")}, body.get("code"))}


def make_phone_code(state: State, query: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """Return what a tap on `getPhoneNumber` gives: {phone, code?} -> {code}."""
    phone = str(body.get("phone") or "")
    if not phone:
        raise ValueError("phone missing")
    return {"code": _code(state, {"phone": phone}, body.get("code"))}


def _code(state: State, held: dict[str, Any], chosen: Any = None) -> str:
    now = state.clock.time()
    if len(state.mini_codes) > 10_000:
        state.mini_codes = {key: row for key, row in state.mini_codes.items() if row["expires_at"] > now}
    code = str(chosen or secrets.token_urlsafe(24))
    state.mini_codes[code] = {**held, "expires_at": now + CODE_SECONDS}
    return code


CONTROLS = {("POST", "mini/login"): make_login_code, ("POST", "mini/phone"): make_phone_code}


def answer(state: State, path: str, query: Mapping[str, str], body: Any) -> dict[str, Any] | None:
    """Answer a call of the mini-program's server; None for a path that is none of these."""
    try:
        match path:
            case "/sns/jscode2session":
                return _session(state, query)
            case "/cgi-bin/token":
                return _token(state, query)
            case "/wxa/business/getuserphonenumber":
                return _phone(state, query, body if isinstance(body, dict) else {})
    except Refusal as refusal:
        return {"errcode": refusal.code, "errmsg": refusal.message}
    return None


def _session(state: State, query: Mapping[str, str]) -> dict[str, Any]:
    _check_app(state, query)
    held = _used(state, query.get("js_code", ""), "openid")
    found = {"openid": held["openid"], "session_key": secrets.token_urlsafe(16)}
    return found | ({"unionid": held["unionid"]} if held["unionid"] else {})


def _token(state: State, query: Mapping[str, str]) -> dict[str, Any]:
    _check_app(state, query)
    now = state.clock.time()
    token, ends_at = state.mini_token
    if ends_at <= now:
        token, ends_at = secrets.token_urlsafe(48), now + TOKEN_SECONDS
        state.mini_token = (token, ends_at)
    return {"access_token": token, "expires_in": int(ends_at - now)}


def _phone(state: State, query: Mapping[str, str], body: dict[str, Any]) -> dict[str, Any]:
    token, ends_at = state.mini_token
    if not token or query.get("access_token") != token:
        raise Refusal(40001, "invalid credential, access_token is invalid or not latest")
    if ends_at <= state.clock.time():
        raise Refusal(42001, "access_token expired")
    phone = _used(state, str(body.get("code") or ""), "phone")["phone"]
    info = {"phoneNumber": phone, "purePhoneNumber": phone, "countryCode": "86"}
    return {"errcode": 0, "errmsg": "ok", "phone_info": info}


def _check_app(state: State, query: Mapping[str, str]) -> None:
    if not query.get("appid"):
        raise Refusal(41002, "appid missing")
    if not query.get("secret"):
        raise Refusal(41004, "appsecret missing")


def _used(state: State, code: str, kind: str) -> dict[str, Any]:
    """Return what a code stands for; it stands for it once."""
    held = state.mini_codes.get(code)
    if held is None or kind not in held or held["expires_at"] <= state.clock.time():
        raise Refusal(40029, "invalid code")
    del state.mini_codes[code]
    return held
