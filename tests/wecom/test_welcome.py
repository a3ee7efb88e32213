"""The welcome: once, inside 20 seconds, whatever the platform does, and beside the queue of pushes."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conftest import SandboxControl
from yejibao.core.clock import parse_iso
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.welcome.greeting import Greeting, close_abandoned, greet
from yejibao.wecom.welcome.models import WelcomeMessage

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
API = "externalcontact/send_welcome_msg"


@pytest.fixture(autouse=True)
def world(clock: Any, sandbox: SandboxControl) -> None:
    clock.travel(NOW)
    sandbox.post("clock", now=NOW.isoformat())


def code_for(sandbox: SandboxControl, userid: str = "lan.chen", external: str = "wm1") -> str:
    """Let somebody become a friend; return the code of the welcome as the callback would have brought it."""
    sandbox.post("friend", userid=userid, external_userid=external, name="云淡风轻")
    codes: dict[str, Any] = sandbox.get("welcome_codes")["codes"]
    return next(code for code, row in codes.items() if row["external_userid"] == external and not row["used"])


def greeting(code: str, external: str = "wm1", at: datetime = NOW) -> Greeting:
    return Greeting(code, "lan.chen", external, at)


def words(greetings: Any) -> dict[str, str]:
    return {one.code: "您好，我是小李" for one in greetings}


def states() -> list[tuple[str, int | None, int]]:
    return list(WelcomeMessage.objects.order_by("pk").values_list("state", "errcode", "attempts"))


def lines(sandbox: SandboxControl, external: str = "wm1") -> list[str]:
    return [line["text"] for line in sandbox.get("chat", userid="lan.chen", external_userid=external)["messages"]]


def test_a_doubled_event_greets_once(door: Gateway, sandbox: SandboxControl) -> None:
    code = code_for(sandbox)
    assert greet([greeting(code), greeting(code)], compose=words, door=door) == {"sent": 1}
    assert greet([greeting(code)], compose=words, door=door) == {}
    assert (lines(sandbox), states()) == (["您好，我是小李"], [("sent", 0, 1)])


def test_many_are_greeted_side_by_side(door: Gateway, sandbox: SandboxControl) -> None:
    codes = {f"wm{number}": code_for(sandbox, external=f"wm{number}") for number in range(30)}
    sandbox.fault(API, latency=100)
    assert greet([greeting(code, who) for who, code in codes.items()], compose=words, door=door) == {"sent": 30}


@pytest.mark.parametrize(
    "fault", [{"hang": 6, "after_effect": True}, {"reset": True, "after_effect": True}, {"http": 502}]
)
def test_a_call_without_an_answer_is_made_once_more(
    door: Gateway, sandbox: SandboxControl, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yejibao.wecom.welcome.greeting.CALL_SECONDS", 0.5)
    code = code_for(sandbox)
    sandbox.fault(API, times=1, **fault)
    assert greet([greeting(code)], compose=words, door=door) == {"sent": 1}
    assert lines(sandbox) == ["您好，我是小李"]


def test_an_answer_that_never_comes_is_unknown(
    door: Gateway, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yejibao.wecom.welcome.greeting.CALL_SECONDS", 0.2)
    code = code_for(sandbox)
    sandbox.fault(API, hang=2)
    assert greet([greeting(code)], compose=words, door=door) == {"unknown": 1}


def test_another_app_that_greets_is_waited_for(door: Gateway, sandbox: SandboxControl) -> None:
    code = code_for(sandbox)
    sandbox.fault(API, errcode=41096, times=1)
    assert greet([greeting(code)], compose=words, door=door) == {"sent": 1}
    assert [(state, code) for state, code, _ in states()] == [("sent", 0)]


def test_who_talks_already_needs_no_welcome(door: Gateway, sandbox: SandboxControl) -> None:
    code = code_for(sandbox)
    sandbox.post("chat", userid="lan.chen", external_userid="wm1", text="您好", **{"from": "guide"})
    assert greet([greeting(code)], compose=words, door=door) == {"talking": 1}


def test_what_comes_too_late_is_not_called(door: Gateway, sandbox: SandboxControl, clock: Any) -> None:
    code = code_for(sandbox)
    clock.advance(seconds=19)
    assert greet([greeting(code)], compose=words, door=door) == {}
    assert states() == [("late", None, 0)]
    assert sandbox.get("stats")["calls"].get(API) is None


def test_a_dead_code_and_a_guide_nobody_knows_are_refused(door: Gateway, sandbox: SandboxControl) -> None:
    assert greet([greeting("made-up")], compose=words, door=door) == {"refused": 1}
    assert greet([greeting("other")], compose=lambda fresh: {}, door=door) == {"refused": 1}
    assert [(state, code) for state, code, _ in states()] == [("refused", 41050), ("refused", None)]


def test_a_process_that_died_in_the_call_leaves_a_doubt(door: Gateway, sandbox: SandboxControl) -> None:
    def dies(greetings: Any) -> dict[str, str]:
        raise KeyboardInterrupt

    code = code_for(sandbox)
    with pytest.raises(KeyboardInterrupt):
        greet([greeting(code)], compose=dies, door=door)
    assert states() == [("calling", None, 0)]
    assert close_abandoned(now=NOW + timedelta(seconds=59)) == 0
    assert close_abandoned(now=NOW + timedelta(seconds=61)) == 1
    assert states() == [("unknown", None, 0)]
