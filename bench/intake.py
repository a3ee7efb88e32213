"""200,000 rows with 500 planted faults from a file: read, checked, taken over; beside a bare COPY of the finished rows."""

import time
from datetime import timedelta

import psycopg
from django.db import connection

from bench import world
from bench.figures import Options, Report, at_most, progress
from bench.planted import member_lines
from crm.members.models import Member
from guides.org.loading import load_org, made_up_org
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.intake import kinds
from yejibao.intake.models import Batch, RefusedRow
from yejibao.intake.services import confirm, file_source, go_on, upload

LONG = timedelta(hours=1)


def main(options: Options) -> Report:
    rows, faults = (20_000, 50) if options.quick else (200_000, 500)
    now = world.morning()
    clock.travel(now)
    load_org(made_up_org(branches=2, regions=4, areas=20, stores=300, staff=1_500), now=now)
    lines, named = member_lines(rows, faults, stores=300, guides=1_000)
    content = "\n".join(lines).encode()
    actor = Actor.system("bench")

    def run() -> tuple[Batch, float, float]:
        batch, _former = upload(
            content, name="members.csv", kind=kinds.get("members"), source=file_source(now=now), actor=actor, now=now
        )
        begun = time.perf_counter()
        go_on(batch.pk, now=now, budget=LONG)
        checked = time.perf_counter() - begun
        batch.refresh_from_db()
        begun = time.perf_counter()
        confirm(batch, actor=actor)
        go_on(batch.pk, now=now, budget=LONG)
        batch.refresh_from_db()
        return batch, checked, time.perf_counter() - begun

    first, checked, taken = run()
    progress(f"checked {checked:.1f} s, taken over {taken:.1f} s")
    told = {row.line: row.errors[0]["field"] for row in RefusedRow.objects.all()}
    wrong = sum(named.get(line) != told.get(line) for line in named.keys() | told.keys())
    again, checked_again, taken_again = run()
    changed = again.created_count + again.changed_count + Member.objects.count() - first.created_count
    bare = _bare(first.created_count)
    seconds = checked + taken
    return Report(
        value=rows / seconds, unit="rows/s", limit=first.created_count / bare,
        limit_is="COPY of the finished, encrypted rows into a table with the same columns and indexes, nothing read or checked",
        ratio=bare / seconds,
        goals=[
            at_most("faults not named, or named and not planted", wrong, 0),
            at_most("rows a second run changed", changed, 0),
        ],
        more={"rows": rows, "faults": faults, "created": first.created_count, "refused": first.refused_count,
              "seconds_checking": round(checked, 1), "seconds_taking_over": round(taken, 1),
              "seconds_again": round(checked_again + taken_again, 1)},
    )  # fmt: skip


def _bare(rows: int) -> float:
    """Return the seconds a COPY of the same members takes, out of a file that is in memory."""
    with psycopg.Cursor(connection.connection) as cursor:
        with cursor.copy("COPY (SELECT * FROM crm_member ORDER BY id) TO STDOUT") as copy:
            content = b"".join(bytes(part) for part in copy)
        cursor.execute("CREATE TABLE bench_bare (LIKE crm_member INCLUDING ALL)")
        begun = time.perf_counter()
        with cursor.copy("COPY bench_bare FROM STDIN") as copy:
            copy.write(content)
        seconds = time.perf_counter() - begun
        cursor.execute("SELECT count(*) FROM bench_bare")
        (found,) = cursor.fetchone() or (0,)
        assert found == rows
        cursor.execute("DROP TABLE bench_bare")
    return seconds
