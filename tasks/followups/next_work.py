"""What 下一步 (crm/nextbest) has to know of this department: what is open for a member, what was said to him, what comes by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from crm.nextbest.facts import WORK, OpenTask, Work
from tasks.cadences.loading import read_book
from yejibao.core import clock
from yejibao.core.flat import address

from .cards import above
from .queries.day import label_of
from .queries.story import HELD_WORDS
from .scoped import visible_ids

ASK_OUTCOME_FOR = timedelta(hours=72)  # after that 还没回 is no news
KEEP_ANSWERED_FOR = timedelta(minutes=10)  # so that a chip can still be changed
# Of her own tasks `x` those just done, whose outcome is still asked for.
JUST_DONE = f"""x.state = 'done' AND x.done_at >= %(now)s - interval '{ASK_OUTCOME_FOR.days} days'
    AND (x.outcome = '' OR x.outcome_at >= %(now)s - interval '{KEEP_ANSWERED_FOR.seconds} seconds')"""
_OPEN = """(SELECT json_agg(json_build_array(t.id, t.task_type, t.node, t.why, t.hidden_until, t.held_reason, t.assignee_id = %(me)s,
        coalesce(nullif(g.display_name, ''), g.name), EXISTS (SELECT FROM (%(scope)s) s(id) WHERE s.id = t.id), t.due_at, (
            SELECT c.tag_prompts FROM tasks_cadencestep c WHERE c.version_id = t.cadence_version_id AND c.key = t.node))
    ORDER BY t.assignee_id = %(me)s DESC, t.held_at IS NULL DESC, coalesce(t.hidden_until > %(now)s, false), t.priority,
        t.tier_rank, t.due_at, t.id)
    FROM tasks_task t JOIN guides_staff g ON g.id = t.assignee_id WHERE t.member_id = m.id AND t.state = 'open')"""
_ENDED = """(SELECT json_object_agg(e.task_type, e.last) FROM (
    SELECT t.task_type, max(coalesce(t.done_at, t.closed_at, t.expire_at)) AS last FROM tasks_task t
    WHERE t.member_id = m.id AND t.state IN ('done', 'skipped', 'expired') AND t.expire_at > %(now)s - interval '400 days'
    GROUP BY 1) e)"""
_REACHED = """(SELECT json_agg(json_build_array(r.day, r.nature)) FROM tasks_reach r
    WHERE r.member_id = m.id AND r.day > %(today)s::date - 30)"""
_PLANNED = """(SELECT json_build_array(h.next_step, h.next_due_at) FROM tasks_enrollment e JOIN tasks_hand h ON h.enrollment_id = e.id
    WHERE e.member_id = m.id AND e.status = 'active' ORDER BY h.next_due_at LIMIT 1)"""
_PREPARED = """(SELECT p.task_id FROM tasks_pendingsend p
    WHERE p.member_id = m.id AND p.guide_id = %(me)s AND p.used_at IS NULL)"""
_ASKED_AFTER = f"""(SELECT c.tag_prompts FROM (SELECT x.cadence_version_id, x.node FROM tasks_task x
        WHERE x.member_id = m.id AND x.assignee_id = %(me)s AND x.id IN (%(scope)s) AND {JUST_DONE}
        ORDER BY x.done_at DESC, x.id DESC LIMIT 1) d
    JOIN tasks_cadencestep c ON c.version_id = d.cadence_version_id AND c.key = d.node)"""
_WEEK = timedelta(days=7)


def _work(row: Sequence[Any] | None) -> Work:
    if row is None:
        return Work()
    now, today, public_id, tasks, ended, reached, planned, prepared, asked_after = row
    day, caps = date.fromisoformat(today), read_book("followup_3369")["caps"]["per_member"]
    days = [(date.fromisoformat(at), nature) for at, nature in reached or ()]
    found = [_Open(*one) for one in tasks or ()]
    mine = [one for one in found if one.is_mine and one.is_visible and one.held is None]
    return Work(
        lead=_task(found[0]) if found else None,
        mine=[_task(one) for one in mine],
        asks=_asks(mine, prepared, datetime.fromisoformat(now), asked_after),
        reached_on=max((at for at, _ in days), default=None),
        reached_week=sum(at > day - _WEEK for at, _ in days),
        marketing_month=sum(nature == "marketing" for _, nature in days),
        most_a_week=caps["contacts_per_7_days"],
        most_marketing=caps["marketing_contacts_per_30_days"],
        ended={kind: clock.local_day(clock.parse_iso(at)) for kind, at in (ended or {}).items()},
        planned=label_of("", planned[0]) if planned else "",
        planned_on=clock.local_day(clock.parse_iso(planned[1])) if planned else None,
        url=address("tasks:next-best", UUID(public_id)),
    )


class _Open(NamedTuple):
    """An open task as it is read."""

    pk: int
    kind: str
    node: str
    why: str
    hidden_until: str | None
    held: str | None
    is_mine: bool
    who: str
    is_visible: bool | None
    due_at: str
    prompts: list[str] | None


def _task(one: _Open) -> OpenTask:
    return OpenTask(
        label=label_of(one.kind, one.node), why=one.why, url=f"{above('tasks:task')}{one.pk}/", assignee=one.who,
        is_mine=one.is_mine, is_visible=bool(one.is_visible),
        held=HELD_WORDS.get(one.held, "这件事先暂缓，放出来以后再做。") if one.held else "",
        hidden_until=datetime.fromisoformat(one.hidden_until) if one.hidden_until else None,
        due_at=datetime.fromisoformat(one.due_at),
    )  # fmt: skip


def _asks(mine: list[_Open], prepared: int | None, now: datetime, asked_after: list[str] | None) -> list[str]:
    """Return what the task at hand wants filled in, the prepared one before the most urgent; else what the one just done does."""
    ready = [one for one in mine if not one.hidden_until or datetime.fromisoformat(one.hidden_until) <= now]
    at_hand = next((one for one in ready if one.pk == prepared), ready[0] if ready else None)
    return (at_hand.prompts if at_hand else asked_after) or []


WORK.says(
    f"json_build_array(%(now)s, %(today)s::date, m.public_id, {_OPEN}, {_ENDED}, {_REACHED}, {_PLANNED}, {_PREPARED}, {_ASKED_AFTER})",
    _work,
    scope=lambda actor: visible_ids(actor) or ("SELECT id FROM tasks_task WHERE false", ()),
)
