"""What the platform tells us, is read from it in long sweeps, and the welcome it wants within seconds."""

from collections import Counter
from datetime import timedelta

from django.db import connection, transaction

from tests.races.at_once import in_peace, overtaken
from tests.races.world import NOON, World
from yejibao.core import clock
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor
from yejibao.wecom.inbox import keeping
from yejibao.wecom.inbox import services as inbox
from yejibao.wecom.inbox.models import InboxEntry, Mirror
from yejibao.wecom.syncing import runs
from yejibao.wecom.syncing.models import SyncPart, SyncRun
from yejibao.wecom.syncing.runs import Fetched, Sweep
from yejibao.wecom.welcome import greeting
from yejibao.wecom.welcome.greeting import Greeting
from yejibao.wecom.welcome.models import WelcomeMessage

SYSTEM = Actor.system("race")
XML = b"<xml><MsgType>event</MsgType><Event>race</Event><CreateTime>1741060800</CreateTime></xml>"

# ---------------------------------------------------------------- callbacks


def _take_in() -> int | None:
    return inbox.take_in("app", XML, now=NOON)


def a_callback_delivered_twice(world: World) -> None:
    both = overtaken(_take_in, _take_in)
    assert (both.first is not None, both.second, InboxEntry.objects.count()) == (True, None, 1)


def _claim() -> list[InboxEntry]:
    return inbox.claim(now=NOON, limit=5)


def two_workers_claim_a_callback(world: World) -> None:
    _take_in()
    both = overtaken(_claim, _claim)
    assert (len(both.first), both.second, both.waited) == (1, [], False)


def _asleep() -> InboxEntry:
    """Claim a callback and let the lease run out."""
    _take_in()
    (entry,) = _claim()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE wecom_inboxentry SET lease_until = now() - interval '1 second'")
    return entry


def _woken() -> tuple[InboxEntry, InboxEntry]:
    """Return a claim whose owner was asleep, and that of whoever took it over."""
    asleep = _asleep()
    inbox.repair(now=NOON)
    (taken,) = inbox.claim(now=NOON, limit=5, again=True)
    return asleep, taken


def a_worker_who_slept_settles_nothing(world: World) -> None:
    asleep, taken = _woken()
    assert inbox.settle([asleep], "done", now=NOON) == 0
    assert inbox.settle([taken], "done", now=NOON) == 1


def a_worker_who_slept_gives_nothing_back(world: World) -> None:
    asleep, taken = _woken()
    assert inbox.give_back([asleep], next_at=NOON) == 0
    assert inbox.settle([taken], "done", now=NOON) == 1


def a_worker_who_slept_counts_no_failure(world: World) -> None:
    asleep, taken = _woken()
    inbox.note_failure(asleep, "Error", now=NOON)
    assert inbox.settle([taken], "done", now=NOON) == 1


def a_callback_is_settled_while_it_is_freed(world: World) -> None:
    asleep = _asleep()
    both = overtaken(lambda: inbox.settle([asleep], "done", now=NOON), lambda: inbox.repair(now=NOON))
    assert (both.first, both.second, InboxEntry.objects.get().state) == (1, {}, "done")


def two_who_replay_a_callback(world: World) -> None:
    asleep = _asleep()
    inbox.settle([asleep], "done", now=NOON)
    both = overtaken(*[lambda: inbox.replay(first=asleep.pk, last=asleep.pk, actor=SYSTEM, now=NOON)] * 2)
    assert (both.first, both.second, AuditEntry.objects.filter(action="inbox.replayed").count()) == (1, 0, 1)


def _note(minutes: int, state: str) -> bool:
    return keeping.note("chat", "wrRace", at=NOON + timedelta(minutes=minutes), state=state)


def a_thing_noted_twice(world: World) -> None:
    both = overtaken(*[lambda: _note(0, "open")] * 2)
    assert (both.first, both.second) == (True, True)


def older_news_come_later(world: World) -> None:
    both = overtaken(lambda: _note(5, "dismissed"), lambda: _note(0, "open"))
    assert (both.second, Mirror.objects.get().state) == (False, "dismissed")


# ---------------------------------------------------------------- sweeps


def _begin() -> SyncRun:
    return runs.begin("friends", ["limin"], now=NOON)


def _sweep(run: SyncRun) -> Sweep:
    return Sweep(run, fetch=lambda keys, cursor: Fetched([], ""), apply=lambda rows: {}, finish=lambda part: {})


def two_who_begin_a_sweep(world: World) -> None:
    both = overtaken(_begin, _begin)
    assert (both.second, SyncPart.objects.count()) == (both.first, 1)


def two_who_take_a_part(world: World) -> None:
    sweep = _sweep(_begin())
    both = overtaken(lambda: sweep._claim(1), lambda: sweep._claim(1))
    assert (len(both.first), both.second, both.waited) == (1, [], False)


def two_who_count_what_they_read(world: World) -> None:
    run = _begin()

    def count() -> None:
        with transaction.atomic():
            _sweep(run)._count(Counter(rows=1), done=1, now=NOON)

    overtaken(count, count)
    run.refresh_from_db()
    assert (run.counts, run.parts_done) == ({"rows": 2}, 2)


def a_sweep_is_stopped_while_it_ends(world: World) -> None:
    run = _begin()
    SyncPart.objects.update(is_done=True)
    overtaken(lambda: runs.stop(run, now=NOON), lambda: _sweep(run)._close(NOON))
    run.refresh_from_db()
    assert run.state == "stopped"


def a_sweep_ends_while_it_is_stopped(world: World) -> None:
    run = _begin()
    SyncPart.objects.update(is_done=True)
    both = overtaken(lambda: _sweep(run)._close(NOON), lambda: runs.stop(run, now=NOON))
    run.refresh_from_db()
    assert (both.second, run.state) == (False, "done")


# ---------------------------------------------------------------- welcomes


def _greeting() -> Greeting:
    return Greeting("CODE", "limin", "wmRace", clock.now())


def _take() -> list[Greeting]:
    one = _greeting()
    return greeting._take({one.code: one})


def a_code_seen_twice(world: World) -> None:
    both = overtaken(_take, _take)
    assert (len(both.first), both.second, WelcomeMessage.objects.count()) == (1, [], 1)


def a_welcome_is_settled_while_it_is_given_up(world: World) -> None:
    (one,) = _take()
    sent = greeting._Outcome(one, "sent", 0, clock.now(), 1)
    both = overtaken(
        lambda: greeting._settle([sent]),
        lambda: greeting.close_abandoned(now=clock.now() + timedelta(minutes=2)),
    )
    in_peace(both.second)
    assert WelcomeMessage.objects.get().state == "sent"
