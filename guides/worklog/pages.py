"""工作日志: the day's own log, and what was handed in, read upward with its sums."""

from datetime import date, time, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from guides.org import matrix
from guides.org.models import OrgUnit, Staff
from guides.org.pages import shell_of
from yejibao.core import access, clock, desk, nav
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.scope import Actor

from . import facts as known_facts
from . import queries, services
from .models import WorkLog
from .scoped import READ

WRITERS = queries.WRITERS
READERS = tuple(matrix.leaders(READ))
SHOWN = 30
FARTHEST = timedelta(days=366)


# ---------------------------------------------------------------- one's own


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WRITERS)
def own_log(request: HttpRequest) -> HttpResponse:
    """Today's log, or with ?day= yesterday's while it is open: figures filled in, a few words, handed in once."""
    actor, now = access.actor_of(request), clock.now()
    person = _me(actor)
    today = clock.local_day(now)
    day = desk.day(request.POST.get("day", "") or request.GET.get("day", "")) or today
    day = day if today - timedelta(days=1) <= day <= today else today
    refusal = None
    typed = {key[2:]: str(value) for key, value in request.POST.items() if key.startswith("a_")}
    if request.method == "POST":
        hand_in = request.POST.get("do") == "hand_in"

        def work() -> dict[str, Any]:
            services.save_log(person, day, typed, actor=actor, now=now, hand_in=hand_in)
            return {"said": "交了，今天辛苦" if hand_in else "存好了，还没交"}

        answer, refusal = desk.attempt(request, {"day": str(day), "hand_in": hand_in} | typed, work)
        if refusal is None:
            return desk.done(request, answer["said"], f"{reverse('guides:own-worklog')}?day={day}")
    log = services.draft_of(person, day, now=now)
    times = queries.times_of(log.template, day)
    is_open = log.handed_in_at is None and now < times.closes_at
    earlier = WorkLog.objects.handed_in().filter(staff=person).order_by("-day", "-pk")[:SHOWN]
    shown = {
        "log": log, "day": day, "times": times, "is_open": is_open, "is_late": now > times.due_at,
        "facts": log.facts if log.handed_in_at else known_facts.read_facts(person.pk, day, log.template.prefilled, now=now),
        "questions": [one | {"words": typed[one["key"]]} if one["key"] in typed else one for one in log.answered()],
        "comments": _comments(log) if log.pk else [], "earlier": earlier, "today": today,
        "yesterday": _missed_yesterday(person, today, now), "refusal": desk.sentence(refusal) if refusal else "",
        "errors": {one["field"]: one["message"] for one in refusal.errors} if refusal else {},
    }  # fmt: skip
    return render(request, "worklog/own.html", shown | _shell(actor), status=refusal.status if refusal else 200)


def _missed_yesterday(person: Staff, today: date, now: Any) -> date | None:
    """Return yesterday where its log may still be handed in and was not, on a day she worked."""
    day = today - timedelta(days=1)
    template = services.current_template(now=now)
    if now >= queries.times_of(template, day).closes_at:
        return None
    return day if queries.missing_on(day).filter(pk=person.pk).exists() else None


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WRITERS)
def own_old_log(request: HttpRequest, pk: int) -> HttpResponse:
    """A log one handed in, with what was said of it; one may answer."""
    actor = access.actor_of(request)
    log = (
        WorkLog.objects.handed_in()
        .filter(staff_id=actor.staff_id or 0, pk=pk)
        .select_related("staff", "template")
        .first()
    )
    if log is None:
        raise NotFound()
    return _one(request, log, actor, back=reverse("guides:own-worklog"))


# ---------------------------------------------------------------- read upward


@never_cache
@require_GET
@access.roles(*READERS)
def logs(request: HttpRequest) -> HttpResponse:
    """A day's logs: of a store by person, of what is above it in sums, the part with the fewest first."""
    actor, now = access.actor_of(request), clock.now()
    today = clock.local_day(now)
    day = desk.day(request.GET.get("day", "")) or today
    day = day if abs(day - today) <= FARTHEST and day <= today else today
    unit = _unit(actor, request.GET.get("unit", ""))
    stores = queries.stores_read(actor)
    store = stores.filter(unit=unit).first() if unit else None
    if unit is None and len(only := list(stores[:2])) == 1:
        store = only[0]
    shown: dict[str, Any] = {
        "day": day, "today": today, "before": day - timedelta(days=1), "after": day + timedelta(days=1), "unit": unit,
        "store": store, "can_template": actor.has_role(*services.KEEPERS), "above": _above(actor, unit),
    }  # fmt: skip
    if store:
        lines = queries.lines_of(store, day)
        sums = queries.Sums(
            sum(one.is_expected for one in lines), sum(one.log is not None for one in lines),
            sum(one.log is not None and one.log.is_late for one in lines),
        )  # fmt: skip
        shown |= {"lines": lines, "sums": sums}
    else:
        sums, parts = queries.sums_below(actor, unit, day)
        shown |= {"parts": parts, "sums": sums}
    return render(request, "worklog/list.html", shown | _shell(actor, READING))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*READERS)
def log(request: HttpRequest, pk: int) -> HttpResponse:
    """One log of somebody below, with a line to write under it."""
    actor = access.actor_of(request)
    seen = WorkLog.objects.visible_to(actor).handed_in().select_related("staff__store", "template")
    found = seen.filter(pk=pk).first()
    if found is None:
        raise NotFound()
    services.mark_read(found, actor=actor, now=clock.now())
    back = f"{reverse('guides:worklogs')}?day={found.day}"
    return _one(request, found, actor, back=back)


