"""The dry run of the rules page: what an edition of the rules would open on each of the next 30 days, on today's data.

Counts steps of cycles that wait already; what is skipped for a reason known today (do not contact, opted out, no way to
reach him) is counted apart. Caps are not played: the figures show where a day would be over its ceiling.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db import connection, transaction

from guides.org.models import Staff

from .models import CadenceVersion

DAYS = 30
PACE_DAYS = 28
BUSIEST = 8

# One pass over the waiting hands with the members and relations hashed beside them; the steps ahead of a hand depend on its
# purchase node and place only, so they are a table of some fifty rows. `hands` is materialized for the planner's sake: it
# counts these rows rightly, and takes everything it cannot estimate for a handful and looks up a million rows one by one.
_FORECAST = """
WITH steps AS (
    SELECT * FROM tasks_cadencestep WHERE version_id = ANY(%(versions)s)
), ahead AS MATERIALIZED (
    SELECT here.version_id, node.key AS node, here.key AS hand, later.key, later.open_day, later.expire_day - later.open_day AS lasts,
        later.nature, later.channels, later.friend_lost, later.assignee = 'serving_guide' AS is_sellers,
        later.id = here.id AS is_next, own.open_day AS own_open_day
    FROM unnest(ARRAY['first', 'repeat', 'loyal', 'small']) AS node(key)
    CROSS JOIN steps here
    JOIN steps later ON later.version_id = here.version_id AND later.position >= here.position
        AND (later.id = here.id OR node.key <> 'small' AND node.key = ANY(later.buyers))
    LEFT JOIN (tasks_cadencestep own JOIN tasks_cadenceversion online ON online.id = own.version_id AND online.state = 'published')
        ON own.key = here.key AND online.cadence_id = %(cadence)s
), links AS (
    SELECT member_id, guide_id, bool_or(state = 'friend') AS is_friend,
        bool_or(state IN ('deleted_by_member', 'deleted_by_guide', 'blocked')) AS is_lost
    FROM crm_friendlink GROUP BY member_id, guide_id
), hands AS MATERIALIZED (
    SELECT CASE e.kind WHEN 'small' THEN 'small' ELSE e.buyer END AS node, w.next_step AS hand, e.day_anchor_date AS anchor,
        CASE WHEN e.step_days <> '{}' THEN e.step_days END AS step_days, (w.next_due_at AT TIME ZONE 'Asia/Shanghai')::date AS day,
        coalesce(m.owner_guide_id, e.serving_guide_id, st.duty_guide_id) AS owner_id,
        coalesce(e.serving_guide_id, m.owner_guide_id, st.duty_guide_id) AS seller_id,
        m.status <> 'active' OR m.do_not_contact AS is_off, m.marketing_opt_out AS opt_out, m.phone_consent AS may_call,
        m.tier_631 IN ('core', 'potential') AS is_valued, link.is_friend, link.is_lost AND NOT link.is_friend AS is_lost
    FROM tasks_hand w
    JOIN tasks_enrollment e ON e.id = w.enrollment_id
    JOIN crm_member m ON m.id = e.member_id
    LEFT JOIN guides_store st ON st.id = coalesce(m.main_store_id, e.store_id)
    LEFT JOIN links link ON link.member_id = e.member_id
        AND link.guide_id = coalesce(m.owner_guide_id, e.serving_guide_id, st.duty_guide_id)
    WHERE e.cadence_id = %(cadence)s
), judged AS MATERIALIZED (   -- few and short columns: what is sorted next
    SELECT a.version_id, placed.day, CASE WHEN a.is_sellers THEN h.seller_id ELSE h.owner_id END AS guide_id,
        h.is_off OR rule.day + a.lasts < %(today)s IS TRUE
        OR (a.nature <> 'service' AND h.opt_out && a.channels)
        OR CASE WHEN h.is_lost THEN NOT (h.may_call AND (a.friend_lost = 'call' OR a.friend_lost = 'call_if_valued' AND h.is_valued))
                ELSE h.is_friend IS NULL AND a.open_day IS NOT NULL AND NOT h.may_call END AS is_skipped
    FROM hands h
    JOIN ahead a ON a.node = h.node AND a.hand = h.hand
    CROSS JOIN LATERAL (SELECT coalesce((h.step_days->>a.key)::date, h.anchor + a.open_day, h.day) AS day) rule
    CROSS JOIN LATERAL (SELECT greatest(rule.day, %(today)s, CASE   -- put off by a cap: not before it is looked at again
        WHEN a.is_next AND h.day > coalesce((h.step_days->>a.key)::date, h.anchor + a.own_open_day, h.day) THEN h.day END) AS day
    ) placed
    WHERE placed.day < %(until)s
), per_guide AS MATERIALIZED (
    SELECT version_id, day, guide_id, count(*) FILTER (WHERE NOT is_skipped) AS n, count(*) FILTER (WHERE is_skipped) AS skipped
    FROM judged GROUP BY version_id, day, guide_id
), by_day AS (
    SELECT version_id, day, sum(n) AS planned, count(*) FILTER (WHERE n > 0 AND guide_id IS NOT NULL) AS guides,
        coalesce(max(n) FILTER (WHERE guide_id IS NOT NULL), 0) AS most,
        count(*) FILTER (WHERE n > %(ceiling)s AND guide_id IS NOT NULL) AS over, sum(skipped) AS skipped
    FROM per_guide GROUP BY version_id, day
), pace AS (   -- cycles begun lately, by what they will still bring within the month
    SELECT e.kind, e.buyer, count(*)::float8 / %(pace_days)s AS a_day
    FROM tasks_hand w JOIN tasks_enrollment e ON e.id = w.enrollment_id
    WHERE e.cadence_id = %(cadence)s AND e.anchor_on > %(today)s - %(pace_days)s
      AND e.anchor_on <= %(today)s
    GROUP BY e.kind, e.buyer
)
SELECT v.id,
    (SELECT coalesce(jsonb_agg(to_jsonb(by_day)), '[]') FROM by_day WHERE version_id = v.id),
    (SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY n DESC, day, guide_id), '[]') FROM (
        SELECT p.day, p.n, p.guide_id FROM per_guide p WHERE p.version_id = v.id AND p.n > 0 AND p.guide_id IS NOT NULL
        ORDER BY p.n DESC, p.day, p.guide_id LIMIT %(busiest)s) b),
    (SELECT count(DISTINCT guide_id) FROM per_guide WHERE version_id = v.id AND n > 0),
    (SELECT coalesce(sum(pace.a_day * greatest(0, %(days)s - coalesce(s.open_day, 0))), 0) FROM pace JOIN steps s
     ON s.version_id = v.id AND CASE pace.kind WHEN 'small' THEN s.in_small ELSE pace.buyer = ANY(s.buyers) END)
