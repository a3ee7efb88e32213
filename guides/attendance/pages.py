"""排班: who works on which day of a week, and who covers for whom; a guide sees her own week."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.models import Staff
from guides.org.pages import shell_of
from guides.org.scoped import under_grants
from yejibao.core import access, clock, desk, hx, idempotency, nav, words
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from .calendar import AWAY, Day, days_of
from .models import Holiday, Shift, ShiftTime
from .services import copy_week, fill_week, set_shift

WEEK = timedelta(days=7)
FARTHEST = timedelta(days=366)
NEXT = {Shift.Kind.WORK: Shift.Kind.REST, Shift.Kind.REST: Shift.Kind.LEAVE, Shift.Kind.LEAVE: Shift.Kind.WORK}
SHORT = {Shift.Kind.WORK: "班", Shift.Kind.REST: "休", Shift.Kind.LEAVE: "假"}
NAMES = {Shift.Kind.WORK: "上班", Shift.Kind.REST: "休息", Shift.Kind.LEAVE: "请假"}
HALVES = {"am": "上午请假", "pm": "下午请假"}


@dataclass(frozen=True)
class Brush:
    """What a tap makes of a day: the next kind in turn where none is chosen, else this one. `key` is `rest`, `work:3`."""

    key: str
    short: str
    name: str


def brushes() -> list[Brush]:
    """Return what a manager may paint with: the store's hours, HQ's 班次, rest, leave."""
    times = ShiftTime.objects.filter(is_open=True).order_by("place", "pk")
    return [
        Brush("work", "班", "上班"), *(Brush(f"work:{one.pk}", one.short, f"{one.name} {one.words}") for one in times),
        Brush("rest", "休", "休息"), Brush("leave", "假", "请假"),
    ]  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One day of one person, and what a tap on it makes of it."""

    facts: Day
    can_set: bool
    time_short: str = ""
    brush: Brush | None = None

    @property
    def day(self) -> date:
        return self.facts.day

    @property
    def kind(self) -> str:
        return self.facts.kind

    @property
    def short(self) -> str:
        return self.time_short or SHORT[Shift.Kind(self.kind)]

    @property
    def name(self) -> str:
        if self.facts.half_off:
            return HALVES[self.facts.half_off]
        return self.facts.shift or NAMES[Shift.Kind(self.kind)]

    @property
    def next_kind(self) -> str:
        return self.brush.key if self.brush else str(NEXT[Shift.Kind(self.kind)])

    @property
    def next_name(self) -> str:
        return self.brush.name if self.brush else NAMES[NEXT[Shift.Kind(self.kind)]]


@dataclass(frozen=True)
class Row:
    """One person's week. `covers` says for each day away who does the work then: (day, sentence, is anybody left)."""

    person: Staff
    cells: list[Cell]
    covers: list[tuple[date, str, bool]]
    is_own: bool

    @property
    def cover_lines(self) -> list[dict[str, Any]]:
        """The same, a line for each way: 周三、周六 何勇代办. `last` is the last of its days."""
        lines: dict[str, dict[str, Any]] = {}
        for day, said, is_covered in self.covers:
            line = lines.setdefault(said, {"days": [], "said": said, "is_covered": is_covered})
            line["days"].append(words.weekday(day))
            line["last"] = day
        return [line | {"days": "、".join(line["days"])} for line in lines.values()]


@dataclass(frozen=True)
class Column:
    """One day of the store, and how many are there."""

    day: date
    at_work: int
    is_today: bool
    holiday: str
    holiday_kind: str


@never_cache
@require_GET
@access.roles("store_manager")
def shifts(request: HttpRequest) -> HttpResponse:
    """The manager's week: a tap on a day changes it."""
    today = clock.today()
    start = _monday(request.GET.get("week", ""), today)
    facts = _facts(access.actor_of(request), start, today, brush=request.GET.get("brush", ""))
    return render(request, "attendance/shifts.html", facts)


@never_cache
@require_GET
@access.roles("guide", "store_manager")
def own_week(request: HttpRequest) -> HttpResponse:
    """我的班: one's own week, to be read."""
    actor = access.actor_of(request)
    today = clock.today()
    start = _monday(request.GET.get("week", ""), today)
    me = list(Staff.objects.filter(pk=actor.staff_id).select_related("store", "backup_guide__store"))
    rows, _columns = _week(me, start, today, actor=actor, can_set=False)
    context = _around(start, today) | {"rows": rows, "shell": shell_of(actor), "nav_current": "me"}
    return render(request, "attendance/own_week.html", context)


