"""The doctor finds each planted misconfiguration and says where to mend it; a healthy installation has none."""

import json
import time
from collections.abc import Callable
from io import StringIO
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.core.management import call_command
from django.test import Client

from guides.org.doctor import SAMPLE
from guides.org.models import Staff
from tasks.cadences.loading import load_3369
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script
from tests.factories.guides import make_org, make_staff
from yejibao.core import clock
from yejibao.core.models import OutboxMessage
from yejibao.wecom import gateway, tokens
from yejibao.wecom.doctor import Finding, Patient, State, checks, examine
from yejibao.wecom.inbox import crypto

AES_KEY = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
ALL_FAMILIES = ["agent", "user", "department", "externalcontact", "ticket", "getcallbackip", "checkin", "oa"]


@pytest.fixture
def console(db: None, sandbox: Any, pay_sandbox: Any, settings: Any) -> Any:
    """The platform knows our app and our people; our own site need not answer."""
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    make_org()
    load_3369(now=clock.now())
    load_scripts(now=clock.now())
    settings.PUBLIC_BASE_URL = "http://127.0.0.1:9"
    settings.WECOM_CALLBACKS = {"yejibao": ("QDG6eK", AES_KEY)}
    settings.WECOM_VERIFY_FILES = ["WW_verify_x7Ju81kP.txt"]
    people = Staff.objects.filter(state="active").values_list("wecom_user_id", "name")
    sandbox.post("world", people=[{"userid": userid, "name": name, "department": [1]} for userid, name in people])
    tell_console(sandbox, settings)
    yield sandbox
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()


@pytest.fixture
def installation(live_server: Any, console: Any, settings: Any) -> Any:
    """A healthy one: our site answers too."""
    settings.PUBLIC_BASE_URL = live_server.url
    tell_console(console, settings)
    return console


def tell_console(sandbox: Any, settings: Any, **facts: Any) -> None:
    healthy = {
        "agentid": settings.WECOM_AGENT_ID, "secret": settings.WECOM_SECRET, "enabled": True, "families": None,
        "trusted_ips": None, "redirect_domain": urlsplit(settings.PUBLIC_BASE_URL).netloc,
        "home_url": settings.PUBLIC_BASE_URL + "/g/today/",
    }  # fmt: skip
    sandbox.post("world", apps=[healthy | facts])


def report() -> dict[str, Finding]:
    return {one.key: one for one in examine(Patient(clock.now()))}


def test_a_healthy_installation_has_nothing_to_mend(installation: Any) -> None:
    assert {key: (one.state, one.found) for key, one in report().items() if one.state is not State.OK} == {}


def test_it_says_nothing_secret(console: Any, settings: Any) -> None:
    said = json.dumps([[one.found, one.mend, one.where] for one in report().values()], ensure_ascii=False)
    assert settings.WECOM_SECRET not in said and AES_KEY not in said and "QDG6eK" not in said


def _setting(**values: Any) -> Callable[[Any, Any], None]:
    def plant(sandbox: Any, settings: Any) -> None:
        for name, value in values.items():
            setattr(settings, name, value)

    return plant


def _console(**facts: Any) -> Callable[[Any, Any], None]:
    return lambda sandbox, settings: tell_console(sandbox, settings, **facts)


def _without(family: str) -> Callable[[Any, Any], None]:
    return _console(families=[one for one in ALL_FAMILIES if one != family])


def _hide_a_guide(sandbox: Any, settings: Any) -> None:
    person = Staff.objects.filter(state="active").order_by("pk").first()
    sandbox.post("world", people=[{"userid": person.wecom_user_id, "name": person.name, "visible": False}])


def _no_customers_for_a_guide(sandbox: Any, settings: Any) -> None:
    person = Staff.objects.filter(state="active", role_assignments__role="guide").order_by("pk").first()
    sandbox.post("world", people=[{"userid": person.wecom_user_id, "name": person.name, "external_right": False}])


def _calls_back_with(token: str, aes_key: str) -> Callable[[Any, Any], None]:
    """Let the platform call back with what the console was given."""

    def plant(sandbox: Any, settings: Any) -> None:
        keys = crypto.Keys.parse(token, aes_key, settings.WECOM_CORP_ID)
        sealed = crypto.encrypt(keys, "<xml><Event>enter_agent</Event></xml>")
        signed = crypto.signature(token, "1700000000", "7", sealed)
        query = urlencode({"timestamp": "1700000000", "nonce": "7", "msg_signature": signed})
        body = f"<xml><Encrypt>{sealed}</Encrypt></xml>"
        Client().post(f"/wecom/callback/yejibao/?{query}", body, content_type="text/xml")

    return plant


def _no_words(sandbox: Any, settings: Any) -> None:
    Script.objects.all().delete()


