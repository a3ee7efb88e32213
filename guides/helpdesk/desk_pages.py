"""/hq/helpdesk/: the queue of a department, the thread as its answerer sees it, the categories, what was kept."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.org.actors import role_names
from yejibao.core import access, clock, desk, files, hx, idempotency, nav
from yejibao.core.errors import Invalid, NotFound

from . import queries, services
from .models import HelpCategory, HqCall, KnowledgeDraft
from .services.answering import KEEPER
from .services.categories import EDITED, change_category, duties_of, heads_for
from .services.telling import answerers

ROOM = "helpdesk"
FIGURES = timedelta(days=30)


@never_cache
@require_GET
@access.permission("call_hq.answer")
def queue(request: HttpRequest) -> HttpResponse:
    """What waits for my department, the nearest due first; other tabs with ?tab=."""
    actor, now = access.actor_of(request), clock.now()
    chosen = request.GET.get("tab", "")
    tab = chosen if chosen in dict(queries.TABS) else queries.TABS[0][0]
    page = queries.queue_page(actor, tab=tab, before=request.GET.get("before", "")[:64])
    facts = {"page": page, "tab": tab, "tabs": queries.TABS, "now": now, "waiting": queries.waiting_count(actor),
             "nav_current": "helpdesk"}  # fmt: skip
    is_more = hx.is_htmx(request) and bool(request.GET.get("before"))
    return render(request, "helpdesk/queue_rows.html" if is_more else "helpdesk/queue.html", facts)


@never_cache
@require_GET
@access.permission("call_hq.answer")
def desk_thread(request: HttpRequest, pk: int) -> HttpResponse:
    """One question with all that was said, and what can be done with it."""
    actor, call = access.actor_of(request), _answered(request, pk)
    lines = queries.thread_of(call)
    facts: dict[str, Any] = {
        "call": call,
        "lines": lines,
        "last": lines[-1].row.pk if lines else 0,
        "now": clock.now(),
        "me": actor.staff_id,
    }
    if hx.is_htmx(request):
        return render(request, "helpdesk/lines.html", facts | {"is_desk": True})
    draft = KnowledgeDraft.objects.filter(call=call).first()
    mates = answerers(call.category, day=clock.today()).exclude(pk=call.assignee_id or 0).order_by("name", "pk")
    facts |= {
        "draft": draft, "mates": list(mates[:50]), "nav_current": "helpdesk",
        "categories": list(HelpCategory.objects.filter(is_open=True).exclude(pk=call.category_id).order_by("place")),
        "asker_role": role_names().get(call.asker_role, ""),
    }  # fmt: skip
    return render(request, "helpdesk/desk.html", facts)


@require_POST
@access.permission("call_hq.answer")
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """接手, or take it over from who has it."""
    call, instead = _answered(request, pk), request.POST.get("instead_of", "")
    services.take(
        call, actor=access.actor_of(request), now=clock.now(),
        instead_of=_number(instead),
    )  # fmt: skip
    return desk.done(request, "你接了，尽快答复", _thread(pk))


@require_POST
@access.permission("call_hq.answer")
def answer(request: HttpRequest, pk: int) -> HttpResponse:
    """答复, or with how=back only a word in between."""
    actor, call = access.actor_of(request), _answered(request, pk)
    given = request.POST
    photos = files.take(
        request.FILES.getlist("photo"), given.getlist("photos"), room=ROOM, actor=actor, now=clock.now()
    )
    text, seen = given.get("text", ""), given.get("seen", "")
    last = _number(seen) or 0
    keep = (given.get("kept_question", ""), given.get("kept_answer", "") or text) if given.get("keep") == "1" else None

    def work() -> dict[str, Any]:
        now = clock.now()
        if given.get("how") == "back":
            services.ask_back(call, text, actor=actor, now=now, seen=last, photos=photos)
        else:
            services.answer(call, text, actor=actor, now=now, seen=last, photos=photos, keep_as=keep)
        return {"call": pk}

    idempotency.once(request, {"text": text, "how": given.get("how", ""), "seen": last, "keep": keep}, work)
    hx.flash(request, "发出去了，对方会收到提醒")
    return HttpResponseRedirect(_thread(pk))


@require_POST
@access.permission("call_hq.answer")
def pass_on(request: HttpRequest, pk: int) -> HttpResponse:
    """转给别人"""
    call, to = _answered(request, pk), request.POST.get("to", "")
    kind, _, number = to.partition(":")
    if kind not in ("category", "staff") or not number.isdecimal() or len(number) > 17:
        raise Invalid("选要转到哪个分类，或者哪位同事")
    services.pass_on(
        call, actor=access.actor_of(request), now=clock.now(), reason=request.POST.get("reason", ""),
        **{f"{kind}_id": int(number)},
    )  # fmt: skip
    return desk.done(request, "转过去了", reverse("guides:helpdesk"))


@require_POST
@access.permission("call_hq.answer")
def keep(request: HttpRequest, pk: int) -> HttpResponse:
    """沉淀: keep the answer for whoever asks next."""
    call = _answered(request, pk)
    services.keep_answer(
        call, request.POST.get("kept_question", ""), request.POST.get("kept_answer", ""), actor=access.actor_of(request),
        now=clock.now(),
    )  # fmt: skip
    return desk.done(request, "已沉淀，下一个问的人会先看到", _thread(pk))


def _answered(request: HttpRequest, pk: int) -> HqCall:
    call = HqCall.objects.answered_by(access.actor_of(request)).with_people().filter(pk=pk).first()
    if call is None:
        raise NotFound()
    return call


def _thread(pk: int) -> str:
    return reverse("guides:helpdesk-thread", args=[pk])


# ---------------------------------------------------------------- what was kept


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission("call_hq.answer")
def drafts(request: HttpRequest) -> HttpResponse:
    """Answers that are shown to who asks; POST takes one away."""
    actor = access.actor_of(request)
    if request.method == "POST":
        number = desk.number(request.POST.get("draft"), empty=0) or 0
        draft = KnowledgeDraft.objects.visible_to(actor).select_related("category").filter(pk=number).first()
        if draft is None:
            raise NotFound()
        services.refuse_draft(draft, actor=actor)
        return desk.done(request, "不再推荐这一条", request.path)
    page = queries.drafts_page(actor, before=request.GET.get("before", "")[:64])
    is_more = hx.is_htmx(request) and bool(request.GET.get("before"))
    facts = {
        "page": page,
        "now": clock.now(),
        "nav_current": "helpdesk",
        "roles": actor.roles,
        "keeps": actor.has_role(KEEPER),
    }
    return render(request, "helpdesk/draft_rows.html" if is_more else "helpdesk/drafts.html", facts)


# ---------------------------------------------------------------- categories


@never_cache
@require_GET
@access.permission("call_hq.answer")
def categories(request: HttpRequest) -> HttpResponse:
    """Who answers what, how fast; the last 30 days beside it."""
    now = clock.now()
    figures = queries.category_figures(since=now - FIGURES)
    rows = HelpCategory.objects.select_related("duty", "head").order_by("place", "pk")
    facts = {
        "rows": [{"row": row, "role": role_names().get(row.responder, row.responder), **figures.get(row.pk, {})} for row in rows],
        "may_edit": access.actor_of(request).may("account.manage"), "nav_current": "helpdesk", "now": now,
    }  # fmt: skip
    return render(request, "helpdesk/categories.html", facts)


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission("account.manage")
def category(request: HttpRequest, pk: int) -> HttpResponse:
    """Change how fast a category is answered, who is on duty and who heads it."""
    row, now = HelpCategory.objects.filter(pk=pk).first(), clock.now()
    if row is None:
        raise NotFound()
    facts: dict[str, Any] = {
        "row": row, "people": duties_of(row, now), "heads": heads_for(now), "seen": desk.seen(row, EDITED),
        "nav_current": "helpdesk", "role": role_names().get(row.responder, row.responder),
    }  # fmt: skip
    if request.method == "GET":
        return render(request, "helpdesk/category.html", facts)
    given = {
        name: request.POST.get(name, "") for name in ("minutes", "hours", "duty", "head", "seen", "dealers", "open")
    }

    def work() -> dict[str, Any]:
        changed = change_category(
            row, minutes=_number(given["minutes"]) or 0, hours=_number(given["hours"]) or 0, duty_id=_number(given["duty"]),
            head_id=_number(given["head"]), is_for_dealers=given["dealers"] == "1", is_open=given["open"] == "1",
            seen=given["seen"], actor=access.actor_of(request), now=now,
        )  # fmt: skip
        return {"category": changed.pk}

    _answer, refusal = desk.attempt(request, given, work)
    if refusal is None:
        return desk.done(request, "已改好", reverse("guides:helpdesk-categories"))
    return render(request, "helpdesk/category.html", facts | {"refusal": desk.sentence(refusal)}, status=refusal.status)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 18 else None


def waiting_count(request: HttpRequest) -> int | None:
    """Return how many questions wait for this person."""
    return queries.waiting_count(access.actor_of(request)) or None


nav.add("hq", key="helpdesk", label="呼叫总部", icon="headset", url="guides:helpdesk", order=60, permission="call_hq.answer",
        badge=nav.kept(waiting_count))  # fmt: skip