@require_POST
@access.roles("store_manager")
def set_day(request: HttpRequest, pk: int) -> HttpResponse:
    """Make one day of a person 上班, 休 or 假. `shift` is `2026-03-11 rest`; 撤销 sends it in the address."""
    actor = access.actor_of(request)
    now, today = clock.now(), clock.today()
    person = _people(actor).filter(pk=pk).first()
    if person is None:
        raise NotFound()
    day_text, _space, wanted = (request.POST.get("shift", "") or request.GET.get("shift", "")).partition(" ")
    day, (kind, _colon, time_text) = desk.day(day_text), wanted.partition(":")
    if day is None or abs(day - today) > FARTHEST or kind not in Shift.Kind.values:
        raise Invalid("没看懂是哪一天，重新点一下")
    if day < today:
        raise Invalid("过去的日子不能改了")
    shift_time = ShiftTime.objects.filter(pk=desk.chosen(time_text)).first() if time_text else None
    if time_text and shift_time is None:
        raise Invalid("这个班次没有了，刷新看看")
    was = days_of([person], day, day + timedelta(days=1))[person.pk, day]
    before = f"{was.kind}:{was.time_id}" if was.time_id else was.kind

    def work() -> dict[str, Any]:
        set_shift(person, day=day, kind=kind, actor=actor, now=now, shift_time=shift_time)
        name = shift_time.name if shift_time else NAMES[Shift.Kind(kind)]
        return {"said": f"{person.name} {words.weekday(day)}改成{name}", "before": before}

    answer, _ = idempotency.once(request, {"day": day, "kind": wanted}, work)
    undo = f"{reverse('guides:shift-set', args=[pk])}?shift={day}+{answer['before']}"
    return _roster(request, actor, day, today, answer["said"], undo=undo)


@require_POST
@access.roles("store_manager")
def copy_last_week(request: HttpRequest) -> HttpResponse:
    """照上周排: the rest days and 班次 of the week before, for everybody but oneself."""
    return _whole_week(request, lambda people, start, actor, now: copy_week(people, to=start, actor=actor, now=now))


@require_POST
@access.roles("store_manager")
def fill_empty_days(request: HttpRequest) -> HttpResponse:
    """没排的都排成: the days nobody has set get one 班次."""
    shift_time = ShiftTime.objects.filter(pk=desk.chosen(request.POST.get("time")), is_open=True).first()
    return _whole_week(
        request,
        lambda people, start, actor, now: fill_week(people, start=start, shift_time=shift_time, actor=actor, now=now),
    )


def _whole_week(request: HttpRequest, act: Callable[[list[Staff], date, Actor, datetime], int]) -> HttpResponse:
    actor, now, today = access.actor_of(request), clock.now(), clock.today()
    start = _monday(request.POST.get("week", ""), today)
    people = [one for one in _people(actor) if one.pk != actor.staff_id]

    def work() -> dict[str, Any]:
        return {"count": act(people, start, actor, now)}

    answer, _ = idempotency.once(request, {"week": start, "time": request.POST.get("time", "")}, work)
    said = f"排好了 {answer['count']} 天" if answer["count"] else "没有可排的日子：过去的、请了假的不动"
    return _roster(request, actor, start, today, said)


def _roster(request: HttpRequest, actor: Actor, day: date, today: date, said: str, *, undo: str = "") -> HttpResponse:
    start, brush = _monday(str(day), today), request.POST.get("brush", "")
    if hx.is_htmx(request):
        response = render(request, "attendance/roster.html", _facts(actor, start, today, brush=brush))
        return hx.toast(response, said, undo=undo, target="#roster" if undo else "")
    hx.flash(request, said, undo=undo)
    painted = f"&brush={brush}" if brush else ""
    return HttpResponseRedirect(f"{reverse('guides:shifts')}?week={start}{painted}")


# ---------------------------------------------------------------- the week


def _people(actor: Actor) -> Any:
    """Return the employed people of the actor's store; office staff without a store are nobody's."""
    return Staff.objects.filter(
        under_grants(actor.reach("store_manager"), path="unit__path", store="store_id"), store__isnull=False
    ).employed()


