"""A company, its members, purchases and cycles for the benches: set-based SQL, in the order in which life would write them.

    company(stores=3_000, guides=10_000, now=now)
    members(1_200_000)
    enrollments(waiting=1_000_000, due=50_000, now=now)     # cycles of the last 90 days; `due` hands stand due at `now`
    orders(100_000, now=now)                                # paid and known this morning, not enrolled yet

Each appends to what is there. Rows are numbered by their place (member, order and cycle
n belong together by arithmetic, no look-up), purchases of one day lie together and their members are strewn over the member
table, as in a shop. Foreign keys and triggers do not fire meanwhile, and indexes are built at the end of each fill.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, time
from typing import Any

from django.db import connection, models, transaction
from psycopg.types.json import Jsonb

from bench.figures import progress
from crm.aftersale.models import Ticket
from crm.members.models import FriendLink, Member
from crm.orders.models import Order, OrderLine
from guides.attendance.models import Shift
from guides.org.loading import load_org, made_up_org
from guides.org.models import Staff
from tasks.cadences.loading import load_3369
from tasks.cadences.models import CadenceVersion, Enrollment, EnrollmentCause, Hand
from tasks.followups.models import Reach
from yejibao.core import clock
from yejibao.core.personal import encrypt

STRIDE, GUIDE_STRIDE = 7_368_787, 48_271  # primes: n * STRIDE % count meets every row once, neighbours far apart
FRIENDS, CONSENT = 8, 7  # of ten members
OPENS_ON = {"d3": 3, "d30": 30, "d60": 60, "d90": 90}
STYLES = (
    ("藏青羊毛套西", "藏青", "175/92A", "suit_wool", "西服", 128000),
    ("免烫长袖衬衫", "浅蓝", "41", "shirt_noniron", "衬衫", 39900),
    ("羊绒圆领毛衫", "驼色", "180/96A", "knit_cashmere", "针织", 89900),
    ("直筒休闲裤", "卡其", "33", "trousers_casual", "裤装", 45900),
)  # fmt: skip


def morning(day: Any = None) -> datetime:
    """Return ten o'clock of a local day, by default today: every store has opened and the day's steps are due."""
    return clock.local_moment(day or clock.today(), time(10))


def company(*, stores: int, guides: int, now: datetime) -> None:
    """Build the organisation with a manager a store, a roster of three weeks, and the rules of 3369.

    A guide rests two days of seven. Guides are numbered in the table bench_guide.
    """
    areas = max(1, stores // 12)
    shape = {"branches": max(1, stores // 300), "regions": max(1, stores // 60), "areas": areas, "stores": stores}
    load_org(made_up_org(**shape, staff=guides + stores + areas), now=now)
    load_3369(now=now)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_guide")
        cursor.execute(
            "CREATE TABLE bench_guide AS SELECT row_number() OVER (ORDER BY s.id) - 1 AS n, s.id, s.store_id, h.opens_at"
            " FROM guides_staff s JOIN guides_store h ON h.id = s.store_id"
            " JOIN guides_roleassignment r ON r.staff_id = s.id AND r.role = 'guide'"
        )
        cursor.execute("CREATE UNIQUE INDEX ON bench_guide (n)")
    shift = {
        "staff_id": "g.id",
        "day": "%(today)s::date + ahead",
        "kind": "CASE WHEN (g.n + ahead + 7) %% 7 < 2 THEN 'rest' ELSE 'work' END",
    }
    _fill(Shift, shift, "generate_series(-7, 13) ahead CROSS JOIN bench_guide g", {"today": clock.local_day(now)})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    progress(f"company: {stores:,} stores, {guides:,} guides")


def members(count: int) -> None:
    """Append members with their own guide and store; eight of ten are her friends, seven of ten agreed to calls."""
    first, last = _next(Member), _next(Member) + count - 1
    facts = {
        "id": "i", "public_id": "md5(i::text)::uuid", "member_no": "'B' || lpad(i::text, 9, '0')",
        "name": "(ARRAY['王建国', '李志强', '张伟', '刘洋', '陈晓东', '赵永康', '黄海波'])[1 + i %% 7]",
        "phone": "%(phone)s", "owner_guide_id": "g.id", "main_store_id": "g.store_id",
        "registered_at": "timestamptz '2023-01-01' + (i %% 900) * interval '1 day'",
        "phone_consent": f"i / 10 %% 10 < {CONSENT}",
        "tier_631": "(ARRAY['core', 'potential', 'potential', 'potential', 'common', 'common', 'common'])[1 + i %% 7]",
        "member_level": "'V' || 1 + i %% 4", "purchase_node": "'first'", "purchase_count": "1", "spend_365_fen": "128000",
    }  # fmt: skip
    with_guide = f"generate_series(%(first)s::bigint, %(last)s) i JOIN bench_guide g ON g.n = {_guide_of('i')}"
    params = {"first": first, "last": last, "phone": encrypt("13800132075", column="crm_member.phone")}
    with _filling(Member, FriendLink):
        _fill(Member, facts, with_guide, params)
        link = {
            "id": "i", "member_id": "i", "guide_id": "g.id", "external_user_id": "'wm' || lpad(i::text, 30, '0')",
            "added_at": "timestamptz '2023-01-02' + (i %% 900) * interval '1 day'",
        }  # fmt: skip
        _fill(FriendLink, link, f"{with_guide} WHERE i %% 10 < {FRIENDS}", params)
    progress(f"members: {count:,}")


def enrollments(*, waiting: int, due: int, now: datetime) -> None:
    """Append active cycles with their orders and causes: anchors of the last 90 days, `due` of the hands due at `now`.

    The due ones are five cohorts that lie together: bought 90, 60, 30 and 3 days ago and within this half hour. Each is of
    a member without one as long as there were members enough before the first and none were added since.
    """
    if waiting < 2 * due:
        raise ValueError("more hands are due than wait")
    cohort, rest = due // 5, waiting - due // 5 * 5
    share = [rest * days // 89 for days in (29, 59, 86)]
    edges = [0, *share, rest]
    sizes = [edge - before for before, edge in zip(edges, edges[1:], strict=False)]  # background between the cohorts
    background = zip(sizes, ((89, 61), (60, 31), (30, 4), (3, 1)), strict=True)
    cohorts = [("d90", 90), ("d60", 60), ("d30", 30), ("d3", 3)]
    with _filling(Order, Enrollment, Hand, EnrollmentCause, Reach, Ticket):
        for (step, age), (size, (oldest, newest)) in zip(cohorts, background, strict=True):
            _cycles(cohort, oldest=age, newest=age, step=step, now=now)
            _cycles(size, oldest=oldest, newest=newest, step=None, now=now)
        _cycles(cohort, oldest=0, newest=0, step="m30", now=now)
        _company_of_the_due(now)
    progress(f"enrollments: {waiting:,} waiting, {due:,} due")


def _cycles(count: int, *, oldest: int, newest: int, step: str | None, now: datetime) -> None:
    """Append one stretch of cycles, oldest first; `step` is due now, or else each hand waits for its next step."""
    if not count:
        return
    version = CadenceVersion.objects.get(state="published")
    first = max(_next(Order), _next(Enrollment), _next(EnrollmentCause))
    params = {
        "first": first, "last": first + count - 1, "count": count, "now": now, "today": clock.local_day(now),
        "oldest": oldest, "days": oldest - newest + 1, "step": step, "cadence": version.cadence_id, "version": version.pk,
        "items": [Jsonb(_items(n)) for n in range(8)], "plan": ["m30", "d3", "d30", "d60", "d90"],
    }  # fmt: skip
    bought = f"""
    generate_series(%(first)s::bigint, %(last)s) i
    CROSS JOIN LATERAL (SELECT (i - %(first)s) * %(days)s / %(count)s::float8 AS gone) g0
    CROSS JOIN LATERAL (SELECT %(oldest)s - floor(gone)::int AS age) g1
    CROSS JOIN LATERAL (SELECT %(today)s::date - age AS day, CASE WHEN age = 0 THEN %(now)s::timestamptz
        - (1 - gone) * interval '25 minutes' ELSE (%(today)s::date - age + time '10:00') AT TIME ZONE 'Asia/Shanghai'
        + (gone - floor(gone)) * interval '11 hours' END AS paid_at) g2
    CROSS JOIN LATERAL (SELECT coalesce(%(step)s, CASE WHEN age >= 60 THEN 'd90' WHEN age >= 30 THEN 'd60'
        WHEN age >= 3 THEN 'd30' ELSE 'd3' END) AS step) g3
    CROSS JOIN LATERAL (SELECT {_member_of("i")} AS member) g4
    JOIN bench_guide g ON g.n = {_guide_of("member")}
    """
    order = {
        "id": "i", "source": "'bench'", "number": "'B' || i", "member_id": "member", "store_id": "g.store_id", "guide_id": "g.id",
        "paid_at": "paid_at", "paid_on": "day", "known_at": "paid_at", "paid_fen": "128000", "net_amount_fen": "128000",
        "content_sha": "'bench'", "created_at": "paid_at",
    }  # fmt: skip
    _fill(Order, order, bought, params)
    cycle = {
        "id": "i", "cadence_id": "%(cadence)s", "cadence_version_id": "%(version)s", "member_id": "member", "kind": "'full'",
        "buyer": "CASE WHEN i %% 5 < 3 THEN 'first' ELSE 'repeat' END", "anchor_order_id": "i", "anchor_at": "paid_at",
        "anchor_on": "day", "touch_at": "paid_at", "known_at": "paid_at", "day_anchor_date": "day",
        "plan": "%(plan)s::varchar[]",
        "steps_planned": "5",
        "steps_skipped": "array_position(%(plan)s::varchar[], step) - 1",  # what came before left no task here
        "owner_guide_id": "g.id", "serving_guide_id": "g.id", "store_id": "g.store_id",
        "items": "(%(items)s::jsonb[])[1 + i %% 8]", "created_at": "paid_at",
    }  # fmt: skip
    _fill(Enrollment, cycle, bought, params)
    opens_on = "CASE step " + " ".join(f"WHEN '{key}' THEN {day}" for key, day in OPENS_ON.items()) + " END"
    hand = {
        "enrollment_id": "i", "next_step": "step",
        "next_due_at": f"CASE step WHEN 'm30' THEN paid_at ELSE (day + {opens_on} + g.opens_at) AT TIME ZONE 'Asia/Shanghai' END",
    }  # fmt: skip
    _fill(Hand, hand, bought, params)
    cause = {
        "id": "i", "cadence_id": "%(cadence)s", "order_id": "i", "enrollment_id": "i", "role": "'anchor'",
        "created_at": "timestamptz '2025-01-01'",
    }  # fmt: skip
    _fill(EnrollmentCause, cause, "generate_series(%(first)s::bigint, %(last)s) i", params)


def _company_of_the_due(now: datetime) -> None:
    """Give those who are due what a step looks at: four of ten were reached in the last weeks, one of a hundred complains."""
    due = "tasks_hand h JOIN tasks_enrollment e ON e.id = h.enrollment_id WHERE h.next_due_at <= %(now)s AND e.anchor_on < %(today)s"
    params = {"now": now, "today": clock.local_day(now), "reach": _next(Reach), "ticket": _next(Ticket)}
    reach = {
        "id": "%(reach)s + row_number() OVER ()", "member_id": "e.member_id", "guide_id": "e.owner_guide_id",
        "channel": "'wecom_message'", "nature": "'service'", "level": "2",
        "at": "%(now)s::timestamptz - (8 + e.id %% 20) * interval '1 day'", "day": "%(today)s::date - 8 - (e.id %% 20)::int",
    }  # fmt: skip
    _fill(Reach, reach, f"{due} AND e.id %% 10 < 4", params)
    ticket = {
        "id": "%(ticket)s + row_number() OVER ()", "kind": "'complaint'", "member_id": "e.member_id",
        "order_id": "e.anchor_order_id", "store_id": "e.store_id", "opened_at": "%(now)s::timestamptz - interval '1 day'",
    }  # fmt: skip
    _fill(Ticket, ticket, f"{due} AND e.id %% 100 = 0", params)


def orders(count: int, *, now: datetime, returning: int = 25) -> None:
    """Append purchases of this morning that nobody enrolled yet; `returning` of a hundred are by members in a cycle.

    The others are by members without one, so there must be that many left.
    """
    first = _next(Order)
    if _next(Member) < first + count:
        raise ValueError("not enough members for so many purchases")
    params = {"first": first, "last": first + count - 1, "count": count, "now": now, "returning": returning}
    params |= {"today": clock.local_day(now), "line": _next(OrderLine)}
    cycles = _next(Enrollment) - 1
    bought = f"""
    generate_series(%(first)s::bigint, %(last)s) i
    CROSS JOIN LATERAL (SELECT %(now)s::timestamptz - (%(last)s - i) * interval '20 minutes' / %(count)s AS paid_at) g0
    CROSS JOIN LATERAL (SELECT CASE WHEN i %% 100 < %(returning)s AND {cycles} > 0
        THEN 1 + (i * {GUIDE_STRIDE}::bigint) %% {max(1, cycles)} ELSE i END AS place) g1
    CROSS JOIN LATERAL (SELECT {_member_of("place")} AS member) g2
    JOIN bench_guide g ON g.n = {_guide_of("member")}
    """
    order = {
        "id": "i", "source": "'bench'", "number": "'B' || i", "member_id": "member", "store_id": "g.store_id", "guide_id": "g.id",
        "paid_at": "paid_at", "paid_on": "%(today)s::date", "known_at": "paid_at", "paid_fen": "l.fen", "net_amount_fen": "l.fen",
        "content_sha": "'bench'", "created_at": "paid_at",
    }  # fmt: skip
    lines = "CROSS JOIN LATERAL (SELECT 1 + (i %% 5 < 2)::int + (i %% 5 = 0)::int AS lines) l0"
    amount = f"CROSS JOIN LATERAL (SELECT sum({_style('i + no', 6)}::int) AS fen FROM generate_series(1, lines) no) l"
    line = {
        "id": "%(line)s - 1 + row_number() OVER ()", "order_id": "i", "line_no": "no", "item_name": _style("i + no", 1),
        "color": _style("i + no", 2), "size": _style("i + no", 3), "care_key": _style("i + no", 4), "family": _style("i + no", 5),
        "paid_fen": f"{_style('i + no', 6)}::int",
    }  # fmt: skip
    with _filling(Order, OrderLine):
        _fill(Order, order, f"{bought} {lines} {amount}", params)
        _fill(OrderLine, line, f"generate_series(%(first)s::bigint, %(last)s) i {lines}"
              " CROSS JOIN LATERAL generate_series(1, lines) no", params)  # fmt: skip
    progress(f"orders: {count:,} not enrolled")


def warm(*, now: datetime, after_order: int) -> None:
    """Read once what the due hands and the purchases after an order look at, so that memory and not the disk answers.

    On a server of the size deploy/sizes.md names, these rows are in memory; here, millions of members beside them are not.
    """
    of_a_member = """
        JOIN crm_member m ON m.id = x.member_id
        LEFT JOIN LATERAL (SELECT sum(length(f::text)) FROM crm_friendlink f WHERE f.member_id = m.id) f ON true
        LEFT JOIN LATERAL (SELECT sum(length(o::text)) FROM crm_order o WHERE o.member_id = m.id) o ON true
        LEFT JOIN LATERAL (SELECT sum(length(e::text)) FROM tasks_enrollment e WHERE e.member_id = m.id) e ON true
        LEFT JOIN LATERAL (SELECT sum(length(c::text)) FROM tasks_enrollmentcause c WHERE c.enrollment_id = x.cycle) c ON true
        LEFT JOIN LATERAL (SELECT count(*) FROM tasks_reach r WHERE r.member_id = m.id) r ON true
        LEFT JOIN LATERAL (SELECT count(*) FROM crm_ticket t WHERE t.member_id = m.id) t ON true
    """
    seen = "SELECT sum(length(m::text)), count(f), count(o), count(e), count(c), count(r), count(t)"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
        )
        cursor.execute("SET LOCAL statement_timeout = 0; SET LOCAL max_parallel_workers_per_gather = 0")
        due = (
            "(SELECT e.member_id, e.id AS cycle FROM tasks_hand h JOIN tasks_enrollment e ON e.id = h.enrollment_id"
            " WHERE h.next_due_at <= %s) x"
        )
        cursor.execute(f"{seen} FROM {due} {of_a_member}", [now])
        bought = "(SELECT member_id, NULL::bigint AS cycle FROM crm_order WHERE id > %s) x"
        cursor.execute(f"{seen} FROM {bought} {of_a_member}", [after_order])


def settle(*tables: str) -> None:
    """Let the writes of a fill reach the disk and the planner see small tables as they are, before anything is measured."""
    with connection.cursor() as cursor:
        if tables:
            cursor.execute(f"ANALYZE {', '.join(tables)}")
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("CHECKPOINT")
    os.sync()


# ---------------------------------------------------------------- by arithmetic


def _member_of(place: str) -> str:
    """Return SQL for the member of the n-th purchase."""
    return f"(1 + ({place}) * {STRIDE}::bigint %% {_next(Member) - 1})"


def _guide_of(member: str) -> str:
    """Return SQL for the number of a member's own guide."""
    guides = Staff.objects.filter(role_assignments__role="guide").count()
    return f"(({member}) * {GUIDE_STRIDE}::bigint %% {guides})"


