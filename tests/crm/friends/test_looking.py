"""The hourly look: friends whose callbacks were lost are here within the hour, and only they are read."""

from datetime import timedelta
from typing import Any

import pytest

from crm.friends.jobs import go_on_with_sync, look_for_new_friends, read_changed_friends
from crm.friends.services import go_on_looking, looking, start_looking, start_sync
from crm.members.models import FriendLink
from guides.org.models import Staff
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import make_staff
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.inbox.models import InboxEntry
from yejibao.wecom.syncing.models import SyncRun

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
LIST, READ, SWEEP = "externalcontact/list", "externalcontact/get", "externalcontact/batch/get_by_user"


@pytest.fixture(autouse=True)
def at_ten(clock: TestClock, sandbox: SandboxControl) -> None:
    clock.travel(NOW)
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    sandbox.post("clock", now=NOW.isoformat())


@pytest.fixture
def guides(sandbox: SandboxControl) -> list[Staff]:
    people = [make_staff() for _ in range(3)]
    sandbox.post("world", people=[{"userid": one.wecom_user_id, "name": one.name} for one in people])
    return people


def befriend(sandbox: SandboxControl, guide: Staff, external: str) -> None:
    sandbox.post("friend", userid=guide.wecom_user_id, external_userid=external)


def calls(sandbox: SandboxControl, api: str) -> int:
    return int(sandbox.get("stats")["calls"].get(api, 0))


def an_hour(clock: TestClock, sandbox: SandboxControl) -> None:
    sandbox.post("clock", now=clock.advance(hours=1).isoformat())
    look_for_new_friends()
    go_on_with_sync()
    read_changed_friends()


def friends() -> list[tuple[str, int]]:
    return sorted(FriendLink.objects.filter(state="friend").values_list("external_user_id", "guide_id"))


def test_lost_callbacks_cost_an_hour_and_only_who_is_unknown_is_read(
    guides: list[Staff], sandbox: SandboxControl, clock: TestClock
) -> None:
    sandbox.post("weather", lose_percent=100)
    one, two, _nobody = guides
    befriend(sandbox, one, "wm1"), befriend(sandbox, two, "wm2")
    an_hour(clock, sandbox)
    assert not InboxEntry.objects.exists()
    assert friends() == [("wm1", one.pk), ("wm2", two.pk)]
    assert (calls(sandbox, LIST), calls(sandbox, READ)) == (3, 2)

    befriend(sandbox, two, "wm1")  # known already, a friend of somebody else
    an_hour(clock, sandbox)
    assert friends() == [("wm1", one.pk), ("wm1", two.pk), ("wm2", two.pk)]
    assert (calls(sandbox, LIST), calls(sandbox, READ), calls(sandbox, SWEEP)) == (6, 3, 0)

    an_hour(clock, sandbox)
    assert calls(sandbox, READ) == 3
    looks = SyncRun.objects.order_by("pk")
    assert [(run.kind, run.state, run.counts.get("new", 0)) for run in looks] == [
        ("delta", "done", 2), ("delta", "done", 1), ("delta", "done", 0),
    ]  # fmt: skip


def test_who_comes_back_to_the_guide_that_ended_it_is_asked_for_once(
    guides: list[Staff], sandbox: SandboxControl, clock: TestClock
) -> None:
    sandbox.post("weather", lose_percent=100)
    befriend(sandbox, guides[0], "wm1")
    an_hour(clock, sandbox)
    FriendLink.objects.update(state="deleted_by_guide", ended_at=clock.now() + timedelta(minutes=1))
    for _ in range(2):
        an_hour(clock, sandbox)  # still listed, added before the end: the platform was late, or we heard wrongly
    assert (friends(), calls(sandbox, READ)) == ([], 2)


def test_it_goes_on_where_it_stopped(
    guides: list[Staff], sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, guide in enumerate(guides):
        sandbox.post("friend", userid=guide.wecom_user_id, external_userid=f"wm{place}", tell=False)
    run = start_looking(door=gateway.default(), now=NOW)
    go_on_looking(door=gateway.default(), now=NOW, seconds=0.0)
    SyncRun.objects.update(next_at=None)
    go_on_looking(door=gateway.default(), now=NOW, seconds=0.001)
    assert start_looking(door=gateway.default(), now=NOW) == run
    go_on_looking(door=gateway.default(), now=NOW)
    assert (SyncRun.objects.get().state, calls(sandbox, LIST)) == ("done", 3)
    read_changed_friends()
    assert len(friends()) == 3


def test_a_busy_platform_is_not_asked_before_it_says(guides: list[Staff], sandbox: SandboxControl) -> None:
    start_looking(door=gateway.default(), now=NOW)
    sandbox.fault(LIST, errcode=45009, times=1)
    go_on_looking(door=gateway.default(), now=NOW)
    held = SyncRun.objects.get()
    assert held.state == "running" and held.next_at and held.next_at > NOW
    assert go_on_looking(door=gateway.default(), now=NOW) == {}


def test_a_full_sweep_makes_it_superfluous(guides: list[Staff], sandbox: SandboxControl) -> None:
    start_looking(door=gateway.default(), now=NOW)
    start_sync(door=gateway.default(), actor=Actor.system(), now=NOW)
    assert go_on_looking(door=gateway.default(), now=NOW) == {}
    assert start_looking(door=gateway.default(), now=NOW) is None
    assert (SyncRun.objects.get(kind="delta").state, calls(sandbox, LIST)) == ("stopped", 0)


def test_a_list_is_compared_with_one_statement(guides: list[Staff], django_assert_num_queries: Any) -> None:
    for count in (1, 300):
        pairs = [(guides[0].wecom_user_id, f"wm{number}") for number in range(count)]
        with django_assert_num_queries(2):  # who is unknown, and that they are to be read
            assert looking._apply(pairs, now=NOW) == {"new": count}
