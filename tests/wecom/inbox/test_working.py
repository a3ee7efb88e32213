"""Working the inbox off: each entry stands for itself, nothing is lost, a person can replay."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.factories.guides import actor, holder_of, make_org
from yejibao.core import clock as product_clock
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor
from yejibao.wecom import events as told
from yejibao.wecom.errors import GatewayError, Kind
from yejibao.wecom.inbox import registry, services, signs
from yejibao.wecom.inbox.jobs import tidy_inbox, work_inbox
from yejibao.wecom.inbox.models import InboxEntry
from yejibao.wecom.inbox.services import claim, repair, replay, settle, take_in
from yejibao.wecom.inbox.working import work_off

from .samples import AT, sample

pytestmark = pytest.mark.django_db
ENTERED = told.AppEntered
SYSTEM = Actor.system()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[told.AppEntered]]]:
    """The calls of a subscriber that is the only one."""
    calls: list[list[told.AppEntered]] = []
    monkeypatch.setattr(registry, "_subscribers", {ENTERED: [lambda events: calls.append(list(events))]})
    yield calls


def listen(monkeypatch: pytest.MonkeyPatch, *subscribers: Callable[[list[Any]], None]) -> None:
    monkeypatch.setattr(registry, "_subscribers", {ENTERED: list(subscribers)})


def take(*numbers: int, now: Any = None, **changes: Any) -> list[int]:
    ids = [take_in("yejibao", sample("enter_agent", at=AT + n, **changes).encode(), now=now or product_clock.now())
           for n in numbers]  # fmt: skip
    return [number for number in ids if number is not None]


def states() -> list[str]:
    return list(InboxEntry.objects.order_by("pk").values_list("state", flat=True))


def test_a_batch_is_told_in_one_call(heard: list[Any]) -> None:
    take(*range(5))
    assert work_off() == {"done": 5}
    assert [len(call) for call in heard] == [5]
    assert (states(), work_off()) == (["done"] * 5, {})


def test_a_bad_one_stands_alone_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    bad = take(*range(9))[4]
    at = InboxEntry.objects.get(pk=bad).happened_at.isoformat()
    good: list[str] = []

    def fail_on_one(events: list[told.AppEntered]) -> None:
        if any(event.at == at for event in events):
            raise ValueError("13800132075 does not fit")
        good.extend(event.at for event in events)

    listen(monkeypatch, fail_on_one)
    now = clock.travel("2026-03-02 10:00")
    InboxEntry.objects.update(next_at=now)
    assert work_off() == {"done": 8, "failed": 1}
    assert len(good) == 8
    entry = InboxEntry.objects.get(pk=bad)
    assert (entry.state, entry.attempts, entry.error, entry.claim_token) == ("waiting", 1, "ValueError", None)
    assert entry.next_at == now + timedelta(seconds=5)


def test_five_tries_and_it_is_set_aside(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    clock.travel("2026-03-02 10:00")
    take(1)
    tries: list[Any] = []

    def fail(events: list[Any]) -> None:
        tries.append(product_clock.now())
        raise GatewayError(84061, "no relation", kind=Kind.PERMANENT, api="externalcontact/get")

    listen(monkeypatch, fail)
    for _ in range(8):
        work_off()
        clock.advance(hours=2)
    entry = InboxEntry.objects.get()
    assert (len(tries), entry.state, entry.attempts) == (5, "parked", 5)
    assert entry.error == "externalcontact/get permanent 84061"
    assert [round((b - a).total_seconds()) for a, b in zip(tries, tries[1:], strict=False)] == [7200] * 4


def test_the_platforms_rate_limit_is_no_fault_of_the_entry(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    now = clock.travel("2026-03-02 10:00")
    take(1, 2)

    def throttled(events: list[Any]) -> None:
        raise GatewayError(45009, "freq", kind=Kind.THROTTLE, api="user/get", retry_after=90)

    listen(monkeypatch, throttled)
    assert work_off() == {"put_off": 2}
    assert set(InboxEntry.objects.values_list("state", "attempts", "next_at")) == {
        ("waiting", 0, now + timedelta(seconds=90))
    }


def test_a_second_subscriber_that_fails_brings_it_back_to_the_first_too(
    monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    clock.travel("2026-03-02 10:00")
    take(1)
    first: list[Any] = []
    broken = [True]

    def second(events: list[Any]) -> None:
        if broken:
            broken.pop()
            raise RuntimeError

    listen(monkeypatch, first.extend, second)
    work_off()
    clock.advance(seconds=10)
    assert work_off() == {"done": 1}
    assert len(first) == 2


def test_an_event_nobody_listens_to_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_subscribers", {})
    take(1)
    assert work_off() == {"unhandled": 1}
    assert InboxEntry.objects.get().error == "nobody listens"


def test_urgent_ones_have_a_lane_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registry, "_subscribers", {told.FriendAdded: [lambda events: None], ENTERED: [lambda events: None]}
    )
    take(*range(50))
    take_in("yejibao", sample("change_external_contact/add_external_contact").encode(), now=product_clock.now())
    assert work_off(urgent_only=True) == {"done": 1}
    assert states().count("waiting") == 50


def test_urgent_ones_come_first_in_the_usual_lanes_too() -> None:
    take(*range(3))
    urgent = take_in(
        "yejibao", sample("change_external_contact/add_external_contact").encode(), now=product_clock.now()
    )
    assert [entry.pk for entry in claim(now=product_clock.now(), limit=1)] == [urgent]


def test_two_workers_never_hold_the_same() -> None:
    take(*range(4))
    now = product_clock.now()
    one, two = claim(now=now, limit=3), claim(now=now, limit=3)
    assert (len(one), len(two)) == (3, 1)
    assert not {entry.pk for entry in one} & {entry.pk for entry in two}
    assert claim(now=now, limit=3) == []


def lapse() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wecom_inboxentry SET lease_until = clock_timestamp() - interval '1 second'")


def test_a_lost_worker_is_noticed_and_cannot_write_when_it_wakes(heard: list[Any]) -> None:
    take(1, 2)
    held = claim(now=product_clock.now(), limit=9)
    assert repair(now=product_clock.now()) == {}
    lapse()
    assert repair(now=product_clock.now()) == {"freed": 2}
    assert set(InboxEntry.objects.values_list("attempts", "error")) == {(1, "the worker was lost")}
    assert settle(held, "done", now=product_clock.now()) == 0  # its token is gone
    assert work_off() == {"done": 2}
    assert [len(call) for call in heard] == [1, 1]  # what came back once comes alone: it may be what killed the worker


def test_what_kills_its_worker_five_times_is_set_aside() -> None:
    take(1)
    for again in (False, True, True, True, True):
        assert len(claim(now=product_clock.now(), limit=9, again=again)) == 1
        lapse()
        repair(now=product_clock.now())
    assert states() == ["parked"]


def test_the_job_is_the_net_under_the_process(heard: list[Any]) -> None:
    take(1)
    claim(now=product_clock.now(), limit=1)
    lapse()
    assert work_inbox() == {"freed": 1, "done": 1}


def test_a_batch_that_takes_too_long_gives_the_rest_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yejibao.wecom.inbox.working.GIVE_BACK_AT", -1)
    listen(monkeypatch, lambda events: None)
    take(1, 2)
    assert work_off(seconds=0.05)["put_off"] >= 2
    assert states() == ["waiting"] * 2


# ---------------------------------------------------------------- replay


def test_replay_by_range(heard: list[Any]) -> None:
    ids = take(*range(5))
    work_off()
    assert replay(first=ids[1], last=ids[3], actor=SYSTEM, now=product_clock.now()) == 3
    assert work_off() == {"done": 3}
    assert [len(call) for call in heard] == [5, 3]
    assert AuditEntry.objects.get(action="inbox.replayed").after == {
        "first": ids[1], "last": ids[3], "kinds": [], "states": [], "count": 3,
    }  # fmt: skip


def test_replay_of_a_state_and_kind_only(heard: list[Any]) -> None:
    ids = take(1, 2, 3)
    work_off()
    InboxEntry.objects.filter(pk=ids[1]).update(state="parked")
    everything = {"first": 1, "last": ids[-1], "actor": SYSTEM, "now": product_clock.now()}
    assert replay(**everything, states=["parked"], kinds=["click"]) == 0
    assert replay(**everything, states=["parked"], kinds=["enter_agent"]) == 1
    assert InboxEntry.objects.get(pk=ids[1]).priority == 9  # not before what is fresh


def test_replay_leaves_what_waits_and_what_has_no_text() -> None:
    ids = take(1, 2)
    InboxEntry.objects.filter(pk=ids[0]).update(state="done", body="")
    assert replay(first=1, last=ids[-1], actor=SYSTEM, now=product_clock.now()) == 0


@pytest.mark.parametrize(("first", "last"), [(5, 4), (0, 3), (-1, 3)])
def test_replay_of_no_range(first: int, last: int) -> None:
    with pytest.raises(Invalid):
        replay(first=first, last=last, actor=SYSTEM, now=product_clock.now())


def test_replay_of_too_many(monkeypatch: pytest.MonkeyPatch, heard: list[Any]) -> None:
    monkeypatch.setattr(services, "REPLAY_AT_ONCE", 2)
    ids = take(1, 2, 3)
    work_off()
    with pytest.raises(Invalid):
        replay(first=1, last=ids[-1], actor=SYSTEM, now=product_clock.now())


def test_a_guide_replays_nothing() -> None:
    with pytest.raises(Forbidden):
        replay(first=1, last=2, actor=actor(holder_of("guide", make_org())), now=product_clock.now())


def test_a_replayed_callback_that_comes_again_stays_dead(heard: list[Any]) -> None:
    text = sample("enter_agent").encode()
    number = take_in("yejibao", text, now=product_clock.now())
    work_off()
    assert number and take_in("yejibao", text, now=product_clock.now() + timedelta(days=399)) is None


# ---------------------------------------------------------------- keeping


def test_texts_go_after_a_month_digests_after_400_days(heard: list[Any], clock: Any) -> None:
    now = clock.travel("2026-12-01 03:00")
    ages = {"fresh": 29, "month": 31, "quarter": 91, "old": 401}
    ids = {name: take(days, now=now - timedelta(days=days))[0] for name, days in ages.items()}
    waiting = take(999, now=now - timedelta(days=500))[0]
    InboxEntry.objects.filter(pk__in=ids.values()).update(state="done")
    unhandled = take(77, now=now - timedelta(days=60))[0]
    InboxEntry.objects.filter(pk=unhandled).update(state="unhandled")
    assert tidy_inbox() == {"cleared": 2, "deleted": 1}
    with_text = set(InboxEntry.objects.with_text().values_list("pk", flat=True))
    assert with_text == {ids["fresh"], unhandled, waiting}
    assert not InboxEntry.objects.filter(pk=ids["old"]).exists()
    assert take(31, now=now) == []  # known still


def test_the_figures_of_hours_that_are_over_are_counted_once(
    heard: list[Any], clock: Any, django_assert_num_queries: Any
) -> None:
    now = clock.travel("2026-12-01 12:30")
    for hours, numbers in ((0, (1, 2)), (1, (3,)), (5, (4, 5)), (22, (6,)), (30, (7,))):
        take(*numbers, now=now - timedelta(hours=hours))

    def entries() -> list[Any]:
        with django_assert_num_queries(1):
            (family,) = signs.figures(now)
        return [(labels["kind"], labels["state"], number) for labels, number in family.samples]

    assert entries() == [("enter_agent", "waiting", 6)]
    work_off()
    assert entries() == [
        ("enter_agent", "done", 3),
        ("enter_agent", "waiting", 3),
    ]  # those of 5 and 22 hours ago: as they were
    take(8, now=now)
    assert entries() == [("enter_agent", "done", 3), ("enter_agent", "waiting", 4)]


# ---------------------------------------------------------------- replay_inbox


def command(*words: str) -> dict[str, Any]:
    out = StringIO()
    call_command("replay_inbox", *words, "--json", stdout=out)
    answer: dict[str, Any] = json.loads(out.getvalue())
    return answer


def test_the_command_says_what_it_takes_and_why_it_leaves_the_rest(heard: list[Any], clock: Any) -> None:
    now = clock.travel("2026-12-01 12:30")
    early = take(9, now=now - timedelta(days=2))
    first, second, third, fourth = take(1, 2, 3, 4)
    InboxEntry.objects.filter(pk__in=[first, second, fourth, *early]).update(state="parked")
    InboxEntry.objects.filter(pk=fourth).update(body="")
    others = take_in("other", sample("click").encode(), now=now)
    words = ("--since", "2026-12-01T00:00", "--app", "yejibao", "--kind", "enter_agent", "--kind", "no_such_kind")
    seen = command(*words, "--dry-run")
    assert seen == {
        "found": 5, "would_replay": 2, "replayed": 0, "dry_run": True, "unknown_kinds": ["no_such_kind"],
        "left_out": {"waiting": 1, "no_text": 1, "source": 1},
    }  # fmt: skip
    assert states().count("parked") == 4 and others and third
    assert command(*words) == seen | {"replayed": 2, "dry_run": False}
    assert AuditEntry.objects.get(action="inbox.replayed").after["source"] == "yejibao"
    assert work_off() == {"done": 3, "unhandled": 1}


def test_the_command_wants_a_range_and_passes_on_what_the_service_refuses(
    heard: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandError, match="哪一段"):
        command()
    ids = take(1, 2)
    work_off()
    monkeypatch.setattr(services, "REPLAY_AT_ONCE", 1)
    with pytest.raises(CommandError, match="一次最多"):
        command("--first", str(ids[0]), "--state", "done")
    assert command("--first", str(ids[1]), "--last", str(ids[1]), "--state", "done")["replayed"] == 1


def test_the_command_in_words(heard: list[Any]) -> None:
    ids = take(1)
    out = StringIO()
    call_command("replay_inbox", "--first", str(ids[0]), stdout=out)
    assert "本来就在等待处理" in out.getvalue()