FROM unnest(%(versions)s) AS v(id)
"""


@dataclass(frozen=True)
class Day:
    """What one day would bring. `over`: guides above the ceiling of a day."""

    day: date
    planned: int = 0
    guides: int = 0
    most: int = 0
    over: int = 0


@dataclass(frozen=True)
class Busy:
    """One of the fullest days of one guide."""

    day: date
    guide: str
    store: str
    count: int


@dataclass(frozen=True)
class Forecast:
    """The next 30 days under one edition of the rules."""

    version_id: int
    ceiling: int
    days: tuple[Day, ...]
    guides: int  # who get any of it
    skipped: int  # what would not open, for reasons known today
    expected_new: int  # steps of purchases yet to come within these days, at the pace of the last 28; not in `days`
    busiest: tuple[Busy, ...] = field(default=())

    @property
    def planned(self) -> int:
        return sum(day.planned for day in self.days)

    @property
    def over(self) -> int:
        """Return how many times a guide's day would be above the ceiling."""
        return sum(day.over for day in self.days)

    @property
    def per_guide_day(self) -> float | None:
        """Return tasks per guide and day, None where no guide gets any."""
        return self.planned / self.guides / len(self.days) if self.guides else None


def forecast(version: CadenceVersion, *, today: date, days: int = DAYS) -> Forecast:
    """Return what a version would open on each of the next days, `today` included; a step that is due already counts today."""
    return compare([version], today=today, days=days)[version.pk]


def compare(versions: Sequence[CadenceVersion], *, today: date, days: int = DAYS) -> dict[int, Forecast]:
    """Return the forecast of several editions of one cadence, by version id, from one pass over the waiting hands.

    Reads only, in one statement; its time grows with the hands that wait, not with history. With 1,000,000 hands of 10,000
    guides: 6 s of one core for one edition, 8 s for two, half of it reading and hashing hands, members and relations.
    """
    ceiling = int(versions[0].rules["caps"]["guide_3369"])
    params: dict[str, Any] = {
        "versions": [version.pk for version in versions], "cadence": versions[0].cadence_id, "today": today,
        "until": today + timedelta(days=days), "days": days, "ceiling": ceiling, "busiest": BUSIEST,
        "pace_days": PACE_DAYS,
    }  # fmt: skip
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute(_FORECAST, params)
        rows = [
            (pk, _read(by_day), _read(busiest), guides, round(new))
            for pk, by_day, busiest, guides, new in cursor.fetchall()
        ]
    people = Staff.objects.select_related("store").in_bulk(
        {one["guide_id"] for _, _, busy, _, _ in rows for one in busy}
    )
    calendar = [today + timedelta(days=step) for step in range(days)]
    return {
        pk: Forecast(
            version_id=pk, ceiling=ceiling, guides=guides, expected_new=expected_new,
            skipped=sum(day["skipped"] for day in by_day),
            days=_days(calendar, by_day),
            busiest=tuple(_busy(one, people[one["guide_id"]]) for one in busiest),
        )
        for pk, by_day, busiest, guides, expected_new in rows
    }  # fmt: skip


def _busy(row: dict[str, Any], guide: Staff) -> Busy:
    store = guide.store.short_name if guide.store else ""
    return Busy(date.fromisoformat(row["day"]), guide.display_name or guide.name, store, row["n"])


def _days(calendar: Sequence[date], found: Sequence[dict[str, Any]]) -> tuple[Day, ...]:
    by_day = {date.fromisoformat(one["day"]): one for one in found}
    return tuple(
        Day(day, *(by_day[day][name] for name in ("planned", "guides", "most", "over"))) if day in by_day else Day(day)
        for day in calendar
    )


def _read(value: Any) -> Any:
    """Return what a jsonb value of a raw query holds: Django hands it out as text."""
    return json.loads(value) if isinstance(value, str) else value
