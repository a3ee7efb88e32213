"""手机储值 on the guide's phone: whom, how much, how he pays; then his own word is waited for, and the money."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.members.customers import find_members
from crm.members.models import Member
from guides.org import matrix
from guides.org.models import Staff, Store
from guides.org.pages import shell_of
from yejibao.core import access, audit, clock, desk, hx, idempotency, limits, nav, paging
from yejibao.core.clock import local_day
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.scope import Actor

from . import services
from .models import TopUp
from .queries import balance_of, has_real_name, live_wallet, offers_for, open_top_up, waiting_top_ups
from .rules import rules_on
from .scoped import ASK, TOP_UP

WHO, ASKERS = matrix.holders(TOP_UP), matrix.holders(ASK)
FOUND, PAGE = 12, 20
OVER = (TopUp.State.SETTLED, TopUp.State.CANCELLED, TopUp.State.EXPIRED)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WHO)
@limits.by("search", given="q")
def wallet(request: HttpRequest) -> HttpResponse:
    """Who tops up? What is on its way stands above. A phone is searched for in the body, never in the address."""
    actor, now = access.actor_of(request), clock.now()
    words = request.POST.get("q", "").strip()[:32]
    found = list(find_members(actor, words)[:FOUND]) if words else []
    context = {"members": found, "q": words, "waiting": waiting_top_ups(actor, now=now), **_shell(actor, now)}
    return render(request, "wallet/part_members.html" if hx.is_htmx(request) else "wallet/home.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WHO)
@limits.by("money", given="way")
def member_wallet(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One member's card and today's tiers; POST asks him to top up."""
    actor, now = access.actor_of(request), clock.now()
    member = _member(actor, public_id)
    refusal = None
    if request.method == "POST":
        idempotency.must_have_key(request)
        given = {name: request.POST.get(name, "").strip() for name in ("tier", "amount", "way", "distant")}
        answer, refusal = desk.attempt(request, given, lambda: _begin(member, given, actor=actor, now=now))
        if refusal is None:
            return desk.done(request, "已发到会员手机，请他确认", reverse("crm:top-up", args=[answer["id"]]))
    balance, rules = balance_of(member), rules_on(local_day(now))
    context = {
        "member": member, "balance": balance, "offers": offers_for(member, now=now), "open": open_top_up(member, now=now),
        "cap_fen": rules.cap_fen, "room_fen": max(0, rules.cap_fen - balance.total_fen), "step": rules.step_fen // 100,
        "has_real_name": has_real_name(member), "refusal": desk.sentence(refusal) if refusal else "", "given": request.POST,
        "wallet": live_wallet(member), "may_ask_refund": actor.has_role(*ASKERS), **_shell(actor, now),
    }  # fmt: skip
    return render(request, "wallet/member.html", context, status=refusal.status if refusal else 200)


def _begin(member: Member, given: dict[str, str], *, actor: Actor, now: datetime) -> dict[str, Any]:
    store = Store.objects.filter(pk=actor.store_id).first() if actor.store_id else None
    if store is None:
        raise Invalid(_("充值要在店里办。"))
    guide = Staff.objects.get(pk=actor.staff_id)
    begun = services.begin_top_up(
        member, tier=given["tier"] if given["tier"] != "other" else "", amount_fen=_fen(given), method=given["way"],
        is_distant=bool(given["distant"]), store=store, guide=guide, actor=actor, now=now,
    )  # fmt: skip
    return {"id": str(begun.public_id)}


def _fen(given: dict[str, str]) -> int:
    """Return a plain amount in fen; 0 where a tier was chosen."""
    text = given["amount"]
    if given["tier"] and given["tier"] != "other":
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise Invalid(_("选一档，或者填一个整数金额"))
    return int(text) * 100


