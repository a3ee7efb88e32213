"""The sender as a process: nudges and polls, stopping, outages, a wrong clock, two at once and one killed."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from tests import database
from yejibao.core import clock as product_clock
from yejibao.core.models import Heartbeat
from yejibao.core.outbox.models import OutboxMessage
from yejibao.wecom import sender as sender_module
from yejibao.wecom.beside import DatabaseThreads, LivePace
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.sender import Sender

from .conftest import states

Queue = Callable[..., list[OutboxMessage]]
pytestmark = pytest.mark.django_db


@pytest.fixture
def live(door: Gateway, transactional_db: None) -> Any:
    """A sender on a loop of its own; `stop()` ends it as SIGTERM does."""

    class Live:
        def __init__(self) -> None:
            self.ready = threading.Event()
            self.thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

        async def _serve(self) -> None:
            self.loop, self.event = asyncio.get_running_loop(), asyncio.Event()
            beside = DatabaseThreads()
            self.sender = Sender(door, beside, LivePace())
            self.ready.set()
            await self.sender.serve(self.event)
            beside.close()

        def start(self) -> "Live":
            self.thread.start()
            assert self.ready.wait(5)
            return self

        def stop(self) -> float:
            started = time.monotonic()
            self.loop.call_soon_threadsafe(self.event.set)
            self.thread.join(15)
            assert not self.thread.is_alive()
            return time.monotonic() - started

    running = Live()
    yield running
    if running.thread.is_alive():
        running.stop()


@pytest.mark.django_db(transaction=True)
def test_a_nudge_is_quicker_than_the_poll(
    live: Any, queue: Queue, sandbox: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "POLL_SECONDS", 300.0)
    live.start()
    time.sleep(0.5)
    (row,) = queue("lan.chen")
    wait_until(lambda: states(row) == ["sent"])
    assert Heartbeat.objects.get(name="sender").facts["in_flight"] == 0
    assert live.stop() < 3


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_poll_finds_it(
    no_redis: None, live: Any, queue: Queue, sandbox: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "POLL_SECONDS", 0.5)
    live.start()
    (row,) = queue("lan.chen")
    wait_until(lambda: states(row) == ["sent"])


@pytest.mark.django_db(transaction=True)
def test_stopping_finishes_what_is_under_way_and_gives_the_rest_back(
    live: Any, queue: Queue, sandbox: Any, wait_until: Any
) -> None:
    sandbox.fault("message/send", latency=1200)
    sandbox.post("world", people=[{"userid": f"g{number}"} for number in range(400)])
    live.start()
    queue(*[f"g{number}" for number in range(400)])
    wait_until(lambda: sandbox.get("stats")["calls"].get("message/send", 0) > 100)
    assert live.stop() < 10
    found = Counter(OutboxMessage.objects.values_list("state", flat=True))
    assert set(found) == {"sent", "pending"} and found["sent"] >= 100
    assert sandbox.get("stats")["delivered"] == found["sent"]
    assert OutboxMessage.objects.filter(claim_token__isnull=False).count() == 0


woken = threading.Event()


def tick_of_this_test() -> None:
    woken.set()


@pytest.mark.django_db(transaction=True)
def test_a_late_tick_is_run_here(live: Any, settings: Any) -> None:
    settings.SENDER_WAKE_TICK = f"{__name__}.tick_of_this_test"
    woken.clear()
    Heartbeat.objects.create(name="beat", at=product_clock.system_now())  # which alone says nothing
    Heartbeat.objects.create(
        name=f"job:{settings.SENDER_WAKE_TICK}", at=product_clock.system_now() - timedelta(seconds=61)
    )
    live.start()
    assert woken.wait(5)


@pytest.mark.django_db(transaction=True)
def test_a_tick_on_time_is_left_alone(live: Any, settings: Any) -> None:
    settings.SENDER_WAKE_TICK = f"{__name__}.tick_of_this_test"
    woken.clear()
    Heartbeat.objects.create(
        name=f"job:{settings.SENDER_WAKE_TICK}", at=product_clock.system_now() - timedelta(seconds=30)
    )
    live.start()
    assert not woken.wait(1)


@pytest.mark.django_db(transaction=True)
def test_a_platform_that_is_away_is_probed_and_not_stormed(
    live: Any, queue: Queue, sandbox: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_module, "POLL_SECONDS", 0.3)
    monkeypatch.setattr("yejibao.wecom.outcomes.backoff", lambda attempts: 0.1)
    sandbox.post("world", people=[{"userid": f"g{number}"} for number in range(300)])
    sandbox.fault("message/send", http=503)
    live.start()
    queue(*[f"g{number}" for number in range(300)])
    wait_until(lambda: calls(sandbox) >= sender_module.OUTAGE_CALLS)

    def is_calm() -> bool:
        before = calls(sandbox)
        time.sleep(2)
        return 0 < calls(sandbox) - before <= (2 / 0.3 + 2) * sender_module.PROBES

    wait_until(is_calm)  # what was claimed when it showed goes out first
    sandbox.delete("faults")
    wait_until(lambda: not OutboxMessage.objects.exclude(state="sent").exists())


def calls(sandbox: Any) -> int:
    return int(sandbox.get("stats")["calls"].get("message/send", 0))


@pytest.mark.django_db(transaction=True)
def test_a_clock_off_the_databases_sends_nothing(
    live: Any, queue: Queue, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = product_clock.system_now
    monkeypatch.setattr(product_clock, "system_now", lambda: real() + timedelta(seconds=5))
    live.start()
    time.sleep(1)
    queue("lan.chen", due_at=real())
    time.sleep(1)
    assert sandbox.received() == []


@pytest.mark.django_db(transaction=True)
def test_two_senders_and_a_kill_deliver_each_once(
    queue: Queue, sandbox: Any, door: Gateway, settings: Any, wait_until: Any
) -> None:
    """Two processes as `manage.py run_sender` is: one is killed under way, its rows come back with the same bytes."""
    names = [f"g{number}" for number in range(300)]
    sandbox.post("world", people=[{"userid": name} for name in names])
    sandbox.fault("message/send", latency=300)
    sandbox.fault("message/send", drop_after_effect=True, percent=5)
    started = product_clock.now()
    environment = os.environ | {
        "WECOM_API_BASE": settings.WECOM_API_BASE, "YEJIBAO_THROWAWAY": "1",
        "DATABASE_URL": database.url_of(connection.settings_dict["NAME"]), "REDIS_URL": settings.REDIS_URL,
    }  # fmt: skip
    program = (
        "import django; django.setup();"
        "from tests.wecom.conftest import KIND, PlainRenderer;"
        "from yejibao.core.outbox import register_renderer; register_renderer(KIND, PlainRenderer());"
        "from django.core.management import call_command; call_command('run_sender')"
    )
    environment["DJANGO_SETTINGS_MODULE"] = "yejibao.settings"
    command = [sys.executable, "-c", program]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(2)]
    try:
        queue(*names, due_at=started)
        wait_until(lambda: sandbox.get("stats")["calls"].get("message/send", 0) > 20, seconds=60)
        both[0].kill()
        both[0].wait()
        wait_until(lambda: not OutboxMessage.objects.filter(state="pending").exists(), seconds=60)
        time.sleep(1.5)
        with connection.cursor() as cursor:  # what its lease would do within a minute
            cursor.execute("UPDATE core_outboxmessage SET lease_until = now() WHERE state = 'claimed'")
        sandbox.delete("faults")

        def all_sent() -> bool:
            OutboxMessage.objects.filter(state="unknown").update(next_at=started)
            return Counter(OutboxMessage.objects.values_list("state", flat=True)) == {"sent": 300}

        wait_until(all_sent, seconds=60)
        both[1].send_signal(signal.SIGTERM)
        assert both[1].wait(12) == 0
    finally:
        for process in both:
            process.kill()
    delivered = Counter(row["recipients"][0] for row in sandbox.received() if row["flag"] == "delivered")
    assert delivered == Counter(names)  # none lost, none twice
