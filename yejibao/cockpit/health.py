"""系统健康: the chain from till to guide's phone, one line a part, the worst first, with what it means and what to do.

It leans on PostgreSQL alone: no cache, no counts beside the menu, each check within its second (core/health.py).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from yejibao.core import access, clock, health, hx, nav
from yejibao.core.probes import READERS

from .remedies import PARTS, Fault, Part, unread

RANK = {"出错": 0, "变慢": 1, "待处理": 2}
TONES = {"出错": "red", "变慢": "amber", "待处理": "amber"}


@dataclass(frozen=True)
class Line:
    """A part as it is now. Without a fault it is well."""

    part: Part
    fault: Fault | None
    since: datetime | None
    note: str

    @property
    def said(self) -> str:
        return self.fault.said if self.fault else "正常"

    @property
    def told(self) -> str:
        """Return what to say of it in a few words."""
        return self.fault.what if self.fault else self.note

    @property
    def tone(self) -> str:
        return TONES[self.fault.said] if self.fault else "green"


def read_lines(now: datetime, *, only: Collection[str] = ()) -> list[Line]:
    """Return every part in the order of the chain, or those of some keys."""
    parts = [part for part in PARTS if not only or part.key in only]
    # Redis is what others wait for: their words ask for it.
    signs = health.read_signs(now, only={part.sign for part in parts} | {"redis"} if only else ())
    lines = []
    for part in parts:
        facts = signs.get(part.sign)
        if facts is None or (part.shows and not part.shows(facts)):
            continue  # a part that this installation does not have
        fault = unread(part, facts, signs) if "error" in facts else part.judge(facts, signs)
        since = part.since(facts) if part.since else facts.get("since")
        lines.append(Line(part, fault, since if fault else None, "" if "error" in facts else part.note(facts)))
    return lines


def worst_first(lines: list[Line]) -> list[Line]:
    """Return those that are not well, the worst first, else in the order of the chain."""
    return sorted((line for line in lines if line.fault), key=lambda line: RANK[line.said])


@never_cache
@require_GET
@access.roles(*READERS)
def page(request: HttpRequest) -> HttpResponse:
    """The whole page; asked by htmx every quarter minute, only its middle."""
    request.leaves_out_counts = True  # type: ignore[attr-defined]  they ask tables and the cache, which may be what is ill
    now = clock.now()
    lines = read_lines(now)
    troubles = worst_first(lines)
    counts = [(said, n) for said in RANK if (n := sum(line.said == said for line in troubles))]
    context = {
        "troubles": troubles, "well": [line for line in lines if not line.fault], "counts": counts, "as_of": now,
        "tone": troubles[0].tone if troubles else "green", "is_part": hx.is_htmx(request), "nav_current": "health",
    }  # fmt: skip
    return render(request, "cockpit/part_health.html" if hx.is_htmx(request) else "cockpit/health.html", context)


nav.add(
    "hq", key="health", label="系统健康", icon="monitor", url="cockpit:health", order=86, group="系统", roles=READERS
)
