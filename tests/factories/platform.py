"""The platform beside a test: its people, its clock, and the beat of engine and sender at a moment."""

import json
from datetime import datetime, timedelta
from typing import Any

from guides.org.models import Staff
from tasks.followups.tick import tick
from tests.conftest import SandboxControl, TestClock
from yejibao.core.clock import SHANGHAI, parse_iso
from yejibao.wecom import gateway, tokens
from yejibao.wecom.sender import drain_messages


class Platform:
    """Moves the clock here and at the stand-in, beats the engine, lets the sender send, and shows what arrived."""

    def __init__(self, sandbox: SandboxControl, clock: TestClock) -> None:
        self.sandbox, self.clock = sandbox, clock
        tokens.Credentials.forget_process_copies()
        gateway._gateway.cache_clear()

    def join(self, *people: Staff) -> None:
        """Let these people have accounts."""
        self.sandbox.post("world", people=[{"userid": one.wecom_user_id, "name": one.name} for one in people])

    def travel(self, moment: str | datetime) -> datetime:
        now = self.clock.travel(moment)
        self.sandbox.post("clock", now=now.isoformat())
        return now

    def beat(self, moment: str | datetime) -> dict[str, int]:
        """Beat the engine once at a moment and send what is due then."""
        now = self.travel(moment)
        counts = tick(now=now)
        drain_messages()
        return counts

    def beat_until(self, end: str, *, start: str, every: timedelta = timedelta(minutes=1)) -> None:
        """Beat from `start` to `end`, as a day goes by."""
        moment = parse_iso(start)
        while moment <= parse_iso(end):
            self.beat(moment)
            moment += every

    def got(self, person: Staff | None = None) -> list[tuple[str, str, str]]:
        """Return what arrived, as (Shanghai time, title, lines); to one person, or (with his id before) to all."""
        rows = self.sandbox.received(person.wecom_user_id if person else "")
        return [self._row(row) for row in rows if row["flag"] == "delivered"]

    def _row(self, row: dict[str, Any]) -> tuple[str, str, str]:
        card = row["request"]["textcard"]
        at = datetime.fromtimestamp(row["at"], SHANGHAI).strftime("%m-%d %H:%M")
        return at, card["title"], card["description"]

    def bodies(self) -> list[str]:
        """Return the requests that arrived, as text."""
        return [json.dumps(row["request"], ensure_ascii=False, sort_keys=True) for row in self.sandbox.received()]
