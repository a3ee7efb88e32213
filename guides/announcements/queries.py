"""Reads of announcements: one's own list, the publishers' list, the board by unit down to names, and how far pushing is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Coalesce

from guides.org import matrix
from guides.org.models import OrgUnit, Staff
from yejibao.core import reading
from yejibao.core.errors import NotFound
from yejibao.core.paging import mark_of, page, read_mark
from yejibao.core.progress import Running, source
from yejibao.core.scope import Actor

from .models import Announcement, AnnouncementReceipt
from .scoped import BOARD, reach_of, reaches_all, receipt_filter

PAGE, NAMES = 20, 50
State = Announcement.State


# ---------------------------------------------------------------- one's own


@dataclass(frozen=True)
class Line:
    """One announcement as its reader's list shows it."""

    pk: int
    title: str
    body: str
    level: str
    needs_confirm: bool
    published_at: datetime
    deadline_at: datetime | None
    is_pinned: bool
    read_at: datetime | None
    done_at: datetime | None

    @property
    def is_unread(self) -> bool:
        return self.read_at is None

    @property
    def level_name(self) -> str:
        return str(Announcement.Level(self.level).label)


_OWN = """
SELECT a.id, a.title, left(a.body, 200), a.level, a.needs_confirm, a.published_at, a.deadline_at, coalesce(a.pinned_until > %(now)s, false),
    r.read_at, r.done_at
FROM guides_announcementreceipt r JOIN guides_announcement a ON a.id = r.announcement_id
WHERE r.staff_id = %(me)s AND a.state = 'published'
"""


def own_page(actor: Actor, *, now: datetime, before: str = "") -> tuple[list[Line], list[Line], str]:
    """Return what is pinned (on the first page), a page of the rest, newest first, and where the next one begins. One statement."""
    place = read_mark(before)
    where = (
        " AND NOT coalesce(a.pinned_until > %(now)s, false) AND (a.published_at, a.id) < (%(at)s, %(pk)s)"
        if place
        else ""
    )
    with reading.cursor() as cursor:
        cursor.execute(
            f"{_OWN}{where} ORDER BY coalesce(a.pinned_until > %(now)s, false) DESC, a.published_at DESC, a.id DESC LIMIT %(most)s",
            {"me": actor.staff_id or 0, "now": now, "most": PAGE + 1}
            | ({"at": place[0], "pk": place[1]} if place else {}),
        )
        lines = [Line(*row) for row in cursor.fetchall()]
    shown = lines[:PAGE]
    more = mark_of(shown[-1].published_at, shown[-1].pk) if len(lines) > PAGE else ""
    return [one for one in shown if one.is_pinned], [one for one in shown if not one.is_pinned], more


def loudest(staff_id: int, *, now: datetime) -> tuple[Line | None, int]:
    """Return the one announcement a person should see first of those that wait for him, and how many wait. One statement."""
    with reading.cursor() as cursor:
        cursor.execute(
            f"""SELECT one.*, count(*) OVER () FROM ({_OWN} AND r.done_at IS NULL AND (r.read_at IS NULL OR a.needs_confirm)
                AND a.in_force_until > %(now)s) one
            ORDER BY array_position(ARRAY['urgent', 'important', 'normal'], level), deadline_at, published_at DESC LIMIT 1""",
            {"me": staff_id, "now": now},
        )
        row = cursor.fetchone()
    return (Line(*row[:-1]), row[-1]) if row else (None, 0)


def waiting_count(staff_id: int) -> int:
    """Return how many announcements a person has not read, or not confirmed."""
    waiting = AnnouncementReceipt.objects.outstanding().filter(staff_id=staff_id, announcement__state=State.PUBLISHED)
    return waiting.count()


# ---------------------------------------------------------------- the publishers' list


@dataclass
class Tally:
    """How many of how many have read it, and where the others are."""

    total: int = 0
    read: int = 0
    done: int = 0
    where: list[tuple[str, int]] = field(default_factory=list)

    @property
    def left(self) -> int:
        return self.total - self.done

    @property
    def read_percent(self) -> int:
        return 100 * self.read // self.total if self.total else 0

    @property
    def done_percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


