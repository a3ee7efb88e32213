"""Mass messages to customer groups: a member's own, made once, confirmed by her, read back by group."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from yejibao.core import clock as product_clock
from yejibao.wecom import groupsends
from yejibao.wecom.mass.models import MassSend
from yejibao.wecom.mass.services import plan_message

from .conftest import GUIDE, OTHER

CREATE, LIST = "externalcontact/add_msg_template", "externalcontact/get_groupmsg_list_v2"
OWN = ["wrone", "wrtwo", "wrthree"]


@pytest.fixture
def to_groups(db: None, noon: Any, sandbox: Any, people: list[str]) -> Callable[..., list[MassSend]]:
    """Three groups of the guide's and one of another's; returns what plans a message to groups, due now."""
    for chat, owner in [*((chat, GUIDE) for chat in OWN), ("wrother", OTHER)]:
        sandbox.post("thing", kind="chat", id=chat, facts={"owner": owner, "name": chat}, tell=False)

    def make(targets: list[str], key: str = "groups") -> list[MassSend]:
        ids = plan_message(
            key=key, targets=targets, sender=GUIDE, is_group=True, text="新款到店", due_at=product_clock.now()
        )
        return [MassSend.objects.get(pk=one) for one in ids]

    return make


def calls(sandbox: Any, api: str) -> list[dict[str, Any]]:
    return [row["body"] for row in sandbox.get("calls", api=api)["calls"]]


def states(send: MassSend) -> dict[str, str]:
    return dict(send.targets.order_by("target").values_list("target", "state"))


def test_her_groups_get_it_once_she_confirms(to_groups: Any, go: Any, noon: Any, sandbox: Any) -> None:
    (send,) = to_groups([*OWN, "wrother"])
    assert go() == {"created": 1}
    (body,) = calls(sandbox, CREATE)
    assert (body["chat_type"], body["sender"], sorted(body["chat_id_list"])) == (
        "group", GUIDE, sorted([*OWN, "wrother"]),
    )  # fmt: skip
    assert "external_userid" not in body
    assert states(send) == dict.fromkeys(OWN, "waiting") | {"wrother": "unusable"}

    noon(seconds=20)
    assert go() == {"read": 1}  # nobody has confirmed: of groups the platform says nothing then
    assert states(send) == dict.fromkeys(OWN, "waiting") | {"wrother": "unusable"}
    send.refresh_from_db()
    assert sandbox.post("masses/confirm", id=send.platform_id, userid=GUIDE)["reached"] == 3
    noon(minutes=10)
    assert go() == {"read": 1}
    assert states(send) == dict.fromkeys(OWN, "sent") | {"wrother": "unusable"}
    send.refresh_from_db()
    assert send.state == "ended" and len(calls(sandbox, CREATE)) == 1


def test_a_lost_answer_is_looked_for_among_those_to_groups(to_groups: Any, go: Any, noon: Any, sandbox: Any) -> None:
    (send,) = to_groups(OWN)
    sandbox.fault(CREATE, times=1, drop_after_effect=True)
    assert go() == {"unknown": 1}
    noon(seconds=20)
    assert go()["found"] == 1
    send.refresh_from_db()
    assert (send.state, len(calls(sandbox, CREATE))) == ("created", 1)
    assert {body["chat_type"] for body in calls(sandbox, LIST)} == {"group"}


def test_groups_are_parted_by_what_a_call_takes_and_not_counted_as_customers(
    to_groups: Any, go: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groupsends, "MOST_CHATS", 2)
    assert len(to_groups(OWN)) == 2
    assert go() == {"created": 2}
    assert sorted(len(body["chat_id_list"]) for body in calls(sandbox, CREATE)) == [1, 2]
    monkeypatch.undo()
    for day in range(5):  # four a month are a customer's limit, not a group's
        (send,) = to_groups(OWN, key=f"more{day}")
        assert set(states(send).values()) == {"waiting"}
    assert send.due_at < product_clock.now() + timedelta(seconds=1)
