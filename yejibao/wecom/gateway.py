"""Typed calls to the platform, synchronous. The one place that knows wechatpy.

wechatpy 1.8.18 retries token errors without end, has no timeout on gettoken, keeps tokens under the first ten
characters of the secret, and its exceptions carry the URL with the token. So: `auto_retry=False`, our own
credentials, timeouts on every call, one refresh and one more try, and errors that leave nothing behind.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests
from django.conf import settings
from wechatpy.enterprise import WeChatClient
from wechatpy.exceptions import WeChatClientException

from yejibao.core import traffic
from yejibao.core.connections import is_surely_unsent

from . import budgets
from .errors import GatewayError, Kind, kind_of
from .tokens import App, Credentials

log = logging.getLogger(__name__)

CONNECT_SECONDS = 3.0
READ_SECONDS = 8.0
TRIES = 3
PATIENCE_SECONDS = 2.0  # a budget that frees sooner is waited for; longer ones are the caller's decision


@dataclass(frozen=True)
class SignedIn:
    """Who came back with a code: a member of the corp, or somebody from outside."""

    userid: str = ""
    external_userid: str = ""
    openid: str = ""


@dataclass(frozen=True)
class Person:
    """A member of the corp. `userid` is lower-cased."""

    userid: str
    name: str
    department_ids: tuple[int, ...]
    position: str
    is_active: bool


@dataclass(frozen=True)
class Department:
    """A node of the address book; the root is 1, its parent 0."""

    department_id: int
    name: str
    parent_id: int
    order: int


@dataclass(frozen=True)
class Sent:
    """An accepted message; the lists hold lower-cased user ids it did not reach."""

    msgid: str
    invalid_users: tuple[str, ...]
    unlicensed_users: tuple[str, ...]


def names(text: object) -> tuple[str, ...]:
    """Split the platform's `a|b` list, lower-cased."""
    return tuple(part.casefold() for part in str(text or "").split("|") if part)


def sent_from(answer: Mapping[str, Any]) -> Sent:
    """Read the answer of message/send."""
    return Sent(str(answer.get("msgid") or ""), names(answer.get("invaliduser")), names(answer.get("unlicenseduser")))


class _Client(WeChatClient):
    """wechatpy with its hosts, token and timeouts in our hands."""

    def __init__(self, app: App, base: str) -> None:
        self.API_BASE_URL = base
        self.credentials = Credentials(app, "token", self.ask_for_token)
        super().__init__(app.corp_id, app.secret, timeout=(CONNECT_SECONDS, READ_SECONDS), auto_retry=False)
        self._http.trust_env = False  # no proxy or netrc of the machine: neither is meant for this host
        adapter = requests.adapters.HTTPAdapter(pool_connections=2, pool_maxsize=32)
        self._http.mount("https://", adapter)
        self._http.mount("http://", adapter)

    @property
    def access_token(self) -> str:
        # __new__ evaluates properties before __init__ ran; only AttributeError is forgiven there, and that comes.
        return self.credentials.get()

    def fetch_access_token(self) -> None:
        self.credentials.refresh(self.credentials.get())

    def ask_for_token(self) -> tuple[str, int]:
        answer = request(
            lambda: self._http.get(
                self.API_BASE_URL + "gettoken",
                params={"corpid": self.corp_id, "corpsecret": self.secret},
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            ),
            api="gettoken",
        )
        return str(answer["access_token"]), int(answer.get("expires_in") or 7200)


def request(call: Callable[[], Any], *, api: str) -> dict[str, Any]:
    """Run one HTTP call and return its JSON object. Whatever goes wrong becomes a GatewayError without URL or token."""
    try:
        answer = call()
        if isinstance(answer, requests.Response):  # ours, or wechatpy's when the body is no JSON
            if answer.status_code >= 400:
                raise from_status(answer.status_code, api=api)
            answer = json.loads(answer.content)
    except requests.RequestException as error:
        raise from_connection(error, api=api) from None
    except WeChatClientException as error:
        if error.errcode is None:
            raise from_status(getattr(error.response, "status_code", 0), api=api) from None
        raise GatewayError.from_code(int(error.errcode), str(error.errmsg), api=api) from None
    except ValueError:
        raise GatewayError(None, "the answer is no JSON", kind=Kind.UNKNOWN, api=api) from None
    if not isinstance(answer, dict):
        raise GatewayError(None, "the answer is no JSON object", kind=Kind.UNKNOWN, api=api)
    if code := int(answer.get("errcode") or 0):
        raise GatewayError.from_code(code, str(answer.get("errmsg", "")), api=api)
    return answer


