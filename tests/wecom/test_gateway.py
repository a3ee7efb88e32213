"""The door against the stand-in, over a real socket."""

import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import pytest

from yejibao.wecom import gateway, jssdk, oauth, tokens
from yejibao.wecom.errors import GatewayError, Kind, kind_of, scrub
from yejibao.wecom.gateway import App, Gateway, SignedIn
from yejibao.wecom.tokens import Credentials

pytestmark = pytest.mark.django_db


def calls(sandbox: Any, api: str) -> int:
    return int(sandbox.get("stats")["calls"].get(api, 0))


# ---------------------------------------------------------------- tokens


def test_a_platform_that_refuses_every_token_gets_one_refresh(door: Gateway, sandbox: Any) -> None:
    sandbox.fault("user/get", errcode=40014)
    with pytest.raises(GatewayError) as caught:
        door.get_user("lan.chen")
    assert (caught.value.code, caught.value.kind) == (40014, Kind.REFRESH)
    assert (calls(sandbox, "user/get"), calls(sandbox, "gettoken")) == (2, 2)  # the first token, and one refresh

    # The refresh brought the same token again, so for a while nobody asks for it any more.
    for _ in range(3):
        with pytest.raises(GatewayError):
            door.get_user("lan.chen")
    assert calls(sandbox, "gettoken") == 2


@pytest.mark.parametrize("forget", [False, True])
def test_a_token_that_ends_early_is_replaced_unseen(door: Gateway, sandbox: Any, forget: bool) -> None:
    assert door.get_user("LAN.chen").userid == "lan.chen"
    for expected in (2, 3):
        sandbox.post("expire_tokens", forget=forget)
        assert door.get_user("lan.chen").name == "lan.chen"
        assert calls(sandbox, "gettoken") == expected


def test_a_token_is_used_until_it_expires_by_the_platforms_clock(door: Gateway, sandbox: Any) -> None:
    sandbox.post("clock", now="2026-03-02T10:00:00+08:00")
    door.get_user("lan.chen")
    sandbox.post("clock", now="2026-03-02T12:00:01+08:00")
    door.get_user("lan.chen")
    assert (calls(sandbox, "gettoken"), sandbox.get("stats")["errors"]["user/get"]) == (2, {"42001": 1})


