"""`seed_due`: each number one due task, and each task one push that carries it."""

import json
import re
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from guides.org.models import Staff
from tasks.cadences.models import Hand
from tasks.followups.tick import tick
from tests.conftest import TestClock
from yejibao.core import clock as product_clock
from yejibao.core.clock import parse_iso
from yejibao.demo import seeding
from yejibao.wecom.sender import drain_messages

pytestmark = pytest.mark.django_db


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller company: 500 people are made up just as 12 are."""
    for name, number in {"GUIDES": 12, "STORES": 3, "AREAS": 1, "REGIONS": 1}.items():
        monkeypatch.setattr(seeding, name, number)


def seed(count: int) -> dict[str, Any]:
    out = StringIO()
    call_command("seed_due", count, "--json", stdout=out)
    facts: dict[str, Any] = json.loads(out.getvalue())
    return facts


def test_each_number_arrives_once_and_numbers_run_on(few: None, sandbox: Any, clock: TestClock) -> None:
    clock.travel("2026-03-04 11:00")
    first, second = seed(30), seed(7)
    assert (first["first"], first["last"], second["first"], second["last"]) == (1, 30, 31, 37)
    assert first["guides"] == 12 and first["sandbox_knows_people"]
    assert Hand.objects.filter(next_due_at__lte=clock.now()).count() == 37
    counts = tick()
    assert (counts["open"], counts["told urgent"]) == (37, 37)
    drain_messages()
    arrived = sandbox.received()
    numbers = [re.findall(first["pattern"], one["request"]["textcard"]["title"]) for one in arrived]
    assert Counter(int(number) for found in numbers for number in found) == Counter(range(1, 38))
    assert len({one["recipients"][0] for one in arrived}) == 12
    clock.advance(hours=2)
    assert "told urgent" not in tick(), "a reminder would carry the number again"


def test_a_real_company_is_taken_as_it_is(few: None, clock: TestClock) -> None:
    clock.travel("2026-03-04 11:00")
    seed(1)
    people = Staff.objects.count()
    seed(5)
    assert Staff.objects.count() == people


def test_more_guides_rather_than_a_queue(few: None, clock: TestClock) -> None:
    clock.travel("2026-03-04 11:00")
    assert seed(600)["guides"] == 600 / seeding.EACH


def test_the_night_is_turned_into_day(
    few: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLOCK_FILE = str(tmp_path / "clocks/world.json")
    monkeypatch.setattr(product_clock, "system_now", lambda: parse_iso("2026-03-04 23:30"))
    monkeypatch.setattr(product_clock, "_offset", (0.0, 0.0))
    facts = seed(1)
    assert facts["clock_offset_seconds"] == 10 * 3600 + 40 * 60
    assert product_clock.now() == parse_iso("2026-03-05 10:10")
    monkeypatch.setattr(product_clock, "_offset", (0.0, 0.0))


def test_a_night_that_cannot_be_turned_is_said(few: None, clock: TestClock, settings: Any) -> None:
    settings.CLOCK_FILE = ""
    clock.travel("2026-03-04 23:30")
    with pytest.raises(CommandError, match="营业时间"):
        seed(1)


def test_nothing_is_made_up_for_the_real_platform(settings: Any) -> None:
    settings.WECOM_API_BASE = "https://qyapi.weixin.qq.com/cgi-bin/"
    with pytest.raises(CommandError, match="真实"):
        seed(1)
    assert not Staff.objects.exists()
