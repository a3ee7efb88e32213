"""The stand-in as a caller: over a socket to the product's own address, again when it is not answered, and in bad weather."""

from collections.abc import Callable
from typing import Any

import pytest

from yejibao.wecom.inbox.models import InboxEntry, Mirror
from yejibao.wecom.inbox.working import work_off

from .conftest import AES_KEY, TOKEN

pytestmark = pytest.mark.django_db(transaction=True)
Wait = Callable[..., None]


@pytest.fixture
def calls(sandbox: Any, live_server: Any) -> Any:
    """The stand-in, told where the product listens."""
    address = f"{live_server.url}/wecom/callback/yejibao/"
    sandbox.post("receivers", yejibao={"url": address, "token": TOKEN, "aes_key": AES_KEY})
    sandbox.post("delivery", gap_seconds=0.05)
    return sandbox


def gone(sandbox: Any) -> list[dict[str, Any]]:
    """Return what became of the callbacks, [] while one is on its way."""
    answer = sandbox.get("callbacks")
    return [] if answer["waiting"] else answer["callbacks"]


def test_the_address_is_checked_as_the_console_does(calls: Any) -> None:
    assert calls.post("receivers/verify")["wrong"] == ""
    url = calls.get("receivers")["receivers"]["yejibao"]
    calls.post("receivers", yejibao={"url": url, "token": "another", "aes_key": AES_KEY})
    assert "403" in calls.post("receivers/verify")["wrong"]


def test_an_act_in_the_client_comes_in_over_the_socket(calls: Any, wait_until: Wait) -> None:
    calls.post("callback", facts={"Event": "enter_agent"}, sender="Lan.Chen", agent_id=1000002)
    wait_until(lambda: gone(calls))
    assert [(row["state"], len(row["tries"])) for row in gone(calls)] == [("delivered", 1)]
    assert work_off() == {"done": 1}
    assert Mirror.objects.get().key == "lan.chen"


def test_who_does_not_answer_is_called_four_times_in_all(calls: Any, wait_until: Wait) -> None:
    url = calls.get("receivers")["receivers"]["yejibao"].replace("yejibao/", "nobody/")
    calls.post("receivers", yejibao={"url": url, "token": TOKEN, "aes_key": AES_KEY})
    calls.post("callback", facts={"Event": "enter_agent"}, sender="Lan.Chen")
    wait_until(lambda: gone(calls))
    (row,) = gone(calls)
    assert (row["state"], [one["status"] for one in row["tries"]]) == ("dropped", [404] * 4)


def test_in_bad_weather_each_event_is_stored_once_and_no_forged_one(calls: Any, wait_until: Wait) -> None:
    calls.post("weather", duplicate_percent=100, delay_seconds=0.4, forge_percent=100)
    for number in range(12):
        calls.post("callback", facts={"Event": "enter_agent", "EventKey": f"k{number}"}, sender="Lan.Chen")
    wait_until(lambda: gone(calls))
    assert {row["copies"] for row in gone(calls)} == {2}
    assert InboxEntry.objects.count() == 12
    assert work_off() == {"done": 12}


def test_what_is_lost_never_comes(calls: Any) -> None:
    calls.post("weather", lose_percent=100)
    calls.post("callback", facts={"Event": "enter_agent"}, sender="Lan.Chen")
    assert [(row["state"], row["tries"]) for row in gone(calls)] == [("lost", [])]
