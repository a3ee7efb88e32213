"""The operators' commands: what the queues hold, readable and as JSON; production runs none of them."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from yejibao.core import clock as product_clock
from yejibao.core import outbox
from yejibao.core.models import OutboxEvent, OutboxMessage
from yejibao.wecom.inbox.models import InboxEntry

CHECKOUT = Path(__file__).resolve().parent.parent
COMMANDS = [["outbox"], ["inbox"], ["seed_due", "5"], ["issue_token", "--role", "guide", "--unit", "hq"]]


def run(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


@pytest.fixture
def queues(db: None, clock: Any) -> None:
    """Ten messages of every fate, three events, two callbacks."""
    now = clock.travel("2026-03-04 11:00")
    outbox.enqueue(
        outbox.NewMessage("test", f"m{number}", "lan", now - timedelta(seconds=60 * number)) for number in range(10)
    )
    rows = list(OutboxMessage.objects.order_by("pk"))
    fates = ["pending", "pending", "unknown", "sent", "sent", "sent", "failed", "parked", "claimed", "cancelled"]
    for row, fate in zip(rows, fates, strict=True):
        OutboxMessage.objects.filter(pk=row.pk).update(state=fate)
    events = [OutboxEvent(topic="t", payload={}, created_at=now - timedelta(seconds=5)) for _ in range(3)]
    events[0].parked_at = events[1].done_at = now
    OutboxEvent.objects.bulk_create(events)
    for place, state in enumerate(["waiting", "parked"]):
        InboxEntry.objects.create(
            source="yejibao",
            digest=bytes([place]) * 32,
            received_at=now - timedelta(seconds=7),
            next_at=now,
            state=state,
        )


def test_outbox(queues: None) -> None:
    facts = json.loads(run("outbox", "--json"))
    assert {name: n for name, n in facts["states"].items() if n} == {
        "pending": 2, "unknown": 1, "sent": 3, "failed": 1, "parked": 1, "claimed": 1, "cancelled": 1,
    }  # fmt: skip
    assert (facts["due"], facts["oldest_due_seconds"], facts["total"]) == (3, 120.0, 10)
    assert facts["oldest_due_at"] == (product_clock.now() - timedelta(minutes=2)).isoformat()
    assert (facts["failed"], facts["parked"], facts["unknown"], facts["sent"]) == (1, 1, 1, 3)
    table = run("outbox")
    for words in ("结果不明", "待人工确认", "推送失败", "到点未发", "120 秒"):
        assert words in table


def test_outbox_of_an_empty_house(db: None) -> None:
    facts = json.loads(run("outbox", "--json"))
    assert (facts["due"], facts["oldest_due_at"], facts["oldest_due_seconds"]) == (0, None, 0.0)


def test_inbox(queues: None) -> None:
    facts = json.loads(run("inbox", "--json"))
    assert facts["events"] == {"waiting": 1, "parked": 1, "oldest_waiting_seconds": 5.0}
    callbacks = facts["callbacks"]
    assert (callbacks["waiting"], callbacks["parked"], callbacks["due"]) == (1, 1, 1)
    assert callbacks["oldest_waiting_seconds"] == 7.0
    assert "事件 · 搁置" in run("inbox")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_production_refuses_before_it_reads_a_row(command: list[str], settings: Any) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="生产环境"):
        run(*command)


def test_the_refusal_is_one_sentence_and_exit_code_1() -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(
        [sys.executable, "manage.py", "outbox", "--json"],
        cwd=CHECKOUT, env=clean | {"YEJIBAO_ENV": "production"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "生产环境" in done.stderr