@never_cache
@require_GET
@access.roles(*WHO)
def top_up(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """How a top-up stands. htmx asks every three seconds until it is over."""
    actor, now = access.actor_of(request), clock.now()
    held = _top_up(actor, public_id)
    context = {
        "top_up": held, "is_open": held.state in TopUp.OPEN and held.ends_at > now, "balance": balance_of(held.member_id),
        "link": request.build_absolute_uri(f"/my/top-ups/{held.public_id}/"), "way": request.GET.get("way", ""), **_shell(actor, now),
    }  # fmt: skip
    template = "wallet/part_top_up.html" if hx.is_htmx(request) else "wallet/top_up.html"
    return render(request, template, context)


@require_POST
@access.roles(*WHO)
@limits.by("money")
def settle(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """柜台收到钱了: the cashier says so, and how it was paid, after the member confirmed."""
    actor, now = access.actor_of(request), clock.now()
    held = _top_up(actor, public_id)
    idempotency.must_have_key(request)
    way = request.POST.get("way", "")

    def work() -> dict[str, Any]:
        if way not in services.COUNTER_WAYS:
            raise Invalid(_("选一下是现金还是刷卡。"))
        if held.method != TopUp.Method.COUNTER:
            raise Invalid(_("这笔是微信付款，会员付好会自动到账。"))
        done = services.settle_top_up(
            held, key=f"counter:{held.public_id}", paid_by=TopUp.Method.COUNTER, provider_ref="", counter_way=way,
            actor=actor, now=now,
        )  # fmt: skip
        return {"id": str(done.public_id)}

    _answer, refusal = desk.attempt(request, {"settle": str(public_id), "way": way}, work)
    return desk.done(request, desk.sentence(refusal) if refusal else "到账了", _page(held))


@require_POST
@access.roles(*WHO)
@limits.by("money")
def cancel(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Give it up before the money is there."""
    actor, now = access.actor_of(request), clock.now()
    held = _top_up(actor, public_id)
    idempotency.must_have_key(request)

    def work() -> dict[str, Any]:
        return {"id": str(services.cancel_top_up(held, why="导购取消", actor=actor, now=now).public_id)}

    _answer, refusal = desk.attempt(request, {"cancel": str(public_id)}, work)
    to = _page(held) if refusal else reverse("crm:wallet-member", args=[held.member.public_id])
    return desk.done(request, desk.sentence(refusal) if refusal else "取消了", to)


@never_cache
@require_GET
@access.roles(*WHO)
def top_ups(request: HttpRequest) -> HttpResponse:
    """储值记录: a guide's own, a manager's store's, the newest first."""
    actor, now = access.actor_of(request), clock.now()
    seen = TopUp.objects.visible_to(actor).select_related("member", "guide", "store")
    rows, before = paging.page(seen, "asked_at", before=request.GET.get("before", ""), size=PAGE)
    more = f"{reverse('crm:top-ups')}?before={before}" if before else ""
    context = {"rows": rows, "more": more, **_shell(actor, now)}
    return render(request, "wallet/part_top_ups.html" if hx.is_htmx(request) else "wallet/top_ups.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*ASKERS)
@limits.by("money", given="way")
def ask_refund(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """退卡: what the card comes to today, and asking finance for it."""
    actor, now = access.actor_of(request), clock.now()
    member = _member(actor, public_id)
    card = live_wallet(member)
    if card is None or not card.total_fen:
        raise NotFound(_("卡里没有可退的钱。"))
    refusal = None
    if request.method == "POST":
        idempotency.must_have_key(request)
        given = {name: request.POST.get(name, "").strip() for name in ("way", "payee_name", "payee_account", "reason")}

        def work() -> dict[str, Any]:
            asked = services.ask_refund(card, **given, store=actor.store_id, actor=actor, now=now)
            return {"id": str(asked.public_id)}

        _answer, refusal = desk.attempt(request, given, work)
        if refusal is None:
            to = reverse("crm:wallet-member", args=[public_id]) if actor.has_role(*WHO) else reverse("guides:approvals")
            return desk.done(request, "已交给财务审批", to)
    audit.saw_members(actor, [member.pk], where="退卡")
    context = {
        "member": member, "card": card, "quote": services.quote_refund(card, now=now), "given": request.POST,
        "refusal": desk.sentence(refusal) if refusal else "", **_shell(actor, now),
    }  # fmt: skip
    return render(request, "wallet/ask_refund.html", context, status=refusal.status if refusal else 200)


def _member(actor: Actor, public_id: UUID) -> Member:
    found = Member.objects.visible_to(actor).filter(public_id=public_id, status=Member.Status.ACTIVE).first()
    if found is None:
        raise NotFound(_("这位会员找不到，或者不归你看。"))
    return found


def _top_up(actor: Actor, public_id: UUID) -> TopUp:
    seen = TopUp.objects.visible_to(actor).select_related("member", "store", "guide")
    found = seen.filter(public_id=public_id).first()
    if found is None:
        raise NotFound()
    return found


def _page(held: TopUp) -> str:
    return reverse("crm:top-up", args=[held.public_id])


def _shell(actor: Actor, now: datetime) -> dict[str, Any]:
    return {"shell": shell_of(actor), "now": now, "nav_current": "members"}


nav.add("tools", key="wallet", label="会员储值", icon="wallet", url="crm:wallet", order=36, roles=WHO)