def _style(number: str, field: int) -> str:
    """Return SQL for one fact of the style with a number."""
    values = ", ".join(f"'{style[field - 1]}'" for style in STYLES)
    return f"(ARRAY[{values}])[1 + ({number}) %% {len(STYLES)}]"


def _items(number: int) -> list[dict[str, Any]]:
    """Return the items of a cycle as enrolling keeps them."""
    chosen = [STYLES[number % 4]] if number < 4 else [STYLES[0], STYLES[number % 4]]
    return [
        {"line": place, "name": name, "color": color, "size": size, "care": care, "fen": fen}
        for place, (name, color, size, care, _family, fen) in enumerate(chosen, 1)
    ]


# ---------------------------------------------------------------- filling


def _next(model: type[models.Model]) -> int:
    return (model.objects.aggregate(last=models.Max("pk"))["last"] or 0) + 1  # type: ignore[attr-defined]


@contextmanager
def _filling(*filled: type[models.Model]) -> Iterator[None]:
    """Let a block append to tables without keys or triggers firing and with the indexes built once, at its end.

    An empty table is given a new file first: what is written to that in the same transaction need not go through the WAL.
    """
    names = [model._meta.db_table for model in filled]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = off")
        cursor.execute("SET LOCAL statement_timeout = 0")
        for model, name in zip(filled, names, strict=True):
            if not model.objects.exists():  # type: ignore[attr-defined]
                cursor.execute(f"CLUSTER {name} USING {name}_pkey")
        # Not ready: left alone by inserts. REINDEX makes them whole and ready again.
        cursor.execute(
            "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indrelid = ANY(%s::regclass[])", [names]
        )
        yield
        cursor.execute("SET LOCAL max_parallel_maintenance_workers = 2")
        for name in names:
            cursor.execute(f"REINDEX TABLE {name}")
        for model, name in zip(filled, names, strict=True):
            if model._meta.pk.column == "id":
                cursor.execute(f"SELECT setval('{name}_id_seq', coalesce((SELECT max(id) FROM {name}), 1))")
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(f"VACUUM (ANALYZE) {', '.join(names)}")  # else the first reader writes the hint bits


def _fill(model: type[models.Model], columns: Mapping[str, str], source: str, params: Mapping[str, Any]) -> None:
    """Append rows: the columns as SQL, all others as the model's own defaults."""
    given, bound = dict(columns), dict(params)
    for field in model._meta.concrete_fields:
        if field.column not in given and not (field.null or field.primary_key or field.has_db_default()):
            given[field.column] = f"%(default_{field.column})s"
            bound[f"default_{field.column}"] = field.get_db_prep_save(field.get_default(), connection)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({', '.join(given)}) SELECT {', '.join(given.values())} FROM {source}",
            bound,
        )
