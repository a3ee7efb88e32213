"""/g/tickets/: the tickets of a store as guide and manager see them, one ticket, and a new one written down for a member."""

from __future__ import annotations

from datetime import time
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.catalogue.queries.finding import sku_of
from crm.members.models import Member
from guides.org import matrix
from guides.org.pages import shell_facts, shell_of
from yejibao.core import access, clock, desk, files, hx, idempotency, limits, live, nav
from yejibao.core.errors import Conflict, DomainError, NotFound
from yejibao.core.scope import Actor
from yejibao.wechatpay import services as wechatpay
from yejibao.wechatpay.models import PayOrder

from . import lists, queries, services
from .access_rows import read_ticket
from .acts import act
from .checking.queries import first_response, month_of
from .forms import content_of, form_facts, read_form
from .goods import asked_elsewhere, goods_instead, here_for, sources_of
from .models import Ticket, TicketStep
from .rules import rules
from .showing import mark_of, slip_of, standing, whole

ROOM = queries.ROOM
READERS = ("guide", "store_manager")
LOOKERS = (*READERS, "area_supervisor")  # of the one he was told of
SWAPPERS = (*READERS, "customer_service")  # who answers, and so may offer another piece
CALLERS = matrix.holders("stock.transfer")  # who asks other places for a piece
SPEAKERS = (
    *LOOKERS,
    "customer_service",
    "hq_operator",
    "hq_crm",
    "branch_member_manager",
    "finance",
)  # who leaves a word on one
STORE_CHANNELS = (("store_desk", "到店说的"), ("wecom_chat", "企微聊天"), ("phone", "打电话来"))


def _own_rows(actor: Actor) -> QuerySet[TicketStep]:
    """Files of a ticket are seen by who reads the ticket."""
    return TicketStep.objects.filter(ticket__in=Ticket.objects.visible_to(actor))


files.room(ROOM, rows=_own_rows, may_add=lambda actor: actor.has_role(*SPEAKERS) or actor.kind == "member")


@never_cache
@require_GET
@access.roles(*READERS)
def tickets(request: HttpRequest) -> HttpResponse:
    """售后: what waits for a word first, by its clock; the manager's besides: what nobody came for in 90 days."""
    actor, now = access.actor_of(request), clock.now()
    tabs = (*lists.TABS, lists.UNCLAIMED) if actor.has_role("store_manager") else lists.TABS
    chosen, before = request.GET.get("tab", ""), request.GET.get("before", "")[:64]
    tab = chosen if chosen in dict(tabs) else tabs[0][0]
    page = lists.own_page(actor, tab=tab, now=now, before=before)
    facts = {"page": page, "tab": tab, "tabs": tabs, "states": rules().states, **shell_facts(actor, "service")}
    if before and hx.is_htmx(request):
        return render(request, "aftersale/rows.html", facts)
    facts["mark"] = live.mark(tab, page.before, *page.rows)

    def build() -> HttpResponse:
        if hx.is_htmx(request):
            return render(request, "aftersale/list_part.html", facts)
        month = Ticket.objects.visible_to(actor).filter(
            opened_at__gte=clock.local_moment(month_of("", now=now), time())
        )
        return render(request, "aftersale/list.html", facts | {"month": first_response(month)})

    return live.answer(request, facts["mark"], build)


@never_cache
@require_GET
@access.signed_in
def find(request: HttpRequest, pk: int) -> HttpResponse:
    """Lead whoever was told of a ticket to the page of his role."""
    actor = access.actor_of(request)
    read_ticket(actor, pk)
    route = "crm:ticket" if shell_of(actor) != "base/hq.html" else "crm:desk-ticket"
    return HttpResponseRedirect(reverse(route, args=[pk]))


@never_cache
@require_GET
@access.roles(*LOOKERS)
def ticket(request: HttpRequest, pk: int) -> HttpResponse:
    """One ticket: what he asks, by when, what to say, the ways out, and what happened. What others change comes by itself."""
    actor, now = access.actor_of(request), clock.now()
    held = read_ticket(actor, pk)
    mark = mark_of(held, clock.local_day(now))

    def build() -> HttpResponse:
        facts = standing(request, held, now=now) | shell_facts(actor, "service")
        facts |= {"say_url": reverse("crm:ticket-say", args=[pk]), "mark": mark}
        if hx.is_htmx(request):
            return render(request, "aftersale/ticket_part.html", facts)
        return render(
            request, "aftersale/ticket.html", facts | whole(request, held, facts, called=_called(request), now=now)
        )

    return live.answer(request, mark, build)


def _called(request: HttpRequest) -> str:
    person: Any = request.user
    return person.display_name or person.name


@require_POST
@access.roles(*LOOKERS)
def say(request: HttpRequest, pk: int) -> HttpResponse:
    """Any act of a ticket's page (acts.py)."""
    return act(request, pk, back="crm:ticket")


