"""The night's reminders: which stores, whom to tell. Set-based; each person gets one message a day, with the numbers in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.queries import heads_of_stores
from yejibao.core import clock

from . import facts as known
from . import rules
from .facts import MemberWork
from .models import PatrolReminder
from .rules import Due, Limits, StoreFacts

KIND = "rectification"
PAGE = "/m/patrol/reminders/"
NAMED = 3
KEPT = timedelta(days=400)

_STORES = """
SELECT st.id, st.short_name, st.grade, st.kind, split_part(u.path, '/', 3), split_part(u.path, '/', 2), st.opened_on,
    (last.submitted_at AT TIME ZONE 'Asia/Shanghai')::date, last.score_tenths, coalesce(late.n, 0), coalesce(late.day, 0)
FROM guides_store st JOIN guides_orgunit u ON u.id = st.unit_id
LEFT JOIN LATERAL (
    SELECT v.submitted_at, v.score_tenths FROM guides_visit v
    WHERE v.store_id = st.id AND v.state = 'submitted' AND v.kind <> 'self' ORDER BY v.submitted_at DESC LIMIT 1
) last ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS n, count(*) FILTER (WHERE f.deadline_at <= %(now)s - interval '24 hours') AS day
    FROM guides_finding f JOIN guides_rectification r ON r.finding_id = f.id AND r.waits_since IS NULL
    WHERE f.store_id = st.id AND f.state IN ('pending', 'rejected') AND f.deadline_at < %(now)s
) late ON true
WHERE (st.closed_on IS NULL OR st.closed_on > %(today)s) AND (st.opened_on IS NULL OR st.opened_on <= %(today)s)
ORDER BY st.id
"""


@transaction.atomic
def remind(*, now: datetime) -> dict[str, int]:
    """Find what is due today, keep it, tell whom it concerns. Run twice on a day it says nothing new."""
    today = clock.local_day(now)
    stores = _stores(now=now, today=today)
    due = _not_said_lately(_due_of(stores, now=now, today=today), today=today)
    rows = [
        PatrolReminder(key=one.key, store_id=store, day=today, text=one.text[:200], facts=one.facts)
        for store, one in due
    ]
    PatrolReminder.objects.bulk_create(rows, batch_size=1000)
    told = _tell(due, now=now, today=today)
    PatrolReminder.objects.filter(day__lt=today - KEPT).delete()
    return dict(Counter(one.key for _, one in due)) | {"people": told}


def _stores(*, now: datetime, today: date) -> list[StoreFacts]:
    with connection.cursor() as cursor:
        cursor.execute(_STORES, {"now": now, "today": today})
        return [StoreFacts(*row) for row in cursor.fetchall()]


def _due_of(stores: Sequence[StoreFacts], *, now: datetime, today: date) -> list[tuple[int, Due]]:
    """Return every reminder whose rule holds today, by store."""
    limits = Limits.at(now)
    ids = [one.store_id for one in stores]
    sold = known.ask("performance", ids, now=now)
    work = _member_work(ids, now=now) if today.isoweekday() == 1 else {}  # its weeks are new on Mondays
    factors = {store: rules.factors_of(one) for store, one in sold.items()}
    found: list[tuple[int, Due]] = []
    for store in stores:
        pk = store.store_id
        at_risk = rules.performance_at_risk(store, sold.get(pk), today=today, limits=limits)
        if at_risk is not None and (weak := _weak_of(store, stores, factors)):
            at_risk = rules.performance_at_risk(store, sold.get(pk), today=today, limits=limits, weak=weak)
        for one in (
            rules.low_frequency(store, today=today, limits=limits), at_risk,
            rules.low_score(store, today=today, limits=limits), rules.rectify_overdue(store),
            rules.member_work_weak(store, work.get(pk), limits=limits),
        ):  # fmt: skip
            if one is not None:
                found.append((pk, one))
    return found


def _member_work(ids: Sequence[int], *, now: datetime) -> dict[int, MemberWork]:
    tasks, tags = known.ask("member_tasks", ids, now=now), known.ask("member_tags", ids, now=now)
    found = {}
    for store in tasks.keys() | tags.keys():
        one = MemberWork(weeks=tasks[store]) if store in tasks else MemberWork()
        filled, wanted = tags.get(store, (0, 0))
        found[store] = replace(one, tags_filled=filled, tags_wanted=wanted)
    return found


def _weak_of(store: StoreFacts, stores: Sequence[StoreFacts], factors: dict[int, dict[str, float]]) -> str:
    peers = [factors[one.store_id] for one in rules.peers_of(store, stores) if one.store_id in factors]
    weak = rules.weak_factor(factors.get(store.store_id, {}), peers)
    return rules.FACTORS[weak[0]] if weak else ""


def _not_said_lately(due: Iterable[tuple[int, Due]], *, today: date) -> list[tuple[int, Due]]:
    """Leave out what was said of a store within its repeat_days."""
    longest = max(rules.repeat_days(key) for key in PatrolReminder.Key.values)
    said: dict[tuple[str, int], date] = {}
    rows = PatrolReminder.objects.filter(day__gt=today - timedelta(days=longest)).values_list("key", "store_id", "day")
    for key, store, day in rows:
        said[key, store] = max(day, said.get((key, store), day))
    return [
        (store, one) for store, one in due
        if (last := said.get((one.key, store))) is None or (today - last).days >= rules.repeat_days(one.key)
    ]  # fmt: skip


def _tell(due: Sequence[tuple[int, Due]], *, now: datetime, today: date) -> int:
    """One message a person: what stands alone is said whole, of more than one the first and how many."""
    roles = {role for _, one in due for role in one.to}
    heads = {
        role: heads_of_stores({store for store, one in due if role in one.to}, role=role, day=today) for role in roles
    }
    by_person: dict[int, list[Due]] = defaultdict(list)
    for store, one in due:
        for person in {heads[role].get(store) for role in one.to}:
            if person is not None:
                by_person[person].append(one)
    told: list[tuple[int, Notice]] = []
    for person, mine in sorted(by_person.items()):
        told.append((person, _notice(mine, today)))
    return tell_and_push(told, now=now)


def _notice(mine: Sequence[Due], today: date) -> Notice:
    key = f"patrol_reminder:{today.isoformat()}"
    if len(mine) == 1:
        return Notice(KIND, key, rules.name_of(mine[0].key), PAGE, mine[0].text)
    counts: dict[str, Any] = Counter(one.key for one in mine)
    title = "、".join(f"{rules.name_of(kind)} {number}" for kind, number in counts.items())
    text = "".join(one.text for one in mine[:NAMED]) + (f"等 {len(mine)} 条。" if len(mine) > NAMED else "")
    return Notice(KIND, key, title, PAGE, text)
