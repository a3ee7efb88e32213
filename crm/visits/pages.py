"""/g/visits/: who comes today and later, one visit, a new invitation; the words and the link go into the chat."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_date, parse_time
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.catalogue.models import Sku
from crm.catalogue.queries import available, find_goods
from crm.members.customers import member_in_chat, member_of
from crm.members.models import Member
from crm.members.reaching import why_not_now
from guides.org import matrix
from guides.org.models import Store
from guides.org.pages import shell_facts
from yejibao.core import access, clock, desk, hx, idempotency, limits, live, nav
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.core.scope import Actor

from . import queries, rules, services
from .models import Kind, Visit
from .scoped import INVITE
from .services.steps import leave_trace
from .telling import slot_words

WHO = matrix.holders(INVITE)
STYLES_SHOWN = 6
IDEA = time(15, 0)


def read_visit(actor: Actor, pk: int) -> Visit:
    """Return a visit the actor may read. Raises NotFound."""
    found = Visit.objects.visible_to(actor).with_people().filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found


@never_cache
@require_GET
@access.roles(*WHO)
def visits(request: HttpRequest) -> HttpResponse:
    """邀约到店: today by the hour, later ones, what is over."""
    actor, now = access.actor_of(request), clock.now()
    chosen = request.GET.get("tab", "")
    tab = chosen if chosen in dict(queries.TABS) else queries.TABS[0][0]
    rows, before = queries.own_page(actor, tab=tab, now=now, before=request.GET.get("before", "")[:64])
    facts = {
        "rows": rows,
        "before": before,
        "tab": tab,
        "tabs": queries.TABS,
        "me": actor.staff_id,
        **shell_facts(actor, "visits"),
    }
    if hx.is_htmx(request):
        return render(request, "visits/rows.html", facts)
    return render(request, "visits/list.html", facts | {"asked": queries.asked_count(actor)})


@never_cache
@require_GET
@access.roles(*WHO)
def visit(request: HttpRequest, pk: int) -> HttpResponse:
    """One visit: when, what he said, what is set aside, and what may be done. It refreshes itself while she waits for him."""
    actor, now = access.actor_of(request), clock.now()
    held = read_visit(actor, pk)
    story = queries.story_of(held)
    mark = live.mark(held, held.guide, len(story.steps), *story.pieces, clock.local_day(now))
    facts = {
        "story": story, "visit": held, "member": held.member, "now": now, "times": time_choices(held.store, now=now), "mark": mark,
        "is_near": abs((clock.local_day(now) - held.day).days) <= rules.AROUND_DAYS, "slot": slot_words(held, now=now),
        "may_see_card": Member.objects.visible_to(actor).filter(pk=held.member_id).exists(), **shell_facts(actor, "visits"),
    }  # fmt: skip
    template = "visits/body.html" if hx.is_htmx(request) else "visits/visit.html"
    return live.answer(request, mark, lambda: render(request, template, facts))


def time_choices(store: Store, *, now: datetime) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the days one can come with the times of each, as a select shows them."""
    return [
        (_day_words(day), [(f"{day}T{at}", at) for at in rules.times_to_choose(store, day, now=now)])
        for day in rules.days_to_choose(store, now=now)
    ]


def _day_words(day: Any) -> str:
    return f"{day.month} 月 {day.day} 日 周{'一二三四五六日'[day.weekday()]}"


def moment_of(text: str) -> datetime:
    """Read `2026-11-28T15:00` (a `datetime-local` field, or a chosen time) as Shanghai time. Raises Invalid."""
    day_text, _, at_text = text.strip()[:25].partition("T")
    try:
        day, at = parse_date(day_text), parse_time(at_text)
    except ValueError:
        day, at = None, None
    if day is None or at is None or at.tzinfo is not None:
        raise Invalid("选一个时间", errors=[{"field": "starts_at", "code": "required", "message": "选一个时间"}])
    return clock.local_moment(day, at)


