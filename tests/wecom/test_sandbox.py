"""The stand-in answers as the platform does; asked over plain HTTP, without our gateway."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from yejibao.wecom.sandbox.limits import Figures, Peak
from yejibao.wecom.sandbox.state import Clock, State

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Platform:
    """Raw calls with a token."""

    def __init__(self, base: str, corp: str, agent: int, secret: str) -> None:
        self.base, self.corp, self.agent, self.secret = base, corp, agent, secret
        self.token = self.get("gettoken", corpid=corp, corpsecret=secret)["access_token"]

    def get(self, api: str, **query: Any) -> dict[str, Any]:
        return self._call(api, query, None)

    def post(self, api: str, body: Any = None, **query: Any) -> dict[str, Any]:
        return self._call(api, query, body if isinstance(body, bytes) else json.dumps(body).encode())

    def send(self, to: str = "lan.chen", text: Any = "hi", **more: Any) -> dict[str, Any]:
        content = text if isinstance(text, dict) else {"content": text}
        body = {"touser": to, "msgtype": "text", "agentid": self.agent, "text": content} | more
        return self.post("message/send", body, access_token=self.token)

    def _call(self, api: str, query: dict[str, Any], body: bytes | None) -> dict[str, Any]:
        from urllib.parse import urlencode

        with DIRECT.open(
            urllib.request.Request(f"{self.base}{api}?{urlencode(query)}", data=body), timeout=10
        ) as answer:
            facts: dict[str, Any] = json.loads(answer.read())
        return facts


@pytest.fixture
def platform(sandbox: Any, people: list[str], settings: Any) -> Platform:
    return Platform(settings.WECOM_API_BASE, settings.WECOM_CORP_ID, settings.WECOM_AGENT_ID, settings.WECOM_SECRET)


def flags(sandbox: Any, userid: str = "lan.chen") -> list[str]:
    return [row["flag"] for row in sandbox.received(userid)]


# ---------------------------------------------------------------- tokens and the order of checks


def test_order_of_checks(platform: Platform, sandbox: Any) -> None:
    assert platform.get("user/get", userid="nobody")["errcode"] == 41001
    assert platform.post("message/send", {"access_token": platform.token})["errcode"] == 41001  # not in the body
    assert platform.get("user/get", access_token="garbage", userid="nobody")["errcode"] == 40014
    sandbox.post("expire_tokens")
    assert platform.get("user/get", access_token=platform.token, userid="nobody")["errcode"] == 42001
    fresh = platform.get("gettoken", corpid=platform.corp, corpsecret=platform.secret)["access_token"]
    assert fresh != platform.token
    sandbox.post("world", apps=[{"agentid": platform.agent, "enabled": False}])
    assert platform.get("user/get", access_token=fresh, userid="nobody")["errcode"] == 50003
    sandbox.post(
        "world", apps=[{"agentid": platform.agent, "enabled": True, "trusted_ips": ["10.0.0.1"], "families": []}]
    )
    assert platform.get("user/get", access_token=fresh, userid="nobody")["errcode"] == 60020
    sandbox.post("world", apps=[{"agentid": platform.agent, "trusted_ips": None}])
    assert platform.get("user/get", access_token=fresh, userid="nobody")["errcode"] == 48002
    sandbox.post("world", apps=[{"agentid": platform.agent, "families": None}])
    assert platform.get("user/get", access_token=fresh, userid="nobody")["errcode"] == 60111
    assert platform.get("message/send", access_token=fresh)["errcode"] == 40058
    assert platform.post("message/send", b"{", access_token=fresh)["errcode"] == 40058


def test_the_same_token_as_long_as_it_is_valid(platform: Platform, sandbox: Any) -> None:
    again = platform.get("gettoken", corpid=platform.corp, corpsecret=platform.secret)
    assert again["access_token"] == platform.token and again["expires_in"] <= 7200
    sandbox.post("clock", now="2030-01-01T00:00:00+08:00")
    assert platform.get("user/get", access_token=platform.token)["errcode"] == 40014  # long past its grace


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"corpsecret": "x"}, 41002), ({"corpid": "ww1"}, 41004), ({"corpid": "ww1", "corpsecret": "x"}, 40013),
    ],
)  # fmt: skip
def test_refusals_of_gettoken(platform: Platform, query: dict[str, str], code: int) -> None:
    assert platform.get("gettoken", **query)["errcode"] == code


def test_ten_wrong_secrets_block_the_address(platform: Platform, sandbox: Any) -> None:
    sandbox.post("clock", now=1_770_000_000)
    codes = [platform.get("gettoken", corpid=platform.corp, corpsecret="wrong")["errcode"] for _ in range(11)]
    assert codes == [40001] * 10 + [45009]
    assert platform.get("gettoken", corpid=platform.corp, corpsecret=platform.secret)["errcode"] == 45009
    sandbox.post("clock", now=1_770_003_601)
    assert platform.get("gettoken", corpid=platform.corp, corpsecret=platform.secret)["errcode"] == 0


def test_error_carries_the_platforms_hint(platform: Platform) -> None:
    text = platform.get("user/get", access_token="x")["errmsg"]
    assert re.fullmatch(
        r"invalid access_token, hint: \[\d+_\d+_[0-9a-f]{32}\], from ip: 127\.0\.0\.1, "
        r"more info at https://open\.work\.weixin\.qq\.com/devtool/query\?e=40014",
        text,
    )


def test_basic_frequency_and_its_block(platform: Platform, sandbox: Any) -> None:
    sandbox.post("clock", now=1_770_000_000)
    sandbox.post("settings", basic_minute=3)

    def ask() -> int:
        return int(platform.get("user/get", access_token=platform.token, userid="lan.chen")["errcode"])

    assert [ask() for _ in range(4)] == [0, 0, 0, 45009]
    sandbox.post("clock", now=1_770_000_059)
    assert ask() == 45009
    sandbox.post("clock", now=1_770_000_061)
    assert ask() == 0


def test_tickets_are_limited(platform: Platform, sandbox: Any) -> None:
    sandbox.post("settings", ticket_app_hour=2)

    def ask(api: str, **query: str) -> int:
        return int(platform.get(api, access_token=platform.token, **query)["errcode"])

    assert ask("get_jsapi_ticket", type="jsapi") == 91040
    assert [ask("get_jsapi_ticket"), ask("ticket/get", type="agent_config"), ask("get_jsapi_ticket")] == [0, 0, 45009]


# ---------------------------------------------------------------- messages


def test_duplicates_are_accepted_and_not_delivered(platform: Platform, sandbox: Any) -> None:
    sandbox.post("clock", now=1_770_000_000)
    check = {"enable_duplicate_check": 1, "duplicate_check_interval": 14400}
    first = platform.send(**check)
    assert platform.send(**check) == first  # errcode 0 again
    raw = {"text": {"content": "hi"}, "agentid": platform.agent, "msgtype": "text", "touser": "lan.chen", **check}
    platform.post("message/send", raw, access_token=platform.token)  # the same JSON in another order of keys
    platform.send(text="hi ", **check)  # another text
    platform.send(touser="lan.chen")  # no check asked for
    assert flags(sandbox) == ["delivered", "duplicate", "duplicate", "delivered", "delivered"]
    sandbox.post("clock", now=1_770_000_000 + 14_401)
    platform.send(**check)
    assert flags(sandbox)[-1] == "delivered"


def test_interval_is_half_an_hour_unless_said_and_four_hours_at_most(platform: Platform, sandbox: Any) -> None:
    sandbox.post("clock", now=1_770_000_000)
    platform.send(text="a", enable_duplicate_check=1)
    platform.send(text="b", enable_duplicate_check=1, duplicate_check_interval=999_999)
    sandbox.post("clock", now=1_770_001_801)
    platform.send(text="a", enable_duplicate_check=1)
    platform.send(text="b", enable_duplicate_check=1, duplicate_check_interval=999_999)
    assert flags(sandbox) == ["delivered", "delivered", "delivered", "duplicate"]


def test_more_than_thirty_a_minute_are_dropped_without_a_word(platform: Platform, sandbox: Any) -> None:
    sandbox.post("clock", now=1_770_000_000)
    assert {platform.send(text=str(number))["errcode"] for number in range(32)} == {0}
    assert flags(sandbox) == ["delivered"] * 30 + ["dropped"] * 2
    platform.send(to="min.wang")
    sandbox.post("clock", now=1_770_000_060)
    platform.send(text="next minute")
    stats = sandbox.get("stats")
    assert (stats["delivered"], stats["dropped"], stats["member_peak_per_minute"]) == (32, 2, 32)
    assert flags(sandbox)[-1] == "delivered"


def test_hour_limit(platform: Platform, sandbox: Any) -> None:
    sandbox.post("settings", member_minute=100, member_hour=3)
    for number in range(4):
        sandbox.post("clock", now=1_770_000_000 + number * 600)
        platform.send(text=str(number))
    assert flags(sandbox) == ["delivered"] * 3 + ["dropped"]


def test_receivers(platform: Platform, sandbox: Any) -> None:
    sandbox.post("world", people=[{"userid": "gone", "status": 5}, {"userid": "out", "visible": False},
                                  {"userid": "free", "licensed": False}])  # fmt: skip
    answer = platform.send(to="Lan.Chen|NOBODY|gone|out|free")
    assert (answer["errcode"], answer["invaliduser"], answer["unlicenseduser"]) == (0, "nobody|gone|out", "free")
    assert platform.send(to="nobody")["errcode"] == 81013
    assert platform.send(to="")["errcode"] == 82001
    assert platform.send(to="|".join(f"u{n}" for n in range(1001)))["errcode"] == 40032
    assert platform.send(to="", toparty="2|99")["invalidparty"] == "99"
    assert flags(sandbox) == ["delivered", "delivered"] and flags(sandbox, "free") == ["unlicensed"]
    assert [row["flag"] for row in sandbox.received()] == ["mixed", "delivered"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agentid": 999}, 40056), ({"agentid": "x"}, 40056), ({"agentid": 1000077}, 301002),
        ({"msgtype": "smoke"}, 40008),
        ({"text": {"content": ""}}, 44004), ({"msgtype": "textcard", "textcard": {"title": "a"}}, 40063),
        ({"msgtype": "template_card", "template_card": {"card_type": "vote_interaction"}}, 42030),
    ],
)  # fmt: skip
def test_malformed_messages(platform: Platform, sandbox: Any, change: dict[str, Any], code: int) -> None:
    sandbox.post("world", apps=[{"agentid": 1000077, "secret": "other"}])
    assert platform.send(**change)["errcode"] == code
    assert sandbox.received() == []


def test_a_task_id_is_used_once(platform: Platform) -> None:
    card = {
        "card_type": "text_notice",
        "task_id": "t1",
        "main_title": {"title": "x"},
        "card_action": {"type": 1, "url": "u"},
    }
    codes = [
        platform.send(msgtype="template_card", template_card=card | {"sub_title_text": text})["errcode"]
        for text in "ab"
    ]
    assert codes == [0, 42014]


def test_recall(platform: Platform, sandbox: Any) -> None:
    sandbox.post("clock", now=1_770_000_000)
    msgid = platform.send()["msgid"]
    second = platform.send(text="second")["msgid"]

    def recall(number: str) -> int:
        return int(platform.post("message/recall", {"msgid": number}, access_token=platform.token)["errcode"])

    assert (recall(msgid), recall("unknown")) == (0, 40058)
    sandbox.post("clock", now=1_770_086_401)
    assert recall(second) == 42052
    assert [row["recalled"] for row in sandbox.received("lan.chen")] == [True, False]


def test_messages_of_the_day(platform: Platform, sandbox: Any) -> None:
    sandbox.post("settings", account_cap=1, messages_per_account_day=2)
    assert [platform.send(text=text)["errcode"] for text in "abc"] == [0, 0, 45009]


# ---------------------------------------------------------------- control


def test_faults_end_by_count_and_by_order(platform: Platform, sandbox: Any) -> None:
    sandbox.fault("message/*", errcode=-1, next_n=1)
    sandbox.fault("message/send", errcode=45009, after_effect=True, times=1)
    assert [platform.send(text=text)["errcode"] for text in "abc"] == [-1, 45009, 0]
    assert [row["request"]["text"]["content"] for row in sandbox.received()] == ["b", "c"]
    sandbox.fault("*", errcode=-1)
    assert platform.send()["errcode"] == -1
    assert sandbox.delete("faults")["removed"] == 3
    assert platform.send()["errcode"] == 0


def test_part_of_the_calls_fail(platform: Platform, sandbox: Any) -> None:
    sandbox.fault("user/get", errcode=-1, percent=50)
    codes = [platform.get("user/get", access_token=platform.token, userid="lan.chen")["errcode"] for _ in range(60)]
    assert 10 < codes.count(-1) < 50


def test_an_unknown_fault_is_refused(sandbox: Any) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        sandbox.fault("user/get", explode=True)
    assert caught.value.code == 422


def test_what_it_got_can_be_listed(platform: Platform, sandbox: Any) -> None:
    sandbox.post("clock", now="2026-03-02T10:00:00+08:00")
    platform.send(text="early")
    sandbox.post("clock", now="2026-03-02T11:00:00+08:00")
    platform.send(text="late")
    rows = sandbox.received("LAN.chen", since="2026-03-02T10:30:00+08:00")
    assert [(row["request"]["text"]["content"], row["recipients"], row["flag"]) for row in rows] == [
        ("late", ["lan.chen"], "delivered")
    ]
    assert [row["api"] for row in sandbox.get("calls")["calls"]] == ["gettoken", "message/send", "message/send"]
    assert "corpsecret" not in json.dumps(sandbox.get("calls"))


def test_a_chat_is_seen_by_both_sides(sandbox: Any, people: list[str]) -> None:
    sandbox.post("world", contacts=[{"external_userid": "wm1", "name": "王**", "followers": ["Lan.Chen"]}])
    sandbox.post("chat", **{"userid": "lan.chen", "external_userid": "wm1", "from": "guide", "text": "您好"})
    sandbox.post(
        "chat", **{"userid": "lan.chen", "external_userid": "wm1", "from": "member", "attachments": [{"a": 1}]}
    )
    lines = sandbox.get("chat", userid="LAN.chen", external_userid="wm1")["messages"]
    assert [(line["from"], line["text"], line["attachments"]) for line in lines] == [
        ("guide", "您好", []),
        ("member", "", [{"a": 1}]),
    ]
    assert sandbox.get("chat", userid="lan.chen", external_userid="wm1", after=lines[0]["seq"])["messages"] == lines[1:]
    assert [row["external_userid"] for row in sandbox.get("chat", userid="lan.chen")["chats"]] == ["wm1"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        sandbox.post("chat", userid="min.wang", external_userid="wm1", text="x")
    assert caught.value.code == 409


def test_snapshot_brings_people_chats_and_duplicates_back(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    def make() -> State:
        return State("ww1", (1, "s"), Clock(lambda: datetime(2026, 3, 2, tzinfo=UTC)))

    from yejibao.wecom.sandbox import control, messages

    state = make()
    control.world(
        state, {}, {"people": [{"userid": "A"}], "contacts": [{"external_userid": "wm1", "followers": ["A"]}]}
    )
    control.say(state, {}, {"userid": "A", "external_userid": "wm1", "text": "x"})
    body = {"touser": "A", "agentid": 1, "msgtype": "text", "text": {"content": "x"}, "enable_duplicate_check": 1}
    messages.send(state, state.apps[1], body)

    again = make()
    again.restore(state.snapshot())
    messages.send(again, again.apps[1], body)
    assert [row["flag"] for row in control.received(again, {"userid": "a"}, {})["messages"]] == [
        "delivered",
        "duplicate",
    ]
    assert control.chat(again, {"userid": "a", "external_userid": "wm1"}, {}) == control.chat(
        state, {"userid": "a", "external_userid": "wm1"}, {}
    )
    assert again.figures == Figures()


def test_peak_counts_any_window() -> None:
    peak = Peak(60)
    for at in (0, 30, 59, 60, 61, 89.9, 200):
        peak.add(at)
    assert peak.most == 5  # 30, 59, 60, 61, 89.9: exactly 60 s apart is another window