def fetch_from_sixteen_threads(app: App, base: str) -> set[str]:
    """Ask for a token sixteen times at once, each with a gateway of its own; return the different values."""
    from django.db import connection

    gate = threading.Barrier(16)

    def ask(_: int) -> str:
        door = Gateway(app, base)
        gate.wait()
        try:
            return door.credentials.get()
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        return set(pool.map(ask, range(16)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("redis", [True, False])
def test_sixteen_threads_fetch_one_token(
    sandbox: Any, people: list[str], settings: Any, redis: bool, request: pytest.FixtureRequest
) -> None:
    if not redis:
        request.getfixturevalue("no_redis")
    sandbox.fault("gettoken", latency=150)
    values = fetch_from_sixteen_threads(gateway.configured_app(), settings.WECOM_API_BASE)
    assert (len(values), calls(sandbox, "gettoken")) == (1, 1)


class NeverShared(dict[str, threading.Lock]):
    def setdefault(self, key: str, default: Any = None) -> Any:
        return default


@pytest.mark.django_db(transaction=True)
def test_the_test_above_sees_a_missing_lock(
    sandbox: Any, people: list[str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's lock alone is enough, as between processes; without it many fetch."""
    monkeypatch.setattr(Credentials, "_flights", NeverShared())
    monkeypatch.setattr(Credentials, "_from_process", lambda self: "")
    sandbox.fault("gettoken", latency=150)
    app, base = gateway.configured_app(), settings.WECOM_API_BASE
    assert (len(fetch_from_sixteen_threads(app, base)), calls(sandbox, "gettoken")) == (1, 1)

    monkeypatch.setattr(tokens, "advisory_lock", lambda key: nullcontext(False))
    fetch_from_sixteen_threads(App(app.corp_id, app.agent_id + 1, app.secret), base)
    assert calls(sandbox, "gettoken") > 2


@pytest.mark.django_db(transaction=True)
def test_a_failed_transaction_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock outlives a rollback, and its session would go back into the pool with it."""
    from django.db import DatabaseError, connection, transaction

    monkeypatch.setattr(tokens, "LOCK_SECONDS", 1.0)
    with pytest.raises(DatabaseError), transaction.atomic(), tokens.advisory_lock("mine") as locked:
        assert locked
        connection.cursor().execute("SELECT 1 / 0")

    def ask() -> bool:
        try:
            with tokens.advisory_lock("mine") as locked:
                return locked
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(ask).result() is True
    with connection.cursor() as cursor:  # and this thread has a session again
        cursor.execute("SELECT 1")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("redis", [True, False])
def test_another_process_takes_the_shared_token(
    door: Gateway, sandbox: Any, redis: bool, request: pytest.FixtureRequest
) -> None:
    if not redis:
        request.getfixturevalue("no_redis")
        door = Gateway(door.app, door.base)
    value = door.credentials.get()
    Credentials.forget_process_copies()  # what another process knows
    assert Gateway(door.app, door.base).credentials.get() == value
    assert calls(sandbox, "gettoken") == 1


def test_secrets_with_the_same_first_ten_characters_do_not_share(
    sandbox: Any, people: list[str], settings: Any
) -> None:
    secrets = {1000011: "test-secret-a", 1000012: "test-secret-b"}
    sandbox.post("world", apps=[{"agentid": number, "secret": secret} for number, secret in secrets.items()])
    doors = [Gateway(App(settings.WECOM_CORP_ID, *pair), settings.WECOM_API_BASE) for pair in secrets.items()]
    first, second = (door.credentials.get() for door in doors)
    assert first != second
    for door in doors:
        assert door.get("agent/get", agentid=door.app.agent_id)["agentid"] == door.app.agent_id


def test_a_wrong_secret_is_not_tried_again_and_again(sandbox: Any, settings: Any) -> None:
    door = Gateway(App(settings.WECOM_CORP_ID, settings.WECOM_AGENT_ID, "wrong"), settings.WECOM_API_BASE)
    for _ in range(20):
        with pytest.raises(GatewayError) as caught:
            door.get_user("lan.chen")
        assert (caught.value.code, caught.value.kind, caught.value.retryable) == (40001, Kind.ADMIN, False)
    assert calls(sandbox, "gettoken") == 1  # ten would block our address for an hour


def test_token_is_sealed_in_the_database(door: Gateway) -> None:
    from django.db import connection

    value = door.credentials.get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM wecom_credential")
        rows = cursor.fetchall()
    assert len(rows) == 1 and value not in rows[0][0]


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (40014, Kind.REFRESH, True), (42001, Kind.REFRESH, True), (40001, Kind.REFRESH, True),
        (-1, Kind.TRANSIENT, True), (45035, Kind.TRANSIENT, True), (6000, Kind.TRANSIENT, True),
        (45009, Kind.THROTTLE, True), (45033, Kind.THROTTLE, True), (45036, Kind.THROTTLE, True),
        (48002, Kind.ADMIN, False), (60020, Kind.ADMIN, False), (60011, Kind.ADMIN, False),
        (81013, Kind.PERMANENT, False), (40003, Kind.PERMANENT, False), (987654, Kind.PERMANENT, False),
    ],
)  # fmt: skip
def test_what_a_code_asks_for(code: int, kind: Kind, retryable: bool) -> None:
    error = GatewayError.from_code(code, "x", api="user/get")
    assert (kind_of(code), error.kind, error.retryable) == (kind, kind, retryable)


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        ({"http": 502}, Kind.UNKNOWN),
        ({"http": 404}, Kind.PERMANENT),
        ({"truncated": True}, Kind.UNKNOWN),
        ({"reset": True}, Kind.UNKNOWN),
        ({"drop_after_effect": True}, Kind.UNKNOWN),
    ],
)
def test_broken_answers_become_our_error(door: Gateway, sandbox: Any, order: dict[str, Any], kind: Kind) -> None:
    door.credentials.get()
    sandbox.fault("message/send", **order)
    with pytest.raises(GatewayError) as caught:
        door.send_message(b'{"touser":"lan.chen","msgtype":"text","agentid":1000002,"text":{"content":"hi"}}')
    assert (caught.value.code, caught.value.kind) == (None, kind)
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize("api", ["user/get", "gettoken"])
def test_every_call_ends_within_its_timeout(
    door: Gateway, sandbox: Any, monkeypatch: pytest.MonkeyPatch, api: str
) -> None:
    monkeypatch.setattr(gateway, "READ_SECONDS", 0.3)
    door = Gateway(door.app, door.base)
    sandbox.fault(api, hang=8)
    started = time.monotonic()
    with pytest.raises(GatewayError) as caught:
        door.get_user("lan.chen")
    assert time.monotonic() - started < 6
    assert (caught.value.kind, caught.value.api) == (Kind.UNKNOWN, api)


def test_nobody_listening_is_surely_not_sent(door: Gateway, settings: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token_holder = door
    token_holder.credentials.get()
    away = Gateway(door.app, f"http://127.0.0.1:{port}/cgi-bin/")
    with pytest.raises(GatewayError) as caught:
        away.send_message(b"{}")
    assert (caught.value.kind, caught.value.may_have_happened) == (Kind.TRANSIENT, False)


def test_busy_is_tried_three_times_for_reads_and_once_for_messages(door: Gateway, sandbox: Any) -> None:
    sandbox.fault("user/get", errcode=-1, times=2)
    assert door.get_user("lan.chen").userid == "lan.chen"
    assert calls(sandbox, "user/get") == 3
    sandbox.fault("message/send", errcode=-1)
    with pytest.raises(GatewayError) as caught:
        door.send_message(b'{"touser":"lan.chen","msgtype":"text","agentid":1000002,"text":{"content":"hi"}}')
    assert caught.value.may_have_happened
    assert calls(sandbox, "message/send") == 1


def test_nothing_of_the_token_is_left_in_errors_or_logs(
    door: Gateway, sandbox: Any, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").setLevel(
        logging.INFO
    )  # as the app's ready() does; caplog undid nothing
    token = door.credentials.get()
    for order in (
        {"errcode": 45009, "times": 1},
        {"http": 502, "times": 1},
        {"reset": True, "times": 1},
        {"errcode": 40058},
    ):
        sandbox.delete("faults")
        sandbox.fault("user/get", **order)
        with pytest.raises(GatewayError) as caught:
            door.get_user("lan.chen")
        shown = f"{caught.value!r} {caught.value} {vars(caught.value)}"
        assert token not in shown and settings.WECOM_SECRET not in shown and "access_token" not in shown
        door.budgets.close("user/get")
    assert token not in caplog.text and settings.WECOM_SECRET not in caplog.text


def test_scrub() -> None:
    text = "GET https://h/cgi-bin/gettoken?corpid=ww1&corpsecret=s3 and ?access_token=T&x=1 and code=C "
    assert (
        scrub(text)
        == "GET https://h/cgi-bin/gettoken?corpid=ww1&corpsecret=*** and ?access_token=***&x=1 and code=*** "
    )


# ---------------------------------------------------------------- reads


def test_address_book(door: Gateway) -> None:
    departments = [(item.department_id, item.name, item.parent_id) for item in door.list_departments()]
    assert departments == [(1, "总部", 0), (2, "徐家汇店", 1)]
    assert [person.userid for person in door.list_users(2)] == ["lan.chen", "min.wang", "yu.zhao"]
    with pytest.raises(GatewayError) as caught:
        door.get_user("nobody")
    assert caught.value.code == 60111


def test_calls_that_are_too_many_open_the_breaker(door: Gateway, sandbox: Any) -> None:
    sandbox.fault("user/get", errcode=45009, times=1)
    with pytest.raises(GatewayError) as caught:
        door.get_user("lan.chen")
    assert caught.value.retry_after == 60
    with pytest.raises(GatewayError) as caught:
        door.get_user("lan.chen")
    assert caught.value.kind is Kind.THROTTLE and 59 < caught.value.retry_after <= 60
    assert calls(sandbox, "user/get") == 1
    assert door.list_users(2)  # another API is not held up


# ---------------------------------------------------------------- sign-in and JS-SDK


def test_sign_in(door: Gateway, sandbox: Any, settings: Any) -> None:
    url = oauth.authorize_url("abc123", "http://127.0.0.1:8000/login/wecom/back/?next=/g/")
    assert url == (
        f"{settings.WECOM_OAUTH_BASE}/connect/oauth2/authorize?appid={settings.WECOM_CORP_ID}"
        "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8000%2Flogin%2Fwecom%2Fback%2F%3Fnext%3D%2Fg%2F&response_type=code"
        f"&scope=snsapi_base&state=abc123&agentid={settings.WECOM_AGENT_ID}#wechat_redirect"
    )
    code = sandbox.post("code", userid="Lan.Chen")["code"]
    assert oauth.exchange(code, door=door) == "lan.chen"
    with pytest.raises(GatewayError) as caught:
        oauth.exchange(code, door=door)
    assert caught.value.code == 42022
    sandbox.post("world", contacts=[{"external_userid": "wm1", "name": "王**"}])
    code = sandbox.post("code", external_userid="wm1")["code"]
    assert door.get_user_by_code(code) == SignedIn(external_userid="wm1")


def test_codes_end_after_five_minutes(door: Gateway, sandbox: Any) -> None:
    sandbox.post("clock", now=1_770_000_000)
    code = sandbox.post("code", userid="lan.chen")["code"]
    sandbox.post("clock", now=1_770_000_301)
    with pytest.raises(GatewayError) as caught:
        oauth.exchange(code, door=door)
    assert caught.value.code == 42003


@pytest.mark.parametrize("state", ["", "a-b", "ä", "x" * 129])
def test_a_state_the_platform_refuses_is_refused_here(state: str) -> None:
    with pytest.raises(ValueError):
        oauth.authorize_url(state, "https://x")


TICKET = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"


@pytest.mark.parametrize("url", ["http://mp.weixin.qq.com?params=value", "http://mp.weixin.qq.com?params=value#part"])
def test_signature_vector(url: str) -> None:
    signed = jssdk.sign(TICKET, "Wm3WZYTPz0wzccnW", 1414587457, url)
    assert signed == "0f9de62fce790f9a083d5c99e95740ceb90c27ed"


def test_signatures_use_cached_tickets_of_their_kind(door: Gateway, sandbox: Any, settings: Any) -> None:
    url = f"{settings.PUBLIC_BASE_URL}/g/sidebar/?x=1"
    for _ in range(5):
        agent, corp = jssdk.signature(url, door=door), jssdk.signature(url, kind="corp", door=door)
    assert (calls(sandbox, "ticket/get"), calls(sandbox, "get_jsapi_ticket")) == (1, 1)
    assert agent.signature == jssdk.sign(door.get_agent_ticket(), agent.nonce, agent.timestamp, url)
    assert corp.signature == jssdk.sign(door.get_corp_ticket(), corp.nonce, corp.timestamp, url)
    assert door.get_agent_ticket() != door.get_corp_ticket()
    assert set(agent.as_json()) == {"timestamp", "nonceStr", "signature"}


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/g/", "http://127.0.0.1:8000.evil.example/", "http://127.0.0.1:8001/g/",
        "//127.0.0.1:8000/",
        "http://u@127.0.0.1:8000/", "javascript:alert(1)", "", "http://[::1", "http://127.0.0.1:99999/",
    ],
)  # fmt: skip
def test_foreign_pages_are_not_signed(door: Gateway, settings: Any, url: str) -> None:
    settings.PUBLIC_BASE_URL = "http://127.0.0.1:8000"
    with pytest.raises(jssdk.ForeignUrl):
        jssdk.signature(url, door=door)


def test_status_says_how_old_the_token_is_and_what_is_held_off(door: Gateway, sandbox: Any) -> None:
    from yejibao.core import clock, health

    sign = health._signs["wecom"].read
    facts = sign(clock.now())
    assert (facts["state"], facts["token_age_seconds"], facts["held_off_seconds"]) == ("ok", None, {})
    sandbox.fault("user/get", errcode=45009, times=1)
    with pytest.raises(GatewayError):
        door.get_user("lan.chen")
    facts = sign(clock.now())
    assert (facts["state"], facts["token_age_seconds"], facts["held_off_seconds"]) == ("slow", 0, {"user/get": 60})