_TALLIES = """
SELECT r.announcement_id, coalesce(branch.name, '总部'), count(*), count(r.read_at), count(r.done_at)
FROM guides_announcementreceipt r JOIN guides_staff person ON person.id = r.staff_id AND person.state = ANY (%(employed)s)
LEFT JOIN guides_orgunit unit ON unit.id = person.unit_id
LEFT JOIN guides_orgunit branch ON branch.id = nullif(split_part(unit.path, '/', %(depth)s), '')::bigint
WHERE r.announcement_id = ANY (%(ids)s) AND (%(prefixes)s::text[] = '{}' OR unit.path LIKE ANY (%(prefixes)s))
GROUP BY 1, 2
"""


def tallies(ids: Collection[int], *, prefixes: Collection[str] = (), depth: int = 2) -> dict[int, Tally]:
    """Return the counts of announcements, of those under these paths where named. One statement."""
    found: dict[int, Tally] = defaultdict(Tally)
    if not ids:
        return found
    with connection.cursor() as cursor:
        cursor.execute(
            _TALLIES,
            {
                "ids": list(ids),
                "employed": list(Staff.MAY_SIGN_IN),
                "depth": depth,
                "prefixes": [f"{one}%" for one in prefixes],
            },
        )
        for pk, where, total, read, done in cursor.fetchall():
            tally = found[pk]
            tally.total, tally.read, tally.done = tally.total + total, tally.read + read, tally.done + done
            if total > done:
                tally.where.append((where, total - done))
    for tally in found.values():
        tally.where.sort(key=lambda one: -one[1])
    return found


def told_page(actor: Actor, *, before: str = "", most: int = PAGE) -> tuple[list[Announcement], str]:
    """Return a page of what was published within one's sight as a publisher, newest first."""
    rows = Announcement.objects.editable_by(actor).filter(published_at__isnull=False).select_related("author", "unit")
    return page(rows, "published_at", before=before, size=most)


def drafts(actor: Actor, *, most: int = 30) -> list[Announcement]:
    """Return what is not out yet, the last touched first."""
    rows = Announcement.objects.editable_by(actor).exclude(state__in=(State.PUBLISHED, State.WITHDRAWN))
    return list(rows.select_related("author", "edited_by").order_by("-updated_at", "-pk")[:most])


def unit_names(announcements: Iterable[Announcement]) -> dict[int, str]:
    """Return the names of the units audiences mention."""
    ids = {pk for one in announcements for name in ("units", "not_units") for pk in one.audience.get(name, ())}
    return dict(OrgUnit.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


# ---------------------------------------------------------------- the board


@dataclass(frozen=True)
class BoardLine:
    """One unit below the one that is looked at; `pk` is None for those who belong to the unit itself."""

    pk: int | None
    name: str
    level: str
    total: int
    read: int
    done: int

    @property
    def left(self) -> int:
        return self.total - self.done

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0


_BOARD = """
SELECT child.id, coalesce(store.short_name, child.name, %(own)s), coalesce(child.level, ''), count(*), count(r.read_at), count(r.done_at)
FROM guides_announcementreceipt r JOIN guides_staff person ON person.id = r.staff_id AND person.state = ANY (%(employed)s)
LEFT JOIN guides_orgunit unit ON unit.id = person.unit_id
LEFT JOIN guides_orgunit child ON child.id = nullif(split_part(unit.path, '/', %(depth)s), '')::bigint
LEFT JOIN guides_store store ON store.unit_id = child.id
WHERE r.announcement_id = %(announcement)s AND coalesce(unit.path, %(prefix)s) LIKE %(prefix)s || '%%'
GROUP BY 1, 2, 3 ORDER BY count(*) - count(r.done_at) DESC, 2, 1
"""


def open_unit(actor: Actor, pk: int | None) -> OrgUnit:
    """Return the unit a board is about, one's own where none is named. Raises NotFound."""
    units = OrgUnit.objects.filter(reach_of(actor, BOARD, path="path", store="store"))
    unit = units.filter(pk=pk).first() if pk is not None else units.order_by("path").first()
    if unit is None:
        raise NotFound()
    return unit


def board_of(announcement: Announcement, unit: OrgUnit) -> list[BoardLine]:
    """Return the units below one, those with the most unread first. One statement, however many people."""
    path = unit.path or ""
    with connection.cursor() as cursor:
        cursor.execute(
            _BOARD,
            {"announcement": announcement.pk, "prefix": path, "depth": path.count("/") + 1, "own": f"{unit.name}本级",
             "employed": list(Staff.MAY_SIGN_IN)},
        )  # fmt: skip
        return [BoardLine(*row) for row in cursor.fetchall()]


STATES = {"left": "没完成", "unread": "没读", "read": "读了没确认", "done": "完成", "": "全部"}


def receipts_of(
    announcement: Announcement, actor: Actor, *, unit: OrgUnit | None, state: str = ""
) -> QuerySet[AnnouncementReceipt]:
    """Return the receipts an actor may look at, of people who are still here."""
    rows = AnnouncementReceipt.objects.filter(
        receipt_filter(actor), announcement=announcement, staff__state__in=Staff.MAY_SIGN_IN
    )
    if unit is not None and not (unit.level == OrgUnit.Level.HQ and reaches_all(actor, BOARD)):
        rows = rows.filter(staff__unit__path__startswith=unit.path or "-")
    match state:
        case "left":
            rows = rows.filter(done_at=None)
        case "unread":
            rows = rows.filter(read_at=None)
        case "read":
            rows = rows.filter(read_at__isnull=False, done_at=None)
        case "done":
            rows = rows.filter(done_at__isnull=False)
    return rows


def names_page(
    announcement: Announcement, actor: Actor, *, unit: OrgUnit, state: str, after: int = 0
) -> tuple[list[AnnouncementReceipt], int]:
    """Return a page of names and where the next begins, 0 at the end."""
    rows = receipts_of(announcement, actor, unit=unit, state=state).filter(staff_id__gt=after)
    found = list(rows.select_related("staff__store", "staff__unit").order_by("staff_id")[: NAMES + 1])
    return found[:NAMES], found[NAMES - 1].staff_id if len(found) > NAMES else 0


@dataclass(frozen=True)
class Pushed:
    """How far the pushes of an announcement are."""

    total: int
    sent: int
    failed: int
    waiting: int

    @property
    def percent(self) -> int:
        return 100 * (self.total - self.waiting) // self.total if self.total else 0


def pushed(announcement: Announcement) -> Pushed:
    """Return how many were told by the platform, and how many could not be. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*), count(*) FILTER (WHERE m.state = 'sent'), count(*) FILTER (WHERE m.state IN ('failed', 'parked')),
                count(*) FILTER (WHERE m.state IN ('pending', 'claimed', 'unknown'))
            FROM guides_announcementreceipt r JOIN core_outboxmessage m ON m.id = r.message_id WHERE r.announcement_id = %s""",
            [announcement.pk],
        )
        return Pushed(*cursor.fetchone())


