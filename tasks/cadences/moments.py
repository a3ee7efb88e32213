"""When a step opens, falls due and expires: the rules of followup_3369.yaml as SQL, in one place.

The engine works on sets, so the rules stand in SQL and nowhere else; the domain file's date examples run through it.
Each function returns a piece for a FROM clause. Times of day are those of the assignee's store.
"""

TZ = "'Asia/Shanghai'"


def local_date(moment: str) -> str:
    """Return SQL for the calendar date of an instant in Shanghai."""
    return f"(({moment}) AT TIME ZONE {TZ})::date"


def local_time(moment: str) -> str:
    """Return SQL for the wall-clock time of an instant in Shanghai."""
    return f"(({moment}) AT TIME ZONE {TZ})::time"


def at(day: str, time_of_day: str) -> str:
    """Return SQL for the instant of a wall-clock time on a local date."""
    return f"((({day}) + ({time_of_day})) AT TIME ZONE {TZ})"


def _outside(moment: str, hours: str) -> str:
    return f"({local_time(moment)} >= {hours}.closes_at OR {local_time(moment)} < {hours}.opens_at)"


def _shifted(moment: str, hours: str, step: str) -> str:
    """Return SQL for the shift rule: a due outside the hours moves to opening + 60 min of the next opening."""
    day = f"({local_date(moment)} + ({local_time(moment)} >= {hours}.closes_at)::int)"
    minutes = f"({step}.timing_rules->>'shifted_due')::int"
    return (
        f"CASE WHEN {_outside(moment, hours)} THEN {at(day, f'{hours}.opens_at')} + {minutes} * interval '1 minute' "
        f"ELSE {moment} END"
    )


def first_touch(*, touch: str, known: str, hours: str, step: str, name: str = "ft") -> str:
    """Return laterals that end in `name(open_at, due_at, expire_at, timing, is_late)` for the first touch (m30).

    `touch` is the instant it counts from, `known` when the order reached the system. The late-data rule:
    known by its due -> the later of due and arrival + 20 min (+ 30 min when more than 2 h after paying);
    after its due but within 2 h -> arrival + 20 min; later on that day -> arrival + 30 min; on a later day -> late.
    """
    rule = f"{step}.timing_rules"
    long_ago = f"({known} - {touch} > ({rule}->>'late_within')::int * interval '1 minute')"
    soon = f"({known} + ({rule}->>'late_soon')::int * interval '1 minute')"
    late = f"({known} + ({rule}->>'late')::int * interval '1 minute')"
    base = f"{touch} + {step}.offset_minutes * interval '1 minute'"
    return f"""
    CROSS JOIN LATERAL (SELECT {base} AS wish) {name}0
    CROSS JOIN LATERAL (SELECT {_shifted(f"{name}0.wish", hours, step)} AS due) {name}1
    CROSS JOIN LATERAL (SELECT CASE
            WHEN {known} <= {name}1.due THEN greatest({name}1.due, CASE WHEN {long_ago} THEN {late} ELSE {soon} END)
            WHEN NOT {long_ago} THEN greatest({name}0.wish, {soon})
            ELSE {late} END AS wish,
        {known} > {name}1.due AND {long_ago} AND {local_date(known)} > {local_date(f"{name}1.due")} AS is_late) {name}2
    CROSS JOIN LATERAL (SELECT {_shifted(f"{name}2.wish", hours, step)} AS due_at, {name}2.is_late) {name}3
    CROSS JOIN LATERAL (SELECT
        greatest({known}, {at(local_date(f"{name}3.due_at"), f"{hours}.opens_at")}) AS open_at,
        {name}3.due_at,
        {at(local_date(f"{name}3.due_at"), f"{hours}.closes_at")} AS expire_at,
        CASE WHEN {local_date(f"{name}3.due_at")} > {local_date(touch)} THEN 'next_day' ELSE 'same_day' END AS timing,
        {name}3.is_late) {name}
    """


def day_step(*, anchor: str, moved: str, hours: str, step: str, name: str = "ds") -> str:
    """Return laterals that end in `name(base_day, open_at, due_day, expire_day)` for a step that counts in days.

    `moved` is SQL for the day this step was moved to (exchange, alteration), or NULL.
    """
    return f"""
    CROSS JOIN LATERAL (SELECT coalesce({moved}, {anchor} + {step}.open_day) AS base_day) {name}0
    CROSS JOIN LATERAL (SELECT {name}0.base_day,
        {at(f"{name}0.base_day", f"{hours}.opens_at")} AS open_at,
        {name}0.base_day + ({step}.due_day - {step}.open_day) AS due_day,
        {name}0.base_day + ({step}.expire_day - {step}.open_day) AS expire_day) {name}
    """