@require_POST
@access.roles(*WHO)
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """One act on a visit: `do` is accept, decline, move, arrive, undo or cancel."""
    actor, held, given = access.actor_of(request), read_visit(access.actor_of(request), pk), request.POST
    do, at, text = given.get("do", ""), given.get("starts_at", ""), given.get("text", "")

    def work() -> dict[str, Any]:
        return {"said": _do(held, do, at, text, actor)}

    answer, refusal = desk.attempt(request, {"do": do, "at": at, "text": text}, work)
    said = desk.sentence(refusal) if refusal else answer["said"]
    return desk.done(request, said, reverse("crm:visit", args=[pk]))


def _do(held: Visit, do: str, at: str, text: str, actor: Actor) -> str:
    now, called = clock.now(), held.member.called
    match do:
        case "accept":
            services.accept(held, actor=actor, now=now)
            return f"定了，{called}那边看得到" if held.is_wish else f"记下了，{called}说来"
        case "decline":
            services.decline(held, actor=actor, now=now, reason=text)
            return "记下了，留的货放回去了"
        case "move":
            moved = services.move_visit(held, starts_at=moment_of(at), actor=actor, now=now)
            return f"改到{slot_words(moved, now=now)}，{'等他点头' if held.is_wish else '他那边也变了'}"
        case "arrive":
            services.arrive(held, actor=actor, now=now)
            return f"{called}到店了"
        case "undo":
            services.take_back_arrival(held, actor=actor, now=now)
            return "撤回了"
        case "cancel":
            services.cancel(held, actor=actor, now=now, reason=desk.needs_reason(text))
            return "取消了，他的页面上看得到为什么"
    raise Invalid("没看懂要做什么，刷新一下再试")


