"""The sweep over everybody's customers: by page, resumable, with what the platform says when it does not want to."""

from typing import Any

import pytest

from crm.friends.services import NothingToStop, start_sync, stop_sync, sync_friends, syncing
from crm.members.models import FriendLink
from guides.org.actors import actor_for
from guides.org.models import Staff
from tests.conftest import SandboxControl
from tests.factories.crm import make_friend, make_member, make_staff
from tests.factories.guides import holder_of, make_org, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Forbidden
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.syncing.models import SyncPart, SyncRun

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
SYSTEM = Actor.system()
API = "externalcontact/batch/get_by_user"


@pytest.fixture(autouse=True)
def world(clock: Any, sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch) -> None:
    """All people in one part, so that its pages come one after the other."""
    monkeypatch.setattr(syncing, "PARTS_WANTED", 1)
    clock.travel(NOW)
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    sandbox.post("clock", now=NOW.isoformat())


@pytest.fixture
def guides(sandbox: SandboxControl) -> list[Staff]:
    people = [make_staff() for _ in range(3)]
    sandbox.post("world", people=[{"userid": one.wecom_user_id, "name": one.name} for one in people])
    return people


def start() -> SyncRun:
    return start_sync(door=gateway.default(), actor=SYSTEM, now=NOW)


def go(**more: Any) -> dict[str, int]:
    return sync_friends(door=gateway.default(), now=NOW, **more)


def run() -> SyncRun:
    return SyncRun.objects.get()


def test_a_sweep_reads_every_page_once_and_knows_when_it_is_through(
    guides: list[Staff], sandbox: SandboxControl
) -> None:
    sandbox.post("crowd", count=450)
    member = make_member(owner=guides[0], phone="13800000010")
    assert start().parts_total == 1
    go()
    done = run()
    assert (done.state, done.parts_done, done.counts["rows"], done.counts["new"], done.counts["calls"]) == (
        "done",
        1,
        450,
        450,
        5,
    )
    assert (done.counts["linked"], FriendLink.objects.get(external_user_id="wmcrowd00000010").member) == (1, member)
    assert sandbox.get("stats")["calls"][API] == 5
    assert go() == {}


def test_a_small_company_sees_its_progress_too(
    guides: list[Staff], sandbox: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "PARTS_WANTED", 50)
    sandbox.post("crowd", count=60)
    assert start().parts_total == 3
    go()
    assert (run().state, run().parts_done, FriendLink.objects.count()) == ("done", 3, 60)


def test_a_second_sweep_changes_nothing(guides: list[Staff], sandbox: SandboxControl) -> None:
    sandbox.post("crowd", count=120)
    start(), go(), start(), go()
    assert [one.counts.get("new", 0) for one in SyncRun.objects.order_by("pk")] == [120, 0]
    assert FriendLink.objects.count() == 120


def test_it_goes_on_where_it_was_stopped(guides: list[Staff], sandbox: SandboxControl) -> None:
    sandbox.post("crowd", count=450)
    start()
    go(seconds=0.0)  # one page a turn: time is up when it has come
    for _ in range(3):
        assert run().state == "running"
        SyncRun.objects.update(next_at=None)
        go(seconds=0.001)
    go()
    assert (run().state, FriendLink.objects.count()) == ("done", 450)
    assert sandbox.get("stats")["calls"][API] == 5


def test_a_dead_cursor_begins_its_part_again(guides: list[Staff], sandbox: SandboxControl) -> None:
    sandbox.post("crowd", count=250)
    start()
    go(seconds=0.001)
    assert SyncPart.objects.get().cursor
    sandbox.post("cursors/die")
    go()
    assert (run().state, SyncPart.objects.get().restarts, FriendLink.objects.count()) == ("done", 1, 250)


def test_the_platform_asks_to_wait_and_is_not_asked_before(guides: list[Staff], sandbox: SandboxControl) -> None:
    sandbox.post("crowd", count=10)
    start()
    sandbox.fault(API, errcode=45009, times=1)
    go()
    held = run()
    assert held.next_at is not None and held.next_at > NOW and "throttle" in held.last_error
    assert go() == {}
    sandbox.delete("faults")
    gateway.default().budgets.close(API)
    SyncRun.objects.update(next_at=None)
    go()
    assert (run().state, FriendLink.objects.count()) == ("done", 10)


def test_who_is_no_longer_listed_is_no_friend_any_more_unless_it_is_too_many(
    guides: list[Staff], sandbox: SandboxControl, clock: Any
) -> None:
    sandbox.post("crowd", count=30)
    for number in range(2):
        make_friend(make_member(owner=guides[0]), guides[0], external_user_id=f"gone{number}")
    for number in range(30):
        make_friend(None, guides[1], external_user_id=f"hidden{number}")
    start(), go()
    states = dict(
        FriendLink.objects.exclude(external_user_id__startswith="wmcrowd").values_list("external_user_id", "state")
    )
    assert {state for name, state in states.items() if name.startswith("gone")} == {"deleted_by_guide"}
    assert {state for name, state in states.items() if name.startswith("hidden")} == {
        "friend"
    }  # the list is wrong, not they
    assert run().counts["lost"] == 2


def test_only_one_sweep_at_a_time_and_hq_stops_it(guides: list[Staff], sandbox: SandboxControl, client: Any) -> None:
    org = make_org()
    with pytest.raises(Forbidden):
        start_sync(door=gateway.default(), actor=actor_for(org.manager), now=NOW)
    assert start().pk == start().pk
    sign_in(client, holder_of("hq_operator", org))
    assert "同步中" in client.get("/hq/friends/").content.decode()
    client.post("/hq/friends/sync/", {"act": "stop"})
    assert run().state == "stopped"
    with pytest.raises(NothingToStop):
        stop_sync(actor=SYSTEM, now=NOW)
    client.post("/hq/friends/sync/", {"act": "start"})
    assert SyncRun.objects.filter(state="running").count() == 1


def test_a_page_says_who_is_unknown_and_the_manager_decides_in_two_taps(client: Any) -> None:
    from crm.friends.models import Contact, LinkReview

    org = make_org()
    one, other = make_member(owner=org.guide, name="王建平"), make_member(owner=org.guide, name="王建国")
    contact = Contact.objects.create(external_user_id="wm1", name="云淡风轻")
    make_friend(None, org.guide, external_user_id="wm1")
    LinkReview.objects.create(
        contact=contact, guide=org.guide, reason="phones", candidate_ids=[one.pk, other.pk], created_at=NOW
    )
    sign_in(client, org.manager)
    page = client.get("/m/links/").content.decode()
    assert all(name in page for name in ("云淡风轻", "王建平", "王建国"))
    review = LinkReview.objects.get()
    client.post(f"/m/links/{review.pk}/", {"answer": f"linked:{other.pk}", "idempotency_key": "k1"})
    assert FriendLink.objects.get().member == other
    client.post(f"/m/links/{review.pk}/undo/")
    assert FriendLink.objects.get().member is None
    sign_in(client, make_staff("store_manager"))
    assert "云淡风轻" not in client.get("/m/links/").content.decode()
    assert client.post(f"/m/links/{review.pk}/", {"answer": "nobody", "idempotency_key": "k2"}).status_code == 404
