"""7 天穿搭 on the guide's phone (mock-up 06): a member's week, what she changes of it, into the cart, to him; and her proposals."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.members.customers import Customer, member_in_chat, member_of
from crm.members.reaching import why_not_now
from crm.orders.proxy.services import open_basket
from guides.org.models import Staff
from guides.org.pages import shell_of
from yejibao.core import access, clock, desk, hx, idempotency, nav, paging
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.core.scope import Actor

from . import drawing, forms, services, words
from .models import LookShare, Outfit, OutfitCredit
from .queries import MemberWeek, pieces_of, store_for, swaps_for, week_of
from .scoped import PROPOSE

WHO = ("guide", "store_manager")
SHOWN = 20
BEST = 8
HE = words.HE


# ---------------------------------------------------------------- a member's week


def _week(request: HttpRequest, public_id: UUID) -> tuple[Customer, MemberWeek]:
    actor, now = access.actor_of(request), clock.now()
    customer = member_of(actor, public_id)
    assert customer.member is not None
    week = week_of(
        customer.member, start=clock.local_day(now), store=store_for(actor, customer.member), now=now, who=HE
    )
    return customer, week


def _day(request: HttpRequest, week: MemberWeek) -> date:
    """Return the day that is asked for, if the week has it, else its first."""
    asked = desk.day(request.POST.get("day") or request.GET.get("day"))
    return asked if asked and week.look(asked) else week.looks[0].day


@never_cache
@require_GET
@access.roles(*WHO)
def week(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """One day large, with its pieces; the other days small. htmx changes the day."""
    customer, found = _week(request, public_id)
    context = _facts(request, customer, found, _day(request, found))
    return render(request, "outfits/week_body.html" if hx.is_htmx(request) else "outfits/week.html", context)


def _facts(request: HttpRequest, customer: Customer, week: MemberWeek, day: date) -> dict[str, Any]:
    actor, today = access.actor_of(request), clock.today()
    look = week.look(day)
    assert look is not None and customer.member is not None
    called = customer.member.called
    return {
        "customer": customer, "member": customer.member, "week": week, "look": look, "today": today, "now": clock.now(),
        "rows": [(piece, words.piece_words(piece, who=HE, today=today)) for piece in look.pieces],
        "lay": drawing.lay(look.pieces), "days": drawing.days(week.looks), "about": words.about(week),
        "why": words.why_week(week, who=HE), "size_notes": list(dict.fromkeys(one.why for one in week.wardrobe.sizes.values())), "role_names": words.role_name,
        "say_week": words.greeting(week, None, called=called), "say_day": words.greeting(week, look, called=called),
        "why_not": why_not_now(customer, store=_me(actor).store, now=clock.now()),
        "shell": shell_of(actor), "nav_current": "members", "may_propose": actor.may(PROPOSE),
    }  # fmt: skip


def _me(actor: Actor) -> Staff:
    return Staff.objects.select_related("store").get(pk=actor.staff_id)


@never_cache
@require_GET
@access.roles(*WHO)
def swaps(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """换单件: what could stand in one place of the day, his own first."""
    customer, found = _week(request, public_id)
    day = _day(request, found)
    shown = request.GET.get("piece", "")[:32]
    pieces = swaps_for(found, day, shown)
    rows = [(piece, words.piece_words(piece, who=HE, today=clock.today())) for piece in pieces]
    context = {
        "customer": customer,
        "member": customer.member,
        "rows": rows,
        "day": day,
        "shown": shown,
        "shell": shell_of(access.actor_of(request)),
    }
    return render(request, "outfits/swaps.html" if hx.is_htmx(request) else "outfits/swaps_page.html", context)


@require_POST
@access.roles(*WHO)
def choose(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """换一套 (`other`), 换单件 (`piece`, `instead`) or 还原 (`back`) of one day."""
    customer, found = _week(request, public_id)
    actor, now, day = access.actor_of(request), clock.now(), _day(request, found)
    sent = request.POST
    asked = {name: sent.get(name, "")[:32] for name in ("other", "piece", "instead", "back")} | {"day": str(day)}

    def work() -> dict[str, Any]:
        if asked["back"]:
            services.take_back(found.member, day, actor=actor, now=now)
            return {"said": "还原了"}
        if asked["other"]:
            return {"said": f"换成「{services.choose_outfit(found, day, actor=actor, now=now)}」"}
        if not (asked["piece"] and asked["instead"]):
            raise Invalid("选一件再换")
        name = services.choose_piece(found, day, shown=asked["piece"], instead=asked["instead"], actor=actor, now=now)
        return {"said": f"换成{name}"}

    answer, _replayed = idempotency.once(request, asked, work)
    there = f"{reverse('crm:outfit-week', args=[public_id])}?day={day}"
    if not hx.is_htmx(request):
        return desk.done(request, answer["said"], there)
    _customer, fresh = _week(request, public_id)
    response = render(request, "outfits/week_body.html", _facts(request, customer, fresh, day))
    return hx.toast(hx.close_sheet(response), answer["said"])


@require_POST
@access.roles(*WHO)
def cart(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """一键加购: what he has not got of the day, in his sizes, goes into the order she has open for him, and she goes on there (05)."""
    actor, now = access.actor_of(request), clock.now()
    customer, found = _week(request, public_id)
    day = _day(request, found)
    only = [code[:32] for code in request.POST.getlist("only")][:12]
    look, person = found.look(day), _me(actor)
    assert look is not None and customer.member is not None
    if person.store is None:
        raise Conflict("你现在不在门店，不能开单")
    store, member = person.store, customer.member

    def work() -> dict[str, Any]:
        basket = open_basket(member, actor=actor, now=now)
        made = services.to_cart(look, member, store=store, guide=person, actor=actor, now=now, only=only, basket=basket)
        left = [words.left_words(one.piece, who=HE) for one in made.left]
        return {"sale": str(made.sale.public_id), "said": forms.carted(len(made.put), left)}

    answer, _replayed = idempotency.once(request, {"day": str(day), "only": only}, work)
    there = sale_url(answer["sale"]) or f"{reverse('crm:outfit-week', args=[public_id])}?day={day}"
    return desk.done(request, answer["said"], there)


def sale_url(public_id: str) -> str:
    """Return the page on which a draft sale goes on; "" as long as there is none."""
    try:
        return reverse("crm:proxy", args=[public_id])
    except NoReverseMatch:
        return ""


# ---------------------------------------------------------------- to him


@require_POST
@access.roles(*WHO)
def share(request: HttpRequest, public_id: UUID) -> JsonResponse:
    """发给他, first half: may it leave now? Then the words with the link, for the chat. Raises Conflict with the reason."""
    actor, now = access.actor_of(request), clock.now()
    customer, found = _week(request, public_id)
    sent = forms.json_of(request, {"text": 500, "day": 10})
    day = desk.day(sent["day"])
    if day and not found.look(day):
        raise NotFound()
    if why_not := why_not_now(customer, store=_me(actor).store, now=now):
        raise Conflict(why_not)

    def work() -> dict[str, Any]:
        made, text = services.share_look(
            found.member, starts_on=found.looks[0].day, day=day, words=sent["text"], actor=actor, now=now
        )
        return {"share": str(made.public_id), "text": text}

    answer, _replayed = idempotency.once(request, sent, work)
    external = customer.link.external_user_id if customer.link else ""
    return JsonResponse(
        answer | {"external_user_id": external, "sent": reverse("crm:outfit-sent", args=[answer["share"]])}
    )


@require_POST
@access.roles(*WHO)
def sent(request: HttpRequest, public_id: UUID) -> JsonResponse:
    """发给他, second half: the client said it left."""
    actor = access.actor_of(request)
    held = LookShare.objects.visible_to(actor).filter(public_id=public_id, guide_id=actor.staff_id).first()
    if held is None:
        raise NotFound()
    services.note_sent(held, actor=actor, now=clock.now())
    return JsonResponse({"sent": True})


@never_cache
@require_GET
@access.roles(*WHO)
def beside(request: HttpRequest) -> HttpResponse:
    """The week of whom she is chatting with: the client tells his id. Raises NotFound for somebody without a card."""
    external = request.GET.get("external_user_id", "")
    member = member_in_chat(access.actor_of(request), external, otherwise="先在会员页对上他是谁，再给他配穿搭。")
    return HttpResponseRedirect(reverse("crm:outfit-week", args=[member.public_id]))


# ---------------------------------------------------------------- her own ideas


@never_cache
@require_GET
@access.roles(*WHO)
def home(request: HttpRequest) -> HttpResponse:
    """穿搭: the way to a member's week, what she handed in, whose ideas were taken up lately."""
    actor = access.actor_of(request)
    best = OutfitCredit.objects.filter(outfit__state=Outfit.State.PUBLISHED)
    best = best.select_related("outfit", "guide__store").order_by("-at", "-pk")[:BEST]
    mine = Outfit.objects.filter(author_id=actor.staff_id).order_by("-created_at", "-pk")
    rows, before = paging.page(mine, "created_at", before=request.GET.get("before", ""), size=SHOWN)
    credits = OutfitCredit.objects.filter(guide_id=actor.staff_id).values_list("points", flat=True)
    adopted = list(best)
    shown = drawing.with_pieces([*rows, *(one.outfit for one in adopted)])
    context = {
        "rows": rows, "best": adopted, "pieces": shown, "points": sum(credits), "may_propose": actor.may(PROPOSE),
        "more": f"{request.path}?before={before}" if before else "", "shell": shell_of(actor), "nav_current": "today", "now": clock.now(),
    }  # fmt: skip
    return render(request, "outfits/own_rows.html" if hx.is_htmx(request) else "outfits/home.html", context)