PLANTED = {
    "corp id misspelt": ("settings", _setting(WECOM_CORP_ID="5a9db0c0de5a9db0"), "企业 ID"),
    "secret of another app": ("token", _setting(WECOM_SECRET="another-secret-of-43-characters-or-so-000000"), "Secret"),
    "agent id of another app": ("agent", _setting(WECOM_AGENT_ID=1000077), "AgentId"),
    "address not trusted": ("agent", _console(trusted_ips=["10.0.0.9"]), "企业可信IP"),
    "a guide out of range": ("visible_range", _hide_a_guide, "可见范围"),
    "trusted domain missing": ("domain", _console(redirect_domain=""), "可信域名"),
    "trusted domain without its port": ("domain", _console(redirect_domain="localhost"), "可信域名"),
    "verification file not ours": ("verify_file", _setting(WECOM_VERIFY_FILES=["WW_verify_!.txt"]), "WECOM_VERIFY_FILES"),
    "site not reachable": ("address", _setting(PUBLIC_BASE_URL="http://127.0.0.1:9"), "PUBLIC_BASE_URL"),
    "callback not configured": ("callback", _setting(WECOM_CALLBACKS={}), "设置API接收"),
    "aes key cut off": ("callback", _setting(WECOM_CALLBACKS={"yejibao": ("QDG6eK", AES_KEY[:40])}), "设置API接收"),
    "another token in the console": ("events", _calls_back_with("AnotherToken", AES_KEY), "设置API接收"),
    "another key in the console": ("events", _calls_back_with("QDG6eK", AES_KEY[::-1]), "设置API接收"),
    "customer contact not granted": ("contact", _without("externalcontact"), "可调用接口的应用"),
    "a guide without customer contact": ("customer_scope", _no_customers_for_a_guide, "使用范围"),
    "clock-in not granted": ("checkin", _without("checkin"), "打卡"),
    "approval not granted": ("approval", _without("oa"), "审批"),
    "rules and words not loaded": ("words", _no_words, "服务器"),
    "payment key cut off": ("pay_keys", _setting(WECHATPAY_API_V3_KEY="short"), "API安全"),
    "merchant's private key broken": ("pay_keys", _setting(WECHATPAY_PRIVATE_KEY="no key"), "API安全"),
    "another certificate's number": ("pay_call", _setting(WECHATPAY_SERIAL_NO="5F" * 20), "API安全"),
    "another platform's key": ("pay_call", _setting(WECHATPAY_PUBLIC_KEY_ID="PUB_KEY_ID_OTHER"), "API安全"),
    "WeChat Pay not reachable": ("pay_call", _setting(WECHATPAY_API_BASE="http://127.0.0.1:9"), "网络"),
    "notices do not reach us": ("pay_notice", _setting(), "服务器"),
    "home page elsewhere": ("home", _console(home_url="https://elsewhere.example/"), "应用主页"),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_each_planted_fault_is_found_with_its_place(console: Any, settings: Any, planted: str) -> None:
    key, plant, place = PLANTED[planted]
    plant(console, settings)
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    found = report()[key]
    assert found.state is State.WRONG, found
    assert place in found.where and found.mend


def test_a_clock_that_is_five_minutes_off_is_found(console: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.time, "time", lambda now=time.time: now() + 300)
    found = report()["clock"]
    assert (found.state, found.where) == (State.WRONG, "服务器：timedatectl，开启 NTP")


def test_among_many_people_those_with_a_reason_to_doubt_are_looked_at_first(console: Any) -> None:
    for _ in range(SAMPLE):
        make_staff()
    people = Staff.objects.filter(state="active").order_by("pk").values_list("wecom_user_id", "name")
    console.post("world", people=[{"userid": userid, "name": name, "department": [1]} for userid, name in people])
    hidden = Staff.objects.filter(state="active").order_by("pk").first()
    assert hidden is not None
    console.post("world", people=[{"userid": hidden.wecom_user_id, "name": hidden.name, "visible": False}])
    OutboxMessage.objects.create(
        kind="x", dedupe_key="x", recipient=hidden.wecom_user_id, due_at=clock.now(), next_at=clock.now(),
        created_at=clock.now(), state="failed", errcode=81013,
    )  # fmt: skip
    found = report()["visible_range"]
    assert found.state is State.WRONG and hidden.name in found.found


def test_what_cannot_be_asked_yet_is_skipped_not_blamed(console: Any, settings: Any) -> None:
    settings.WECOM_SECRET = "another-secret-of-43-characters-or-so-000000"
    found = report()
    assert found["token"].state is State.WRONG
    assert found["agent"].state is State.SKIPPED
    assert found["checkin"].state is State.SKIPPED


def test_one_cause_is_one_fault(console: Any, settings: Any) -> None:
    settings.WECOM_SECRET, settings.WECOM_CALLBACKS = "wrong-secret", {}
    found = report()
    assert [found[key].state for key in ("settings", "token", "callback", "events")] == [
        State.WRONG, State.SKIPPED, State.WRONG, State.SKIPPED,
    ]  # fmt: skip
    assert found["token"].found.startswith("先修好上面的问题")


def test_the_command_ends_with_one_when_something_is_wrong(installation: Any, settings: Any) -> None:
    out = StringIO()
    call_command("doctor", stdout=out)
    assert "没有要修的" in out.getvalue()
    settings.WECOM_CALLBACKS = {}
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json", stdout=(out := StringIO()))
    assert ended.value.code == 1
    assert {one["key"]: one["state"] for one in json.loads(out.getvalue())}["callback"] == "wrong"
