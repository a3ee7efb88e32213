"""排班: who works on which day of a week, and who covers for whom; a guide sees her own week."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.models import Staff
from guides.org.scoped import under_grants
from yejibao.core import access, clock, hx, idempotency, nav, words
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from .models import Shift
from .queries import AWAY, kinds_of
from .services import set_shift

WEEK = timedelta(days=7)
FARTHEST = timedelta(days=366)
NEXT = {Shift.Kind.WORK: Shift.Kind.REST, Shift.Kind.REST: Shift.Kind.LEAVE, Shift.Kind.LEAVE: Shift.Kind.WORK}
SHORT = {Shift.Kind.WORK: "班", Shift.Kind.REST: "休", Shift.Kind.LEAVE: "假"}
NAMES = {Shift.Kind.WORK: "上班", Shift.Kind.REST: "休息", Shift.Kind.LEAVE: "请假"}


@dataclass(frozen=True)
class Cell:
    """One day of one person."""

    day: date
    kind: str
    can_set: bool

    @property
    def short(self) -> str:
        return SHORT[Shift.Kind(self.kind)]

    @property
    def name(self) -> str:
        return NAMES[Shift.Kind(self.kind)]

    @property
    def next_kind(self) -> str:
        return str(NEXT[Shift.Kind(self.kind)])

    @property
    def next_name(self) -> str:
        return NAMES[NEXT[Shift.Kind(self.kind)]]


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


@never_cache
@require_GET
@access.roles("store_manager")
def shifts(request: HttpRequest) -> HttpResponse:
    """The manager's week: a tap on a day changes it."""
    today = clock.today()
    facts = _facts(access.actor_of(request), _monday(request.GET.get("week", ""), today), today)
    return render(request, "attendance/shifts.html", facts)


@never_cache
@require_GET
@access.roles("guide", "store_manager")
def own_week(request: HttpRequest) -> HttpResponse:
    """我的班: one's own week, to be read."""
    actor = access.actor_of(request)
    today = clock.today()
    start = _monday(request.GET.get("week", ""), today)
    me = list(Staff.objects.filter(pk=actor.staff_id).select_related("backup_guide"))
    rows, _columns = _week(me, start, today, actor=actor, can_set=False)
    context = _around(start, today) | {"rows": rows, "shell": _shell(actor), "nav_current": "me"}
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
    day_text, _space, kind = (request.POST.get("shift", "") or request.GET.get("shift", "")).partition(" ")
    day = _day(day_text)
    if day is None or abs(day - today) > FARTHEST or kind not in Shift.Kind.values:
        raise Invalid("没看懂是哪一天，重新点一下")
    if day < today:
        raise Invalid("过去的日子不能改了")
    before = kinds_of([person], day, day + timedelta(days=1))[person.pk, day]

    def work() -> dict[str, Any]:
        set_shift(person, day=day, kind=kind, actor=actor, now=now)
        return {"said": f"{person.name} {words.weekday(day)}改成{NAMES[Shift.Kind(kind)]}", "before": before}

    answer, _ = idempotency.once(request, {"day": day, "kind": kind}, work)
    undo = f"{reverse('guides:shift-set', args=[pk])}?shift={day}+{answer['before']}"
    if hx.is_htmx(request):
        response = render(request, "attendance/roster.html", _facts(actor, _monday(str(day), today), today))
        return hx.toast(response, answer["said"], undo=undo, target="#roster")
    hx.flash(request, answer["said"], undo=undo)
    return HttpResponseRedirect(f"{reverse('guides:shifts')}?week={_monday(str(day), today)}")


# ---------------------------------------------------------------- the week


def _people(actor: Actor) -> Any:
    """Return the employed people of the actor's store; office staff without a store are nobody's."""
    return Staff.objects.filter(
        under_grants(actor.reach("store_manager"), path="unit__path", store="store_id"), store__isnull=False
    ).employed()


def _facts(actor: Actor, start: date, today: date) -> dict[str, Any]:
    people = list(_people(actor).select_related("backup_guide", "store").order_by("store_id", "pk"))
    people.sort(key=lambda person: person.pk == actor.staff_id)  # oneself last: that row is to be read
    rows, columns = _week(people, start, today, actor=actor, can_set=True)
    return _around(start, today) | {"rows": rows, "columns": columns, "nav_current": "shifts"}


def _around(start: date, today: date) -> dict[str, Any]:
    this = today - timedelta(days=today.weekday())
    name = {0: "本周", 7: "下周", -7: "上周"}.get((start - this).days, "")
    return {
        "start": start, "last": start + timedelta(days=6), "before": start - WEEK, "after": start + WEEK, "today": today,
        "week_name": name, "is_this_week": start == this,
    }  # fmt: skip


def _week(
    people: list[Staff], start: date, today: date, *, actor: Actor, can_set: bool
) -> tuple[list[Row], list[Column]]:
    """Put a week together with one look at the shift table, backups of other stores included."""
    days = [start + timedelta(days=number) for number in range(7)]
    backups = [person.backup_guide for person in people if person.backup_guide]
    everybody = list({one.pk: one for one in [*people, *backups]}.values())
    kinds = kinds_of(everybody, start, start + WEEK)
    rows = []
    for person in people:
        is_own = person.pk == actor.staff_id
        cells = [Cell(day, kinds[person.pk, day], can_set and not is_own and day >= today) for day in days]
        covers = [(cell.day, *_cover(person, cell.day, kinds)) for cell in cells if cell.kind in AWAY]
        rows.append(Row(person, cells, covers, is_own))
    columns = [Column(day, sum(kinds[one.pk, day] not in AWAY for one in people), day == today) for day in days]
    return rows, columns


def _cover(person: Staff, day: date, kinds: dict[tuple[int, date], str]) -> tuple[str, bool]:
    """Say who does a person's work on a day away: the backup on duty, else the store manager (followup_3369, assignment)."""
    backup = person.backup_guide
    if backup is None:
        return "没有代办人，转给店长", False
    if not backup.is_active:
        return f"{backup.name}不在职，转给店长", False
    if kinds[backup.pk, day] in AWAY:
        return f"{backup.name}也不在，转给店长", False
    return f"{backup.name}代办", True


def _day(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _monday(text: str, today: date) -> date:
    """Return the Monday of the week that is asked for; of this one where that makes no sense or is too far."""
    day = _day(text)
    if day is None or abs(day - today) > FARTHEST:
        day = today
    return day - timedelta(days=day.weekday())


def _shell(actor: Actor) -> str:
    return "base/guide.html" if actor.working_role == "guide" else "base/manager.html"


nav.add(
    "manager", key="shifts", label="排班", icon="calendar-days", url="guides:shifts", order=30, roles=("store_manager",)
)  # fmt: skip
