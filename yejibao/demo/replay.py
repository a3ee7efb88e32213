"""Time travel: simulated days through the same services as production.

Orders that were imported on hold arrive when their time comes, the tick beats, the sender sends to the sandbox over HTTP,
budgets pace and the sandbox counts on the simulated clock. Simulated guides act on part of their tasks by a fixed rule, so
that the result is the same on every machine:

    h = first six hex digits of md5(member number + ":" + step + ":" + date of the purchase), modulo 100
    a guide acts when h < share of the step (30 min 78, 3 days 70, 30 days 55, 60 days 45, 90 days 40, others 80),
    at the first beat at which the task has been open for h % 3 beats (30 min) or h % 3 days (the others),
    by a call where the task asks for one, else by a message; never twice a day to one member.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.db import connection

from crm.orders.services import release_orders
from crm.scoring.services import last_month_end, rank_tiers, settle_levels
from tasks.followups.services import finish
from tasks.followups.tick import tick
from tasks.review.services import refresh_days
from yejibao.core import clock
from yejibao.core.models import OutboxMessage
from yejibao.wecom.sender import drain_messages

from .sandbox_control import SandboxControl

SHARES = {"m30": 78, "d3": 70, "d30": 55, "d60": 45, "d90": 40}
OTHERS = 80
OPENING, CLOSING = time(9, 30), time(22, 0)

_ACTING = """
SELECT DISTINCT ON (t.member_id) t.id, t.channel
FROM tasks_task t JOIN crm_member m ON m.id = t.member_id
CROSS JOIN LATERAL (SELECT ('x' || substr(md5(m.member_no || ':' || coalesce(nullif(t.node, ''), t.task_type) || ':'
    || coalesce(t.context->>'days_from', '')), 1, 6))::bit(24)::int %% 100 AS h) dice
WHERE t.state = 'open' AND t.held_at IS NULL AND (t.hidden_until IS NULL OR t.hidden_until <= %(now)s)
  AND dice.h < coalesce((%(shares)s::jsonb->>t.node)::int, %(others)s)
  AND t.open_at + (dice.h %% 3) * CASE WHEN t.node = 'm30' THEN %(beat)s ELSE interval '1 day' END <= %(now)s
  AND NOT EXISTS (SELECT 1 FROM tasks_reach r WHERE r.member_id = t.member_id AND r.day = %(today)s)
ORDER BY t.member_id, t.priority, t.id
"""


@dataclass
class Played:
    """What a replay did: simulated days, beats and counts by what happened."""

    days: int = 0
    beats: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def play(
    start: date, end: date, *, every: timedelta = timedelta(minutes=60), control: SandboxControl | None = None,
    beats: tuple[time, ...] = (), tells: bool = True, share: float = 1.0,
) -> Iterator[Played]:  # fmt: skip
    """Play the days from `start` to `end` (both in), beating from 09:30 to 22:00; yields after each day.

    `every` is the pause between beats, `beats` names the times of a day instead (for the demo's older days). Without
    `tells` nobody is pushed anything; `share` scales how often the guides act. The process clock is released at the end.
    """
    played = Played()
    try:
        day = start
        while day <= end:
            moments = [clock.local_moment(day, at) for at in beats] or list(_beats(day, every))
            for moment in moments:
                played.counts.update(beat(moment, every, control, tells=tells, share=share))
                played.beats += 1
            refresh_days(now=moments[-1])
            played.days += 1
            if day.day == 1:
                _nightly(day)
            yield played
            day += timedelta(days=1)
    finally:
        clock.release()
        if control:
            control.turn_clock(None)


def _beats(day: date, every: timedelta) -> Iterator[datetime]:
    moment, end = clock.local_moment(day, OPENING), clock.local_moment(day, CLOSING)
    while moment < end:
        yield moment
        moment += every
    yield end + timedelta(minutes=1)  # what falls due at the closing edge ends after it


def beat(
    moment: datetime, every: timedelta, control: SandboxControl | None, *, tells: bool = True, share: float = 1.0
) -> Counter[str]:
    """Play one beat: orders arrive, the engine ticks, guides act (a `share` of what they would), messages leave."""
    clock.travel(moment)
    counts: Counter[str] = Counter()
    if arrived := release_orders(until=moment, now=moment):
        counts["arrived"] = arrived
    counts.update(tick(now=moment, budget=timedelta(minutes=10), tells=tells))
    local = moment.astimezone(clock.SHANGHAI).time()
    if OPENING <= local < CLOSING:
        counts.update(_guides_act(moment, every, share))
    if control and OutboxMessage.objects.filter(state__in=["pending", "unknown"], next_at__lte=moment).exists():
        control.turn_clock(moment)
        counts.update({f"push {what}": n for what, n in drain_messages(now=moment, seconds=120).items()})
    return counts


def _guides_act(moment: datetime, every: timedelta, share: float) -> Counter[str]:
    """Let the simulated guides act on the tasks whose time has come by the fixed rule."""
    with connection.cursor() as cursor:
        cursor.execute(
            _ACTING,
            {
                "now": moment,
                "today": clock.local_day(moment),
                "beat": every,
                "shares": json.dumps({node: int(percent * share) for node, percent in SHARES.items()}),
                "others": int(OTHERS * share),
            },
        )
        todo = cursor.fetchall()
    calls = [pk for pk, channel in todo if channel == "manual_call"]
    messages = [pk for pk, channel in todo if channel != "manual_call"]
    done = finish(messages, kind="chat_sent", level=2, now=moment, is_auto=True, payload={"by": "replay"})
    done += finish(calls, kind="call_logged", level=2, now=moment, payload={"result": "connected", "note": "模拟：已接通"},
                   channel="manual_call")  # fmt: skip
    return Counter({"acted": len(done)}) if done else Counter()


def _nightly(day: date) -> None:
    """The monthly tiers and the levels, on the 1st, as production does at night."""
    moment = clock.local_moment(day, time(3, 30))
    rank_tiers(as_of=last_month_end(day), now=moment, budget=timedelta(minutes=5))
    settle_levels(as_of=day - timedelta(days=1), now=moment)