def from_status(status: int, *, api: str) -> GatewayError:
    """Return the error for an HTTP status: after a 5xx nobody knows what happened behind it."""
    if status == 429:
        return GatewayError(None, "HTTP 429", kind=Kind.THROTTLE, api=api)
    kind = Kind.PERMANENT if 400 <= status < 500 else Kind.UNKNOWN
    return GatewayError(None, f"HTTP {status}", kind=kind, api=api)


def from_connection(error: requests.RequestException, *, api: str) -> GatewayError:
    """Return the error for a failed connection: not connected is surely not sent, all else is unknown."""
    kind = Kind.TRANSIENT if is_surely_unsent(error) else Kind.UNKNOWN
    return GatewayError(None, type(error).__name__, kind=kind, api=api)


class Gateway:
    """Calls with the rights of one app. All methods raise GatewayError and nothing else."""

    def __init__(self, app: App, base: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.app = app
        self.base = base
        self.budgets = budgets.Budgets(app.corp_id, app.agent_id)
        self._client = _Client(app, base)
        self._sleep = sleep

    @property
    def credentials(self) -> Credentials:
        """The token, shared with the asynchronous client."""
        return self._client.credentials

    def check_secret(self) -> None:
        """Ask for a token afresh, past every copy that is kept. Never in a loop: wrong secrets block the address."""
        self._client.ask_for_token()

    # ------------------------------------------------------------ generic calls
    def get(self, api: str, **params: Any) -> dict[str, Any]:
        """Read. Tried up to three times while the platform says it is busy."""
        for attempt in range(1, TRIES + 1):
            try:
                return self._call(api, lambda: self._client.get(api, params=dict(params)))
            except GatewayError as error:
                if error.kind is not Kind.TRANSIENT or error.code is None or attempt == TRIES:
                    raise
                self._sleep(random.uniform(1, 3))
        raise AssertionError("unreachable")

    def post(self, api: str, body: Mapping[str, Any] | bytes) -> dict[str, Any]:
        """Write, once: only the caller knows whether repeating is safe. Bytes are sent as they are."""
        data = body if isinstance(body, bytes) else dict(body)
        return self._call(api, lambda: self._client.post(api, data=data, params={}))

    def _call(self, api: str, call: Callable[[], Any]) -> dict[str, Any]:
        with traffic.elsewhere():
            return self._answered(api, call)

    def _answered(self, api: str, call: Callable[[], Any]) -> dict[str, Any]:
        self._wait_for_budget(api)
        token = self.credentials.get()
        try:
            answer = request(call, api=api)
        except GatewayError as error:
            if error.kind is Kind.REFRESH and error.code != 42012:
                # Once, and never from within: a platform that refuses every token ends here with its own error.
                self.credentials.refresh(token)
                answer = request(call, api=api)
            else:
                if error.kind is Kind.THROTTLE:
                    error.retry_after = self.budgets.trip(api)
                raise
        return answer

    def _wait_for_budget(self, api: str) -> None:
        waited = 0.0
        while True:
            slot = self.budgets.reserve(api=api)[0]
            if slot.granted:
                if slot.wait:
                    self._sleep(slot.wait)
                return
            waited += slot.wait
            if waited > PATIENCE_SECONDS:
                raise GatewayError(None, "own budget used up", kind=Kind.THROTTLE, api=api, retry_after=slot.wait)
            self._sleep(slot.wait)

    # ------------------------------------------------------------ people
    def get_user_by_code(self, code: str) -> SignedIn:
        """Swap the code of a sign-in; it works once."""
        answer = self._call("auth/getuserinfo", lambda: self._client.get("auth/getuserinfo", params={"code": code}))
        userid = str(answer.get("userid") or answer.get("UserId") or "")
        return SignedIn(userid.casefold(), str(answer.get("external_userid") or ""), str(answer.get("openid") or ""))

    def get_user(self, userid: str) -> Person:
        """Return a member of the corp; errcode 60111 when he is none, 60011 outside the app's range."""
        return _person(self.get("user/get", userid=userid))

    def list_users(self, department_id: int) -> list[Person]:
        """Return the members of one department, not of those below it."""
        return [_person(row) for row in self.get("user/list", department_id=department_id)["userlist"]]

    def list_departments(self, department_id: int | None = None) -> list[Department]:
        """Return a department and all below it, or all that the app may see."""
        answer = self.get("department/list", **({} if department_id is None else {"id": department_id}))
        return [
            Department(int(row["id"]), str(row.get("name", "")), int(row.get("parentid", 0)), int(row.get("order", 0)))
            for row in answer["department"]
        ]

    # ------------------------------------------------------------ messages
    def send_message(self, body: bytes) -> Sent:
        """Send these very bytes. Once: an unknown outcome is the outbox's to resolve."""
        return sent_from(self.post("message/send", body))

    def recall(self, msgid: str) -> None:
        """Take a message back, within 24 hours."""
        self.post("message/recall", {"msgid": msgid})

    def update_card(self, userid: str, *, response_code: str, card: Mapping[str, Any]) -> None:
        """Give one person another card in the place of the one he pressed. Once per code, within 72 hours (60140 after)."""
        self.post(
            "message/update_template_card",
            {"userids": [userid], "agentid": self.app.agent_id, "response_code": response_code, "template_card": card},
        )

    # ------------------------------------------------------------ tickets
    def get_agent_ticket(self) -> str:
        """Return the ticket for agentConfig, kept until it ends: an app may fetch 100 an hour."""
        return self._agent_ticket.get()

    def get_corp_ticket(self) -> str:
        """Return the ticket for config."""
        return self._corp_ticket.get()

    def ticket_at_hand(self, kind: str) -> str:
        """Return the ticket of a kind if it is here already; empty where the platform would have to be asked."""
        return (self._agent_ticket if kind == "agent" else self._corp_ticket).at_hand()

    def refresh_ticket(self, kind: str, bad: str) -> str:
        """Return another ticket than one the platform calls unusable (42012)."""
        return (self._agent_ticket if kind == "agent" else self._corp_ticket).refresh(bad)

    @property
    def _agent_ticket(self) -> Credentials:
        return Credentials(self.app, "ticket/agent", lambda: _ticket(self.get("ticket/get", type="agent_config")))

    @property
    def _corp_ticket(self) -> Credentials:
        return Credentials(self.app, "ticket/corp", lambda: _ticket(self.get("get_jsapi_ticket")))

    def get_callback_ips(self) -> list[str]:
        """Return where the platform's callbacks come from."""
        return [str(value) for value in self.get("getcallbackip")["ip_list"]]


def _ticket(answer: Mapping[str, Any]) -> tuple[str, int]:
    return str(answer["ticket"]), int(answer.get("expires_in") or 7200)


def _person(row: Mapping[str, Any]) -> Person:
    return Person(
        userid=str(row["userid"]).casefold(),
        name=str(row.get("name", "")),
        department_ids=tuple(int(value) for value in row.get("department", ())),
        position=str(row.get("position", "")),
        is_active=int(row.get("status", 1)) == 1,
    )


def configured_app() -> App:
    """Return the app of the settings."""
    return App(settings.WECOM_CORP_ID, settings.WECOM_AGENT_ID, settings.WECOM_SECRET)


@cache
def _gateway(app: App, base: str) -> Gateway:
    return Gateway(app, base)


def default() -> Gateway:
    """Return this process's gateway for the configured app."""
    return _gateway(configured_app(), settings.WECOM_API_BASE)


__all__ = [
    "App",
    "Department",
    "Gateway",
    "GatewayError",
    "Kind",
    "Person",
    "Sent",
    "SignedIn",
    "default",
    "kind_of",
]
