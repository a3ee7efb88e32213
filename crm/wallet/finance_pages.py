"""Stored value as finance sees it: what is owed, whether the books balance, cards with their entries, refunds to decide and pay."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.approvals.models import Approval
from guides.org import matrix
from guides.org.confirming import recently_confirmed
from guides.org.pages import shell_of
from yejibao.core import access, audit, clock, desk, hx, idempotency, limits, nav, paging
from yejibao.core.clock import local_day
from yejibao.core.errors import Malformed, NotFound
from yejibao.core.scope import Actor

from . import services
from .models import CardRefund, Wallet
from .queries import card_lines, cards_found, newest_days, newest_proof, store_totals
from .scoped import CARD, LEDGER, REFUND, TOTALS

FINANCE, READERS, SUMS = matrix.holders(CARD), matrix.holders(LEDGER), matrix.holders(TOTALS)
PAGE = 30


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*FINANCE)
@limits.by("search", given="q")
def overview(request: HttpRequest) -> HttpResponse:
    """What is owed on all cards, the newest proof, the last days; a card is found by its number or a member's phone."""
    actor, now = access.actor_of(request), clock.now()
    words = request.POST.get("q", "").strip()[:32]
    waiting = CardRefund.objects.visible_to(actor).under_way()
    cards = list(cards_found(actor, words)[:PAGE]) if words else []
    audit.saw_members(actor, sorted({one.member_id for one in cards}), where="储值卡查找")
    context = {
        "days": newest_days(14), "today": services.closing(local_day(now)), "proof": newest_proof(), "q": words, "now": now,
        "cards": cards, "waiting": waiting.count(), "nav_current": "wallet",
    }  # fmt: skip
    return render(request, "wallet/hq.html", context)