# ---------------------------------------------------------------- a new one


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*WHO)
def new_visit(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """邀约到店: when, for what, what to set aside; then the link goes into the chat."""
    actor, now = access.actor_of(request), clock.now()
    member = (
        Member.objects.visible_to(actor).select_related("main_store", "owner_guide").filter(public_id=public_id).first()
    )
    if member is None:
        raise NotFound()
    store = Store.objects.filter(pk=actor.store_id or 0).first() or member.main_store
    facts = {
        "member": member, "store": store, "kinds": Kind.choices, "times": time_choices(store, now=now) if store else [],
        "idea": f"{clock.local_day(now) + timedelta(days=1)}T{IDEA:%H:%M}", "given": request.POST, "chosen": [],
        "open": Visit.objects.open().filter(member=member).exclude(state=Visit.State.PLANNED).first(), **shell_facts(actor, "visits"),
    }  # fmt: skip
    if request.method == "GET":
        return render(request, "visits/new.html", facts)
    given, skus = request.POST, chosen_skus(request)

    def work() -> dict[str, Any]:
        made = services.invite(
            member, starts_at=moment_of(given.get("starts_at", "")), actor=actor, now=now, kind=given.get("kind", ""),
            words=given.get("words", ""), store=store, sku_ids=skus, is_agreed=given.get("agreed") == "1",
            wants_reminder=given.get("reminder", "") == "1",
        )  # fmt: skip
        return {"visit": made.pk}

    content = {name: given.get(name, "") for name in ("starts_at", "kind", "words", "agreed", "reminder")} | {
        "skus": skus
    }
    answer, refusal = desk.attempt(request, content, work)
    if refusal is not None:
        chosen = Sku.objects.filter(pk__in=skus).select_related("style")
        return render(
            request,
            "visits/new.html",
            facts | {"refused": desk.sentence(refusal), "chosen": chosen},
            status=refusal.status,
        )
    hx.flash(request, "约好了" if given.get("agreed") == "1" else "邀约建好了，把链接发给他")
    return HttpResponseRedirect(reverse("crm:visit", args=[answer["visit"]]))


def chosen_skus(request: HttpRequest) -> list[int]:
    """Return the pieces a form names, at most six; what is no number is left out."""
    return [pk for one in request.POST.getlist("sku")[:6] if (pk := desk.chosen(one))]


@never_cache
@require_GET
@access.roles(*WHO)
@limits.by("search", given="q")
def pieces(request: HttpRequest) -> HttpResponse:
    """Goods to set aside: what the words find, with the sizes this store has. A part of a form."""
    actor, now, words = access.actor_of(request), clock.now(), request.GET.get("q", "").strip()[:32]
    found = list(find_goods(words, actor)[:STYLES_SHOWN]) if words else []
    skus = list(Sku.objects.filter(style__in=found).order_by("pk"))
    free = available([one.pk for one in skus], [actor.store_id or 0], now=now)
    lines = [
        (style, [(one, free[actor.store_id or 0, one.pk]) for one in skus if one.style_id == style.pk and (actor.store_id or 0, one.pk) in free])
        for style in found
    ]  # fmt: skip
    return render(request, "visits/pieces_found.html", {"lines": lines, "q": words})


@never_cache
@require_GET
@access.roles(*WHO)
def beside(request: HttpRequest) -> HttpResponse:
    """邀约 for whom she is chatting with: the client tells his id. Raises NotFound for somebody without a card."""
    external = request.GET.get("external_user_id", "")
    member = member_in_chat(access.actor_of(request), external, otherwise="先在会员页对上他是谁，再约他到店。")
    return HttpResponseRedirect(reverse("crm:visit-new", args=[member.public_id]))


# ---------------------------------------------------------------- to him


@require_POST
@access.roles(*WHO)
def share(request: HttpRequest, pk: int) -> JsonResponse:
    """发给他, first half: may it leave now? Then the words with the link, for the chat. Raises Conflict with the reason."""
    actor, now = access.actor_of(request), clock.now()
    held = read_visit(actor, pk)
    customer = member_of(actor, held.member.public_id)
    if why_not := why_not_now(customer, store=held.store, now=now):
        raise Conflict(why_not)
    if not held.is_open:
        raise Conflict("这次邀约已经有结果了")
    return JsonResponse(
        {
            "text": invitation(held, now=now), "external_user_id": customer.link.external_user_id if customer.link else "",
            "sent": reverse("crm:visit-sent", args=[pk]), "called": held.member.called,
        }
    )  # fmt: skip


def link_of(held: Visit) -> str:
    """Return the address he opens: signed in as him it shows his visit, to anybody else nothing."""
    return f"{settings.PUBLIC_BASE_URL}{reverse('crm:my-visit', args=[held.public_id])}"


def invitation(held: Visit, *, now: datetime) -> str:
    """Return what goes into the chat."""
    if held.source == Visit.Source.MEMBER:
        return f"{_answer_words(held, now=now)}：{link_of(held)}"
    what = f"，{held.words}" if held.words else ""
    said = f"{held.member.called}，{slot_words(held, now=now)}您来{held.store.short_name}坐坐{what}，要试的我提前备好。"
    return f"{said}\n方便的话点这里回我一声：{link_of(held)}"


def _answer_words(held: Visit, *, now: datetime) -> str:
    """Return what is said to one who asked himself: it stands, or another time is offered."""
    slot, place = slot_words(held, now=now), held.store.short_name
    if held.state == Visit.State.ACCEPTED:
        return f"{held.member.called}，{slot}我在{place}等您，要看的提前备好。要改时间点这里"
    return f"{held.member.called}，您要的时间不太方便，{slot}来{place}行吗？行就点这里回我一声"


@require_POST
@access.roles(*WHO)
def sent(request: HttpRequest, pk: int) -> JsonResponse:
    """发给他, second half: the client said it left."""
    actor, now = access.actor_of(request), clock.now()
    held = read_visit(actor, pk)

    def work() -> dict[str, Any]:
        told = services.note_told(held, actor=actor, now=now)
        leave_trace(told, "visit.sent", actor=actor, now=now, words="链接发给他了")
        return {"sent": True}

    answer, _replayed = idempotency.once(request, {"sent": pk}, work)
    return JsonResponse(answer)


def _waiting(request: HttpRequest) -> int | None:
    return queries.waiting_count(access.actor_of(request), now=clock.now()) or None


nav.add("tools", key="visits", label="邀约", icon="calendar-check", url="crm:visits", order=33, roles=WHO)
nav.add("sidebar", key="visits", label="邀约", icon="calendar-check", url="crm:visits", order=44)
