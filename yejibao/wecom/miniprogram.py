"""The brand's own WeChat mini-program, where members are: who holds the phone, and his number if he gives it.

Another host and another token than Enterprise WeChat's, the same manners: timeouts, one refresh, errors that leave nothing
behind. `session_key` is dropped here; it never leaves this module. Source: developers.weixin.qq.com, code2Session, getPhoneNumber.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import requests
from django.conf import settings

from yejibao.core import traffic

from .errors import GatewayError, Kind
from .gateway import CONNECT_SECONDS, READ_SECONDS, request
from .tokens import App, Credentials

HOST = "https://api.weixin.qq.com"


@dataclass(frozen=True)
class Account:
    """A WeChat account that opened the mini-program. `openid` has its app before it, as identities keep it."""

    openid: str
    unionid: str = ""  # only where the mini-program is bound to an Open Platform account


class MiniProgram:
    """Calls with the rights of one mini-program. All methods raise GatewayError and nothing else."""

    def __init__(self, app_id: str, secret: str, base: str) -> None:
        self.app_id, self.secret, self.base = app_id, secret, base.rstrip("/")
        self._http = requests.Session()
        self._http.trust_env = False  # no proxy or netrc of the machine: neither is meant for this host
        self.credentials = Credentials(App(app_id, 0, secret), "token", self._ask_for_token)

    def account_of(self, code: str) -> Account:
        """Swap the code of `wx.login`; it works once, for five minutes."""
        query = {"appid": self.app_id, "secret": self.secret, "js_code": code, "grant_type": "authorization_code"}
        answer = self._get("sns/jscode2session", query)
        if not answer.get("openid"):
            raise GatewayError(None, "no openid in the answer", kind=Kind.UNKNOWN, api="jscode2session")
        return Account(f"{self.app_id}:{answer['openid']}", str(answer.get("unionid") or ""))

    def phone_of(self, code: str) -> str:
        """Swap the code of `getPhoneNumber`, which is another than that of the login; return the number as WeChat has it."""
        token = self.credentials.get()
        try:
            answer = self._post_phone(code, token)
        except GatewayError as error:
            if error.kind is not Kind.REFRESH:
                raise
            answer = self._post_phone(code, self.credentials.refresh(token))
        found: dict[str, Any] = answer.get("phone_info") or {}
        country, number = str(found.get("countryCode") or "86"), str(found.get("purePhoneNumber") or "")
        return number if country == "86" else f"+{country}{number}"

    def _post_phone(self, code: str, token: str) -> dict[str, Any]:
        api = "wxa/business/getuserphonenumber"
        url = f"{self.base}/{api}"
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        with traffic.elsewhere():
            return request(
                lambda: self._http.post(url, params={"access_token": token}, json={"code": code}, timeout=timeout),
                api=api,
            )

    def _ask_for_token(self) -> tuple[str, int]:
        query = {"grant_type": "client_credential", "appid": self.app_id, "secret": self.secret}
        answer = self._get("cgi-bin/token", query)
        return str(answer["access_token"]), int(answer.get("expires_in") or 7200)

    def _get(self, api: str, query: dict[str, str]) -> dict[str, Any]:
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        with traffic.elsewhere():
            return request(lambda: self._http.get(f"{self.base}/{api}", params=query, timeout=timeout), api=api)


def default() -> MiniProgram | None:
    """Return the configured mini-program; None where the brand has none."""
    if not settings.MINI_APP_ID or not settings.MINI_SECRET:
        return None
    return _mini_program(settings.MINI_APP_ID, settings.MINI_SECRET, _base())


def _base() -> str:
    control: str = settings.WECOM_SANDBOX_CONTROL  # the stand-in speaks for both platforms
    return control.removesuffix("control/") if control else HOST


@cache
def _mini_program(app_id: str, secret: str, base: str) -> MiniProgram:
    return MiniProgram(app_id, secret, base)