@never_cache
@require_GET
@access.roles(*READERS)
def card(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One card: its balance, every movement with both parts, every step. For people above the store, seeing it is audited."""
    actor, now = access.actor_of(request), clock.now()
    held = _card(actor, public_id)
    rows, before = paging.page(card_lines(actor, held), "at", before=request.GET.get("before", ""), size=PAGE)
    more = f"{reverse('crm:wallet-card', args=[public_id])}?before={before}" if before else ""
    context: dict[str, Any] = {"card": held, "rows": rows, "more": more, "now": now}
    if hx.is_htmx(request):
        return render(request, "wallet/part_lines.html", context)
    audit.saw_members(actor, [held.member_id], where="储值卡")
    context |= {
        "steps": held.steps.select_related("by").order_by("-pk")[:PAGE], "shell": shell_of(actor), "nav_current": "wallet",
        "is_live": held.state in Wallet.LIVE, "held_before": held.replaces, "held_after": Wallet.objects.filter(replaces=held).first(),
        "refunds": CardRefund.objects.visible_to(actor).filter(wallet=held).order_by("-pk")[:5],
    }  # fmt: skip
    return render(request, "wallet/card.html", context)


@require_POST
@access.roles(*READERS)
@limits.by("money")
def act_on_card(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """挂失冻结, 解冻, 换新卡: by whoever may read the card."""
    actor, now = access.actor_of(request), clock.now()
    held = _card(actor, public_id)
    key = idempotency.must_have_key(request)
    act, why = request.POST.get("act", ""), request.POST.get("why", "")

    def work() -> dict[str, Any]:
        match act:
            case "freeze":
                return {"id": str(services.freeze(held, why=why, actor=actor, now=now).public_id)}
            case "unfreeze":
                return {"id": str(services.unfreeze(held, why=why, actor=actor, now=now).public_id)}
            case "replace":
                new = services.replace_card(held, why=why, key=f"replace:{key}"[:64], actor=actor, now=now)
                return {"id": str(new.public_id)}
        raise Malformed()

    answer, refusal = desk.attempt(request, {"act": act, "why": why, "card": str(public_id)}, work)
    said = (
        desk.sentence(refusal)
        if refusal
        else {"freeze": "已冻结", "unfreeze": "已解冻", "replace": "换好了，余额在新卡上"}[act]
    )
    return desk.done(request, said, reverse("crm:wallet-card", args=[answer.get("id", public_id)]))


# ---------------------------------------------------------------- refunds


@never_cache
@require_GET
@access.permission(REFUND)
def refunds(request: HttpRequest) -> HttpResponse:
    """退卡: what waits for a decision or a payment, what waits for the bank (the oldest first), or what is over."""
    actor, now = access.actor_of(request), clock.now()
    show = request.GET.get("show", "")
    mine = CardRefund.objects.visible_to(actor)
    seen, by = {
        "bank": (mine.waiting_for_bank(), "paid_at"),
        "over": (mine.exclude(pk__in=mine.under_way().values("pk")), "asked_at"),
    }.get(show, (mine.filter(state__in=CardRefund.OPEN), "asked_at"))
    seen = seen.select_related("wallet__member", "store", "asked_by")
    rows, before = paging.page(seen, by, before=request.GET.get("before", ""), size=PAGE, is_rising=show == "bank")
    more = f"{reverse('crm:wallet-refunds')}?{urlencode({'show': show, 'before': before})}" if before else ""
    audit.saw_members(actor, sorted({one.wallet.member_id for one in rows}), where="储值退卡")
    context = {
        "rows": rows,
        "more": more,
        "show": show,
        "bank": mine.waiting_for_bank().aggregate(count=Count("pk"), fen=Sum("pay_fen", default=0)),
        "now": now,
        "today": local_day(now),
        "nav_current": "wallet-refunds",
    }
    return render(request, "wallet/part_refunds.html" if hx.is_htmx(request) else "wallet/refunds.html", context)


@never_cache
@require_GET
@access.permission(REFUND)
@recently_confirmed
def refund(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One refund: what comes out and why, who asked and approved, and the buttons for whoever may press them."""
    actor = access.actor_of(request)
    held = _refund(actor, public_id)
    audit.saw_members(actor, [held.wallet.member_id], where="储值退卡")
    return render(request, "wallet/refund.html", _refund_facts(actor, held))


def _refund_facts(actor: Actor, held: CardRefund, refusal: str = "") -> dict[str, Any]:
    now = clock.now()
    may_decide = held.approval_id and Approval.objects.waiting_for(actor, now=now).filter(pk=held.approval_id).exists()
    return {
        "refund": held, "card": held.wallet, "steps": held.steps.select_related("by").order_by("pk"), "refusal": refusal, "now": now,
        "taken_back_fen": held.principal_fen + held.gift_fen - held.pay_fen, "may_decide": may_decide,
        "may_take_up": held.state == CardRefund.State.ASKED and not held.approval_id,
        "may_pay": held.state == CardRefund.State.APPROVED, "payouts": held.payouts.select_related("by", "undone_by").order_by("-pk"),
        "proof": newest_proof(), "nav_current": "wallet-refunds",
        "approvals": held.approval.steps.select_related("by").order_by("number") if held.approval else (),
    }  # fmt: skip


@require_POST
@access.permission(REFUND)
@limits.by("money")
@recently_confirmed
def act_on_refund(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """同意, 不同意, 受理, 付款."""
    actor, now = access.actor_of(request), clock.now()
    held = _refund(actor, public_id)
    idempotency.must_have_key(request)
    act, answer = request.POST.get("act", ""), request.POST.get("answer", "").strip()
    number, why = request.POST.get("bank_ref", ""), request.POST.get("why", "")

    def work() -> dict[str, Any]:
        match act:
            case "approve":
                done = services.approve_refund(held, actor=actor, now=now, answer=answer)
            case "refuse":
                done = services.refuse_refund(held, answer=answer, actor=actor, now=now)
            case "take_up":
                done = services.take_up_refund(held, actor=actor, now=now)
            case "pay":
                done = services.pay_refund(held, key=f"card_refund:{held.pk}", actor=actor, now=now)
            case "transferred":
                services.settle_payout(held, bank_ref=number, actor=actor, now=now)
                return {}
            case "came_back":
                services.undo_payout(held, why=why, actor=actor, now=now)
                return {}
            case _:
                raise Malformed()
        return {"state": done.state}

    content = {"act": act, "answer": answer, "number": number, "why": why, "refund": str(public_id)}
    _answer, refusal = desk.attempt(request, content, work)
    if refusal is not None:
        held = _refund(actor, public_id)
        return render(
            request, "wallet/refund.html", _refund_facts(actor, held, desk.sentence(refusal)), status=refusal.status
        )
    said = {
        "approve": "已同意",
        "refuse": "没有批准，已告诉申请人",
        "take_up": "受理了",
        "pay": "付款记好了，卡已清零" if held.way == CardRefund.Way.CASH else "卡已清零，请去网银转账，转好填流水号",
        "transferred": "转账记好了，这笔退卡办完了",
        "came_back": "撤回了，这笔又在「待转账」里",
    }[act]
    to = (
        reverse("crm:wallet-refunds") + "?show=bank"
        if act == "transferred"
        else reverse("crm:wallet-refund", args=[public_id])
    )
    return desk.done(request, said, to)


# ---------------------------------------------------------------- sums


@never_cache
@require_GET
@access.roles(*SUMS)
def totals(request: HttpRequest) -> HttpResponse:
    """储值合计: a month of each store in reach, no names."""
    actor, now = access.actor_of(request), clock.now()
    month = _month(request.GET.get("month", ""), local_day(now))
    context = {
        "rows": store_totals(actor, month), "month": month, "is_current": month == local_day(now).replace(day=1), "now": now,
        "nav_current": "wallet-totals", "shell": shell_of(actor),
    }  # fmt: skip
    return render(request, "wallet/totals.html", context)


def _month(text: str, today: date) -> date:
    try:
        return min(date.fromisoformat(f"{text[:7]}-01"), today.replace(day=1))
    except ValueError:
        return today.replace(day=1)


def _card(actor: Actor, public_id: UUID) -> Wallet:
    found = Wallet.objects.visible_to(actor).select_related("member", "replaces").filter(public_id=public_id).first()
    if found is None:
        raise NotFound(_("这张卡找不到，或者不归你看。"))
    return found


def _refund(actor: Actor, public_id: UUID) -> CardRefund:
    seen = CardRefund.objects.visible_to(actor).select_related(
        "wallet__member", "store", "asked_by", "approved_by", "seconded_by", "approval"
    )
    found = seen.filter(public_id=public_id).first()
    if found is None:
        raise NotFound()
    return found


def _waiting(request: object) -> int | None:
    return CardRefund.objects.under_way().count() or None


nav.add("hq", key="wallet", label="储值", icon="wallet", url="crm:wallet-hq", order=40, roles=FINANCE)
nav.add(
    "hq", key="wallet-refunds", label="储值退卡", icon="undo-2", url="crm:wallet-refunds", order=41, roles=matrix.holders(REFUND),
    badge=nav.kept(_waiting),
)  # fmt: skip
nav.add("hq", key="wallet-totals", label="储值合计", icon="table", url="crm:wallet-totals", order=42, roles=SUMS)
