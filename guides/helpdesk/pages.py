"""/g/help/: asking HQ, and what came of it. For guides, store managers and dealers."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.org.models import Store
from guides.org.pages import shell_of
from yejibao.core import access, clock, desk, files, hx, idempotency, limits, nav
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from . import queries, services
from .models import HqCall, KnowledgeDraft
from .scoped import speaker_filter
from .searching import find_answers, find_calls

ROOM = "helpdesk"
STARS = (1, 2, 3, 4, 5)


def _shell(actor: Actor) -> dict[str, Any]:
    return {"shell": shell_of(actor), "nav_current": "me", "now": clock.now()}


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission("call_hq.ask")
def help_page(request: HttpRequest) -> HttpResponse:
    """呼叫总部: the question, and one's own before it. With ?of=store what one's stores asked."""
    actor = access.actor_of(request)
    if request.method == "POST":
        return _ask(request, actor)
    leads = actor.has_role("store_manager", "dealer")
    of_store = leads and request.GET.get("of") == "store"
    page = queries.own_page(actor, before=request.GET.get("before", "")[:64], of_store=of_store)
    facts = {"page": page, "of_store": of_store, "leads": leads}
    if hx.is_htmx(request) and request.GET.get("before"):
        return render(request, "helpdesk/rows.html", facts | _shell(actor))
    stores = (
        [] if actor.store_id else list(Store.objects.visible_to(actor).filter(closed_on=None).order_by("code")[:200])
    )
    facts |= {"categories": queries.categories_for(actor), "stores": stores, "me": actor.staff_id}
    return render(request, "helpdesk/help.html", facts | _shell(actor))


def _ask(request: HttpRequest, actor: Actor) -> HttpResponse:
    photos = _photos(request, actor)
    text, category = request.POST.get("text", ""), request.POST.get("category", "")
    store = _store(request, actor)
    urgent = request.POST.get("urgent") == "1"

    def work() -> dict[str, Any]:
        call = services.ask(
            text, category=category, actor=actor, now=clock.now(), photos=photos, store=store, is_urgent=urgent
        )
        return {"call": call.pk}

    content = {"text": text, "category": category, "store": store.pk if store else None, "urgent": urgent}
    answer, _replayed = idempotency.once(request, content, work)
    hx.flash(request, "已经呼叫总部，答复了会提醒你")
    return HttpResponseRedirect(reverse("guides:help-thread", args=[answer["call"]]))


def _store(request: HttpRequest, actor: Actor) -> Store | None:
    number = desk.number(request.POST.get("store"))
    if number is None:
        return None
    found = Store.objects.visible_to(actor).filter(pk=number).first()
    if found is None:
        raise NotFound()
    return found


def _photos(request: HttpRequest, actor: Actor) -> list[Any]:
    return files.take(
        request.FILES.getlist("photo"), request.POST.getlist("photos"), room=ROOM, actor=actor, now=clock.now()
    )


@limits.by("search", given="text")
@never_cache
@require_GET
@access.permission("call_hq.ask")
def found(request: HttpRequest) -> HttpResponse:
    """What is like the question that is being typed: kept answers, and answered questions of one's own."""
    actor, text = access.actor_of(request), request.GET.get("text", "").strip()[:200]
    is_long = len(text) > 1
    answers = find_answers(text, actor=actor, category=request.GET.get("category", "")) if is_long else []
    kept = {one.call_id for one in answers}
    calls = [one for one in find_calls(text, actor=actor) if one.pk not in kept] if is_long else []
    return render(request, "helpdesk/found.html", {"answers": answers, "calls": calls, "now": clock.now()})


@require_POST
@access.permission("call_hq.ask")
def helped(request: HttpRequest, pk: int) -> HttpResponse:
    """这条帮到我了: nobody is rung."""
    actor = access.actor_of(request)
    draft = KnowledgeDraft.objects.visible_to(actor).filter(pk=pk).first()
    if draft is None:
        raise NotFound()
    services.mark_helped(draft, actor=actor, now=clock.now())
    return desk.done(request, "太好了，不用打扰总部了", reverse("guides:help"))


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission("call_hq.ask")
def thread(request: HttpRequest, pk: int) -> HttpResponse:
    """One question as its asker sees it; POST says more."""
    actor, call = access.actor_of(request), _spoken(request, pk)
    if request.method == "POST":
        photos, text = _photos(request, actor), request.POST.get("text", "")

        def work() -> dict[str, Any]:
            return {"call": services.follow_up(call, text, actor=actor, now=clock.now(), photos=photos).pk}

        idempotency.once(request, {"text": text, "call": pk, "photos": len(photos)}, work)
        return HttpResponseRedirect(request.path)
    lines = queries.thread_of(call)
    facts = {
        "call": call, "lines": lines, "last": lines[-1].row.pk if lines else 0, "stars": STARS, "me": actor.staff_id,
        "may_rate": call.state == HqCall.State.ANSWERED or call.state == HqCall.State.CLOSED and call.rating is None,
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "helpdesk/lines.html", facts | _shell(actor))
    return render(request, "helpdesk/thread.html", facts | _shell(actor))


@require_POST
@access.permission("call_hq.ask")
def rate(request: HttpRequest, pk: int) -> HttpResponse:
    """One to five stars; few of them open it again."""
    actor, call = access.actor_of(request), _spoken(request, pk)
    given = request.POST.get("stars", "")
    if not given.isdecimal() or len(given) > 2:
        raise Invalid("点一下几颗星")
    rated = services.rate(call, int(given), actor=actor, now=clock.now(), note=request.POST.get("note", ""))
    said = "谢谢评价" if rated.state == HqCall.State.CLOSED else "已重新打开，会有人再来答复"
    return desk.done(request, said, reverse("guides:help-thread", args=[pk]))


@require_POST
@access.permission("call_hq.ask")
def close(request: HttpRequest, pk: int) -> HttpResponse:
    """已解决"""
    services.close(_spoken(request, pk), actor=access.actor_of(request), now=clock.now())
    return desk.done(request, "已结束", reverse("guides:help-thread", args=[pk]))


def _spoken(request: HttpRequest, pk: int) -> HqCall:
    actor = access.actor_of(request)
    call = HqCall.objects.filter(speaker_filter(actor)).with_people().filter(pk=pk).first()
    if call is None:
        raise NotFound()
    return call


def answered_count(request: HttpRequest) -> int | None:
    """Return how many answers wait to be looked at."""
    return queries.open_count(access.actor_of(request)) or None


nav.add(
    "tools", key="help", label="呼叫总部", icon="headset", url="guides:help", order=20, permission="call_hq.ask",
    badge=answered_count,
)  # fmt: skip
nav.add("hq", key="help", label="呼叫总部", icon="headset", url="guides:help", order=60, roles=("dealer",))