def _facts(actor: Actor, start: date, today: date, *, brush: str = "") -> dict[str, Any]:
    people = list(_people(actor).select_related("backup_guide__store", "store").order_by("store_id", "pk"))
    people.sort(key=lambda person: person.pk == actor.staff_id)  # oneself last: that row is to be read
    kinds = brushes()
    chosen = next((one for one in kinds if one.key == brush), None)
    rows, columns = _week(people, start, today, actor=actor, can_set=True, brush=chosen, kinds=kinds)
    return _around(start, today) | {
        "rows": rows, "columns": columns, "brushes": kinds, "brush": chosen, "troubles": _troubles(rows, columns, today),
        "times": [one for one in kinds if one.key.startswith("work")], "nav_current": "shifts",
    }  # fmt: skip


def _troubles(rows: list[Row], columns: list[Column], today: date) -> list[str]:
    """Name what is wrong with the days ahead: nobody in the store, a holiday without its manager (国庆营业与值班安排)."""
    found = [
        f"{words.weekday(one.day)}（{one.day:%m-%d}）没有人上班"
        for one in columns
        if one.day >= today and not one.at_work
    ]
    heads = [row for row in rows if row.is_own]
    for number, one in enumerate(columns):
        is_feast = one.day >= today and one.at_work and one.holiday_kind == Holiday.Kind.STATUTORY
        if is_feast and heads and all(row.cells[number].kind in AWAY for row in heads):
            found.append(f"{words.weekday(one.day)}（{one.day:%m-%d}）是{one.holiday}，店长不在，要有人值班")
    return found


def _around(start: date, today: date) -> dict[str, Any]:
    this = today - timedelta(days=today.weekday())
    name = {0: "本周", 7: "下周", -7: "上周"}.get((start - this).days, "")
    return {
        "start": start, "last": start + timedelta(days=6), "before": start - WEEK, "after": start + WEEK, "today": today,
        "week_name": name, "is_this_week": start == this,
    }  # fmt: skip


def _week(
    people: list[Staff], start: date, today: date, *, actor: Actor, can_set: bool, brush: Brush | None = None,
    kinds: Sequence[Brush] = (),
) -> tuple[list[Row], list[Column]]:  # fmt: skip
    """Put a week together with one look at the roster and one at the holidays, backups of other stores included."""
    days = [start + timedelta(days=number) for number in range(7)]
    backups = [person.backup_guide for person in people if person.backup_guide]
    everybody = list({one.pk: one for one in [*people, *backups]}.values())
    known = days_of(everybody, start, start + WEEK)
    shorts = {one.key: one.short for one in kinds}
    rows = []
    for person in people:
        is_own = person.pk == actor.staff_id
        cells = []
        for day in days:
            facts = known[person.pk, day]
            # A request that was approved is changed where it stands, under 请假.
            free = can_set and not is_own and day >= today and facts.leave_id is None
            short = shorts.get(f"work:{facts.time_id}", "") or facts.shift[:1]
            cells.append(Cell(facts, free, short if facts.is_work else "", brush))
        covers = [(cell.day, *_cover(person, cell.day, known)) for cell in cells if cell.kind in AWAY]
        rows.append(Row(person, cells, covers, is_own))
    columns = []
    for day in days:
        facts = next((known[one.pk, day] for one in people), None)
        there = sum(known[one.pk, day].is_work for one in people)
        columns.append(
            Column(day, there, day == today, facts.holiday if facts else "", facts.holiday_kind if facts else "")
        )
    return rows, columns


def _cover(person: Staff, day: date, known: dict[tuple[int, date], Day]) -> tuple[str, bool]:
    """Say who does a person's work on a day away: the backup on duty, else the store manager (followup_3369, assignment)."""
    backup = person.backup_guide
    if backup is None:
        return "没有代办人，转给店长", False
    if not backup.is_active:
        return f"{backup.name}不在职，转给店长", False
    if not known[backup.pk, day].is_work:
        return f"{backup.name}也不在，转给店长", False
    return f"{backup.name}代办", True


def _monday(text: str, today: date) -> date:
    """Return the Monday of the week that is asked for; of this one where that makes no sense or is too far."""
    day = desk.day(text)
    if day is None or abs(day - today) > FARTHEST:
        day = today
    return day - timedelta(days=day.weekday())


nav.add(
    "manager", key="shifts", label="排班", icon="calendar-days", url="guides:shifts", order=30, roles=("store_manager",)
)  # fmt: skip
