"""The nightly reading of the whole address book: who is new in a store's department, who has another name, who is gone.

What is done about one person is the same as after an event (`directory.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db import connection

from yejibao.core import audit, clock
from yejibao.core.errors import Forbidden
from yejibao.core.scope import Actor
from yejibao.wecom.gateway import Gateway
from yejibao.wecom.syncing import runs
from yejibao.wecom.syncing.models import SyncPart, SyncRun
from yejibao.wecom.syncing.runs import Fetched

from .directory import DISABLED, LEFT, PLATFORM, bring_in_line, status_of
from .models import OrgUnit, Staff
from .services import create_staff

KIND = SyncRun.Kind.STAFF
DEPARTMENTS_A_PART = 20
ACTIVE = 1
ALWAYS_ASKED = (
    3  # people of ours the platform did not list; of more, a fifth of all: else it is the app's range that shrank
)


@dataclass(frozen=True)
class Entry:
    """A person of the address book."""

    userid: str
    name: str
    department_ids: tuple[int, ...]
    status: int


def start_people_sync(*, door: Gateway, actor: Actor, now: datetime) -> SyncRun:
    """Begin a reading of all departments the app may see, or return the one that runs. Raises Forbidden or GatewayError."""
    if not actor.is_system and not actor.may("account.manage"):
        raise Forbidden(permission="account.manage")
    running = current_run()
    if running:
        return running
    keys = [str(one.department_id) for one in door.list_departments()]
    run = runs.begin(KIND, keys, now=now, actor_id=actor.staff_id, size=DEPARTMENTS_A_PART)
    audit.record(actor, "org.sync_started", run, after={"departments": len(keys)})
    return run


def current_run() -> SyncRun | None:
    """Return the reading that runs."""
    return SyncRun.objects.filter(kind=KIND, state=SyncRun.State.RUNNING).first()


def sync_people(*, door: Gateway, seconds: float = 50.0, now: datetime | None = None) -> dict[str, int]:
    """Go on with the reading that runs. Returns this share's counts. Call with no transaction open."""
    run, moment = current_run(), now or clock.now()
    if not runs.may_go_on(run, door, now=moment):
        return {}
    sweep = runs.Sweep(
        run,
        fetch=partial(_fetch, door),
        apply=partial(_apply, now=moment),
        finish=_nothing,
        name=lambda entry: entry.userid,
        end=partial(_ask_about_missing, now=moment),
        at_once=4,
    )
    return sweep.go(seconds=seconds, now=now)


def _fetch(door: Gateway, departments: Sequence[str], cursor: str) -> Fetched:
    rows: list[Entry] = []
    for number in departments:
        for row in door.get("user/list", department_id=number)["userlist"]:
            ids = tuple(int(value) for value in row.get("department", ()))
            rows.append(
                Entry(str(row["userid"]).casefold(), str(row.get("name", "")), ids, int(row.get("status") or ACTIVE))
            )
    return Fetched(rows, "")


def _nothing(part: SyncPart) -> dict[str, int]:
    return {}


def _apply(entries: Sequence[Entry], *, now: datetime) -> dict[str, int]:
    """Bring names up to date, bar who is disabled, enter who is new in a store's department; return counts."""
    tally: Counter[str] = Counter()
    book = {one.userid: one for one in entries}
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE guides_staff s SET name = b.name FROM unnest(%s::text[], %s::text[]) AS b(userid, name) "
            "WHERE s.wecom_user_id = b.userid AND b.name <> '' AND s.name <> b.name",
            [list(book), [one.name[:32] for one in book.values()]],
        )
        tally["renamed"] = cursor.rowcount
    people = {one.wecom_user_id: one for one in Staff.objects.filter(wecom_user_id__in=book)}
    for userid, person in sorted(people.items()):
        before, entry = person.state, book[userid]
        if before != Staff.State.RESIGNED and (entry.status in (DISABLED, LEFT) or before == Staff.State.DISABLED):
            bring_in_line(person, entry.status, was_deleted=False, at=now)
            tally["states"] += person.state != before
    tally.update(_enter([one for one in book.values() if one.userid not in people and one.status == ACTIVE], now=now))
    return {name: count for name, count in tally.items() if count}


def _enter(entries: Sequence[Entry], *, now: datetime) -> Counter[str]:
    """Enter new people as guides of the store their department is; who belongs to no store waits for an administrator."""
    wanted = {number for one in entries for number in one.department_ids}
    units = {
        unit.wecom_department_id: unit
        for unit in OrgUnit.objects.filter(wecom_department_id__in=wanted, level=OrgUnit.Level.STORE).exclude(
            valid_to__lte=clock.local_day(now)  # a closed store takes nobody; who is still in its department waits
        )
    }
    tally: Counter[str] = Counter()
    for one in sorted(entries, key=lambda entry: entry.userid):
        unit = next((units[number] for number in one.department_ids if number in units), None)
        if unit is None:
            tally["without_store"] += 1
            continue
        create_staff(
            wecom_user_id=one.userid, name=one.name[:32] or one.userid, role="guide", unit=unit, actor=PLATFORM, now=now
        )
        tally["created"] += 1
    return tally


def _ask_about_missing(found: set[str], *, now: datetime) -> dict[str, int]:
    """Ask about each of ours who was nowhere on the list; return how many changed their state, or were left alone."""
    ours = Staff.objects.employed()
    missing = list(ours.exclude(wecom_user_id__in=found).order_by("pk"))
    if len(missing) > ALWAYS_ASKED and len(missing) * 5 > ours.count():
        return {"left_alone": len(missing)}
    changed = 0
    for person in missing:
        before = person.state
        bring_in_line(person, status_of(person.wecom_user_id), was_deleted=False, at=now)
        changed += person.state != before
    return {"states": changed} if changed else {}