@require_POST
@access.roles(*READERS)
@limits.by("money")
def fee_code(request: HttpRequest, pk: int) -> HttpResponse:
    """Charge the payment code on his phone with what the work costs. He may have to type his password: then the page waits."""
    actor, now, back = access.actor_of(request), clock.now(), reverse("crm:ticket", args=[pk])
    held = read_ticket(actor, pk)
    idempotency.must_have_key(request)
    try:
        code = wechatpay.read_code(request.POST.get("auth_code", ""))
        order = wechatpay.take_code(services.begin_fee(held, actor=actor, now=now), code, now=now)
    except Conflict as refusal:
        return desk.done(request, desk.sentence(refusal), back)
    if order.state != PayOrder.State.PAID:
        return desk.done(request, "等他输密码，付好了这里会变", back)
    services.settle_fee(
        int(order.subject), pay_order_id=order.pk, transaction_id=order.transaction_id or "", now=clock.now()
    )
    return desk.done(request, "收好了", back)


@never_cache
@require_GET
@access.roles(*READERS)
def bag(request: HttpRequest, pk: int) -> HttpResponse:
    """挂袋卡: the code for the bag a piece hangs in, large enough to be read from a rail; to be printed or copied by hand."""
    actor = access.actor_of(request)
    held = read_ticket(actor, pk)
    slip = slip_of(held)
    if slip is None:
        raise NotFound()
    return render(request, "aftersale/bag.html", {"ticket": held, "slip": slip, **shell_facts(actor, "service")})


@never_cache
@require_GET
@access.roles(*SWAPPERS)
def goods(request: HttpRequest, pk: int) -> HttpResponse:
    """换款: what he might take instead, with what lies here now. A part of the ticket's page."""
    actor = access.actor_of(request)
    held = read_ticket(actor, pk)
    if held.line is None:
        raise NotFound()
    query = request.GET.get("q", "")[:40]
    found = goods_instead(
        query, line=held.line, member=held.member, store=held.store, actor=actor, now=clock.now(),
        is_faulty=held.kind == Ticket.Kind.QUALITY, with_absent=True,
    )  # fmt: skip
    quote_url = reverse("crm:ticket-difference", args=[pk])
    return render(
        request, "aftersale/goods.html", {"found": found, "query": query, "field": "sku", "quote_url": quote_url}
    )


@never_cache
@require_GET
@access.roles(*SWAPPERS)
def difference(request: HttpRequest, pk: int) -> HttpResponse:
    """What the chosen piece costs him more or less, to the fen; what is not here is called from where it lies. A part of the page."""
    actor = access.actor_of(request)
    held = read_ticket(actor, pk)
    sku = sku_of(request.GET.get("sku", ""))
    if held.line is None or sku is None:
        raise NotFound()
    now, is_desk = clock.now(), shell_of(actor) == "base/hq.html"
    here = here_for(held.member, [sku.pk], store=held.store, now=now)[sku.pk]
    may_call = actor.has_role(*CALLERS)
    asked = None if here else asked_elsewhere(sku, store=held.store, member=held.member)
    places = sources_of(sku, store=held.store, actor=actor, now=now) if may_call and not here and not asked else []
    facts = {
        "quote": queries.exchange_offer(held, sku, now=now), "sku": sku, "ticket": held, "here": here, "asked": asked, "places": places,
        "may_call": may_call, "days": rules().exchange_promise_days, "is_desk": is_desk,
    }  # fmt: skip
    return render(request, "aftersale/difference.html", facts)


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*READERS)
def new_ticket(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """帮他申请: what a member says in the store, in the chat or by phone becomes a ticket."""
    actor, now = access.actor_of(request), clock.now()
    member = Member.objects.visible_to(actor).filter(public_id=public_id).first()
    if member is None:
        raise NotFound()
    given = request.POST if request.method == "POST" else request.GET
    kind = given.get("kind", "")
    facts = form_facts(member, line=given.get("line"), kind=kind, now=now) | shell_facts(actor, "service")
    facts |= {"member": member, "channels": STORE_CHANNELS, "given": given}
    if request.method == "GET":
        return render(request, "aftersale/new.html", facts)
    photos = files.take(request.FILES.getlist("photo"), given.getlist("photos"), room=ROOM, actor=actor, now=now)
    channel = given.get("channel", "")

    def work() -> dict[str, Any]:
        made = services.ask(
            member, actor=actor, now=now, photos=photos, channel=channel if channel in dict(STORE_CHANNELS) else "store_desk",
            **read_form(member, given),
        )  # fmt: skip
        return {"ticket": made.pk}

    try:
        answer, _replayed = idempotency.once(request, content_of(given), work)
    except DomainError as refusal:
        if refusal.errors:
            wrong = {one["field"]: one["message"] for one in refusal.errors}
            return render(request, "aftersale/new.html", facts | {"wrong": wrong}, status=422)
        if refusal.code != services.PieceHasTicket.code:
            raise
        begun = Ticket.objects.visible_to(actor).filter(public_id=refusal.extra["ticket"]).first()
        if begun is None:  # not hers to see: the sentence says that it is being worked on
            raise
        hx.flash(request, refusal.detail)
        return HttpResponseRedirect(reverse("crm:ticket", args=[begun.pk]))
    hx.flash(request, "售后单建好了，先回他一句")
    return HttpResponseRedirect(reverse("crm:ticket", args=[answer["ticket"]]))


def _waiting(request: HttpRequest) -> int | None:
    return queries.waiting_count(access.actor_of(request)) or None


nav.add(
    "tools", key="tickets", label="售后", icon="package", url="crm:tickets", order=35, roles=READERS, badge=_waiting
)