@never_cache
@require_GET
@access.roles(*WHO)
def one(request: HttpRequest, pk: int) -> HttpResponse:
    """One outfit: its pieces, why, what to say; and what became of a proposal."""
    actor = access.actor_of(request)
    held = Outfit.objects.visible_to(actor).with_people().filter(pk=pk).first()
    if held is None:
        raise NotFound()
    pieces = pieces_of([held])[held.pk]
    context = {
        "outfit": held, "pieces": pieces, "lay": drawing.lay_garments(pieces), "is_mine": held.author_id == actor.staff_id,
        "credit": OutfitCredit.objects.filter(outfit=held).first(), "shell": shell_of(actor), "now": clock.now(),
    }  # fmt: skip
    return render(request, "outfits/one.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(PROPOSE)
def propose(request: HttpRequest) -> HttpResponse:
    """我搭了一套: pieces by search, the rules say at once what is wrong, handed in to the stylists."""
    actor, now = access.actor_of(request), clock.now()
    given, styles = forms.words_of(request.POST), forms.styles_of(request.POST or request.GET)
    context: dict[str, Any] = {
        "given": given,
        "shell": shell_of(actor),
        "seasons": Outfit.SEASONS,
        "occasions": Outfit.OCCASIONS,
    }
    if request.method == "GET":
        return render(request, "outfits/propose.html", context | forms.picked(styles))

    def work() -> dict[str, Any]:
        return {"outfit": services.propose(given, styles, actor=actor, now=now).pk}

    answer, refusal = desk.attempt(request, given | {"styles": styles}, work)
    if refusal is not None:
        context |= {"refusal": forms.sentences(refusal)} | forms.picked(styles)
        return render(request, "outfits/propose.html", context, status=refusal.status)
    return desk.done(request, "投出去了，搭配师看过会告诉你", reverse("crm:outfit", args=[answer["outfit"]]))


nav.add("tools", key="outfits", label="穿搭", icon="shirt", url="crm:outfits", order=35, roles=WHO)
nav.add("sidebar", key="outfits", label="穿搭", icon="shirt", url="crm:outfits", order=45)
