"""/g/fittings/: who comes today, what is being made; measuring with one thumb; each step to the wardrobe; the store's slots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.catalogue.outfits.wardrobe import sizes_of
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk, hx, live, nav, panels
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.money import yuan_plain
from yejibao.core.scope import Actor

from . import queries, services
from .forms import read_day, read_order, read_taken
from .models import Fitting
from .rules import cm, rules

SERVERS = ("guide", "store_manager")
WORN = ("西服", "衬衫", "裤装")  # whose sizes stand beside the tape
TABS = (("day", "到店"), ("work", "制作中"), ("over", "已结束"))


# ---------------------------------------------------------------- lists


@never_cache
@require_GET
@access.roles(*SERVERS)
def fittings(request: HttpRequest) -> HttpResponse:
    """量身定制: who comes on a day, by the clock; what was measured and is on its way; what is over."""
    actor, now = access.actor_of(request), clock.now()
    chosen, before = request.GET.get("tab", ""), request.GET.get("before", "")[:64]
    tab = chosen if chosen in dict(TABS) else "day"
    day = desk.day(request.GET.get("day")) or clock.local_day(now)
    facts: dict[str, Any] = {
        "tab": tab,
        "tabs": TABS,
        "day": day,
        "today": clock.local_day(now),
        **shell_facts(actor, "service"),
    }
    if tab == "day":
        facts |= {
            "rows": queries.day_list(actor, day), "before_day": day - queries.ONE_DAY, "next_day": day + queries.ONE_DAY,
            "may_plan": actor.has_role("store_manager"),
        }  # fmt: skip
        return render(request, "fittings/list.html", facts)
    page = queries.work_page(actor, before=before) if tab == "work" else queries.over_page(actor, before=before)
    facts |= {"page": page, "rows": page.rows}
    return render(request, "fittings/rows.html" if hx.is_htmx(request) and before else "fittings/list.html", facts)


# ---------------------------------------------------------------- one


def read_fitting(actor: Actor, pk: int) -> Fitting:
    """Return a fitting the actor may see. Raises NotFound."""
    rows = Fitting.objects.visible_to(actor).with_people()
    found: Fitting | None = rows.select_related("member__owner_guide", "order_line__order").filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_GET
@access.roles(*SERVERS)
def fitting(request: HttpRequest, pk: int) -> HttpResponse:
    """One: when he comes, his measures, what is made, what comes next. What he does on his phone shows by itself."""
    actor, now = access.actor_of(request), clock.now()
    held = read_fitting(actor, pk)
    steps = queries.steps_of(held)
    mark = live.mark(held, len(steps))
    facts: dict[str, Any] = {
        "fitting": held,
        "steps": steps,
        "mark": mark,
        "live_url": request.path,
        **shell_facts(actor, "service"),
    }

    def build() -> HttpResponse:
        if hx.is_htmx(request):
            return render(request, "fittings/part_state.html", facts | _whole(request, held))
        return render(request, "fittings/fitting.html", facts | _whole(request, held))

    facts["now"] = now
    return live.answer(request, mark, build)


def _whole(request: HttpRequest, held: Fitting) -> dict[str, Any]:
    now = clock.now()
    before = queries.newest_measure(held.member_id, but=held.measure_id)
    promise = services.default_promise(held, now=now)
    return {
        "member": held.member, "garment": rules().garments.get(held.garment),
        "lines": queries.measure_lines(held.measure.values, before.values if before else {}) if held.measure else [],
        "promise": promise, "today": clock.local_day(now), "later": (held.promised_on or promise) + timedelta(days=3),
        "to_link": queries.lines_to_link(held, now=now) if held.state not in ("booked", *Fitting.FREED) and not held.order_line_id else [],
        "has_begun": now >= held.starts_at, "me": access.actor_of(request).staff_id,
        "is_manager": access.actor_of(request).has_role("store_manager"),
        "hung": panels.render("fitting", request, fitting=held, now=now),
    }  # fmt: skip


@require_POST
@access.roles(*SERVERS)
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """One step: `do` is take, no_show, cancel, start, delay, ready, back, collected, link or note."""
    actor = access.actor_of(request)
    held, given = read_fitting(actor, pk), request.POST
    content = {name: given.get(name, "") for name in ("do", "text", "promised_on", "line")}
    answer, refusal = desk.attempt(request, content, lambda: {"said": _do(held, content, actor)})
    said = desk.sentence(refusal) if refusal else answer["said"]
    return desk.done(request, said, reverse("crm:fitting", args=[pk]))


def _do(held: Fitting, given: dict[str, str], actor: Actor) -> str:
    now = clock.now()
    told: dict[str, Any] = {"actor": actor, "now": now}
    acts: dict[str, tuple[Callable[[], object], str]] = {
        "take": (lambda: services.take(held, **told), "这位客人你来接待"),
        "no_show": (lambda: services.mark_no_show(held, **told), "记下了：没有到店"),
        "cancel": (lambda: services.cancel_fitting(held, reason=given["text"], **told), "取消了，他看得到"),
        "start": (
            lambda: services.start_making(held, promised_on=read_day(given["promised_on"]), **told),
            "开始制作，日子他看得到",
        ),
        "delay": (
            lambda: services.delay_making(
                held, promised_on=read_day(given["promised_on"]), reason=given["text"], **told
            ),
            "延期记下了，去告诉他一声",
        ),
        "ready": (lambda: services.mark_ready(held, **told), "可以取衣了，去告诉他一声"),
        "back": (
            lambda: services.send_back(held, promised_on=read_day(given["promised_on"]), reason=given["text"], **told),
            "送回去修改了",
        ),
        "collected": (lambda: services.hand_over(held, **told), "试穿合身，交给他了"),
        "link": (
            lambda: services.link_line(held, desk.chosen(given["line"]), **told),
            "对上了：这一件没有质量问题不退换",
        ),
        "note": (lambda: services.note(held, given["text"], **told), "记下了，顾客看不到"),
    }
    if given["do"] not in acts:
        raise Invalid("没看懂要做什么，刷新一下再试")
    work, said = acts[given["do"]]
    work()
    return said


# ---------------------------------------------------------------- measuring


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*SERVERS)
def measure(request: HttpRequest, pk: int) -> HttpResponse:
    """量体: large numbers, one after the other; what was typed stays on the phone until it has arrived."""
    actor, now = access.actor_of(request), clock.now()
    held = read_fitting(actor, pk)
    refusal: DomainError | None = None
    given = request.POST
    if request.method == "POST":

        def work() -> dict[str, Any]:
            services.measure_member(
                held, read_taken(given), read_order(given), actor=actor, now=now, is_sure=given.get("is_sure") == "1"
            )
            return {"said": "量好了，等他在手机上确认"}

        answer, refusal = desk.attempt(request, desk.posted(given), work)
        if refusal is None:
            return desk.done(request, answer["said"], reverse("crm:fitting", args=[pk]))
        if "text/html" not in request.headers.get("Accept", ""):
            raise refusal  # a draft that the page sends by itself shows it in place
    # The first of a field.
    wrong = {one["field"]: one["message"] for one in reversed(refusal.errors)} if refusal else {}
    before = queries.newest_measure(held.member_id)
    facts = _measure_facts(held, given, before.values if before else {}, wrong)
    facts |= {"refusal": refusal, "before": before, "me": actor.staff_id, **shell_facts(actor, "service")}
    return render(request, "fittings/measure.html", facts, status=refusal.status if refusal else 200)


@dataclass(frozen=True)
class Row:
    """One line of the form: a measure, for which garments it is wanted, what was typed and what is wrong with it."""

    line: queries.Line
    garments: str
    typed: str
    wrong: str

    @property
    def limits(self) -> str:
        one = rules().measures[self.line.key]
        return f"{cm(one.least)}–{cm(one.most)}"


def _measure_facts(held: Fitting, given: Any, before: dict[str, int], wrong: dict[str, str]) -> dict[str, Any]:
    book = rules()
    rows = [
        Row(
            line, " ".join(one.key for one in book.garments.values() if line.key in one.needs), given.get(f"m-{line.key}", ""),
            wrong.get(line.key, ""),
        )
        for line in queries.measure_lines({}, before, keys=book.measures)
    ]  # fmt: skip
    return {
        "fitting": held, "member": held.member, "book": book, "rows": rows, "chosen": given.get("garment") or held.garment or "suit",
        "given": given, "wrong": wrong,
        "chosen_styles": given.getlist("styles") if given else held.styles, "chosen_works": given.getlist("works") if given else held.works,
        "price": given.get("price") or _typed(held.price_fen), "deposit": given.get("deposit") or _typed(held.deposit_fen) or "0",
        "worn": {name: known.size for name, known in sizes_of(held.member).items() if name in WORN},
    }  # fmt: skip


def _typed(fen: int) -> str:
    """Return an amount as it stands in a field; "" for none."""
    return yuan_plain(fen) if fen else ""


def _coming(request: HttpRequest) -> int | None:
    return queries.to_come(access.actor_of(request), now=clock.now()) or None


nav.add(
    "tools",
    key="fittings",
    label="量身定制",
    icon="ruler",
    url="crm:fittings",
    order=36,
    roles=SERVERS,
    badge=_coming,
    loud=False,
)