@source
def spreading(now: datetime) -> Iterator[Running]:
    """Announcements whose audience is being told, for the page 任务与计划."""
    for one in Announcement.objects.filter(state=State.PUBLISHED, spread_at=None).order_by("published_at")[:20]:
        done = AnnouncementReceipt.objects.filter(announcement=one).count()
        yield Running(
            f"公告：{one.title}",
            done,
            max(one.audience_count, done),
            one.published_at,
            url=f"/hq/announcements/{one.pk}/",
        )


def export_rows(announcement: Announcement, actor: Actor, params: dict[str, Any], *, unit: OrgUnit) -> Iterator[Any]:
    """Yield names, where they work and what they did, by unit."""
    rows = receipts_of(announcement, actor, unit=unit, state=params.get("state", ""))
    rows = rows.annotate(path=Coalesce("staff__unit__path", "staff__store__unit__path")).order_by("path", "staff_id")
    yield from rows.select_related("staff__store", "staff__unit").iterator(chunk_size=1000)


def prefixes_of(actor: Actor) -> list[str]:
    """Return the org paths a board of an actor covers; empty for the whole company."""
    if reaches_all(actor, BOARD):
        return []
    return [grant.path for grant in actor.reach(*matrix.holders(BOARD)) if grant.reach == "units" and grant.path] or [
        "-"
    ]


def tally_of(announcement: Announcement, actor: Actor, unit: OrgUnit) -> Tally:
    """Return the counts of a unit, of the company with those who stand in no unit."""
    whole = unit.level == OrgUnit.Level.HQ and reaches_all(actor, BOARD)
    return tallies([announcement.pk], prefixes=[] if whole else [unit.path or "-"])[announcement.pk]


def trail_of(actor: Actor, unit: OrgUnit) -> list[OrgUnit]:
    """Return the way down to a unit, from the first one an actor may look at."""
    above = [int(part) for part in (unit.path or "").split("/") if part]
    seen = OrgUnit.objects.filter(reach_of(actor, BOARD, path="path", store="store"), pk__in=above)
    return list(seen.order_by("path"))


def receipt_count(announcement: Announcement) -> int:
    """Return how many have their receipt so far."""
    return AnnouncementReceipt.objects.filter(announcement=announcement).count()