def _one(request: HttpRequest, row: WorkLog, actor: Actor, *, back: str) -> HttpResponse:
    refusal = None
    if request.method == "POST":
        text = request.POST.get("text", "")

        def work() -> dict[str, Any]:
            services.comment(row, text, actor=actor, now=clock.now())
            return {}

        _answer, refusal = desk.attempt(request, {"text": text}, work)
        if refusal is None:
            return desk.done(request, "发出去了", request.path)
    shown = {
        "log": row, "questions": row.answered(), "facts": row.facts, "comments": _comments(row), "back": back,
        "is_own": row.staff_id == actor.staff_id, "refusal": desk.sentence(refusal) if refusal else "", "post": request.POST,
    }  # fmt: skip
    page = _shell(actor) if row.staff_id == actor.staff_id else _shell(actor, READING)
    return render(request, "worklog/one.html", shown | page, status=refusal.status if refusal else 200)


# ---------------------------------------------------------------- the template


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*services.KEEPERS)
def template(request: HttpRequest) -> HttpResponse:
    """What logs ask and show, and when: HQ changes it, for logs that are begun from then on."""
    actor, now, post = access.actor_of(request), clock.now(), request.POST
    refusal: DomainError | None = None
    if request.method == "POST":
        numbers = range(services.QUESTIONS)
        asked = [(post.get(f"label{n}", ""), post.get(f"required{n}") == "1") for n in numbers]
        shown_keys = [one.key for one in known_facts.known() if post.get(f"fact_{one.key}") == "1"]
        moments = {name: post.get(name, "") for name in ("opens_at", "due_at", "closes_at")}

        def work() -> dict[str, Any]:
            hours = {name: _time(text) for name, text in moments.items()}
            made = services.change_template(
                prefilled=_in_order(shown_keys, now), questions=asked, **hours, seen=desk.chosen(post.get("seen")),
                reason=post.get("reason", ""), actor=actor, now=now,
            )  # fmt: skip
            return {"number": made.number}

        content = {"asked": asked, "facts": shown_keys, "seen": post.get("seen", ""), "reason": post.get("reason", "")}
        _answer, refusal = desk.attempt(request, content | moments, work)
        if refusal is None:
            return desk.done(request, "模板改好了，从现在起新写的日志用它", reverse("guides:worklog-template"))
    current = services.current_template(now=now)
    rows = [*current.questions, *({"label": "", "is_required": False} for _ in range(3))][: services.QUESTIONS]
    shown = {
        "template": current, "rows": list(enumerate(rows)), "known": known_facts.known(), "post": post,
        "refusal": desk.sentence(refusal) if refusal else "",
    }  # fmt: skip
    page = shown | {"nav_current": "hq-worklogs", "now": now}
    return render(request, "worklog/template.html", page, status=refusal.status if refusal else 200)


def _in_order(keys: list[str], now: Any) -> list[str]:
    """Return the figures in the template's order, new ones last; one nobody provides today stays for the day somebody does."""
    before = services.current_template(now=now).prefilled
    provided = {one.key for one in known_facts.known()}
    kept = [key for key in before if key in keys or key not in provided]
    return kept + [key for key in keys if key not in kept]


# ---------------------------------------------------------------- what they share

READING = "worklogs"


def _me(actor: Actor) -> Staff:
    found = Staff.objects.filter(pk=actor.staff_id, store__isnull=False).select_related("store").first()
    if found is None:
        raise NotFound("没有门店的同事不用写日志")
    return found


def _comments(row: WorkLog) -> list[Any]:
    return list(row.comments.select_related("by").order_by("at", "pk"))


def _unit(actor: Actor, text: str) -> OrgUnit | None:
    number = desk.number(text)
    if number is None:
        return None
    found = OrgUnit.objects.visible_to(actor).filter(pk=number).first()
    if found is None:
        raise NotFound()
    return found


def _above(actor: Actor, unit: OrgUnit | None) -> OrgUnit | None:
    """Return the unit one came from, where it is in sight."""
    if unit is None or unit.parent_id is None:
        return None
    return OrgUnit.objects.visible_to(actor).filter(pk=unit.parent_id).first()


def _time(text: str) -> time:
    found = desk.hour(text)
    if found is None:
        raise Invalid("选一下几点")
    return found


def _shell(actor: Actor, current: str = "me") -> dict[str, Any]:
    shell = shell_of(actor)
    if current == READING and shell == "base/hq.html":
        current = "hq-worklogs"
    return {"shell": shell, "now": clock.now(), "nav_current": current}


def unwritten(request: HttpRequest) -> int | None:
    """Return 1 where the log that was asked for is not handed in, None otherwise."""
    actor, now = access.actor_of(request), clock.now()
    today = clock.local_day(now)
    template = services.current_template(now=now)
    if actor.staff_id is None or now < queries.times_of(template, today).opens_at:
        return None
    return 1 if queries.missing_on(today).filter(pk=actor.staff_id).exists() else None


nav.add(
    "tools",
    key="worklog",
    label="工作日志",
    icon="pencil",
    url="guides:own-worklog",
    order=62,
    roles=WRITERS,
    badge=unwritten,
)
nav.add(
    "me",
    key="worklogs",
    label="看日志",
    icon="pencil",
    url="guides:worklogs",
    order=9,
    roles=tuple(r for r in READERS if r != "hq_retail"),
)
nav.add(
    "hq",
    key="hq-worklogs",
    label="工作日志",
    icon="pencil",
    url="guides:hq-worklogs",
    order=75,
    group="组织与权限",
    roles=("hq_retail",),
)
