"""留货 and 调货: keeping a piece for a member, asking another place for one, and the lists of both in a store."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.customers import find_members
from crm.members.models import Member
from guides.org import matrix
from guides.org.models import Store
from yejibao.core import access, clock, desk, hx, limits, nav
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.paging import page
from yejibao.core.scope import Actor

from . import services
from .models import Sku
from .pages import shell
from .scoped import RESERVE, TRANSFER
from .services.holding import usual_until
from .showing import UNTIL
from .stock_models import Reservation, TransferRequest, Warehouse

KEEPERS, ASKERS = matrix.holders(RESERVE), matrix.holders(TRANSFER)
PAGE = 20
PICKED_FROM = 8
State = TransferRequest.State


# ---------------------------------------------------------------- what the forms carry


def _own_store(actor: Actor) -> Store:
    """Return the store one works in. Raises Invalid for who works in none."""
    store = Store.objects.filter(pk=actor.store_id).first() if actor.store_id else None
    if store is None:
        raise Invalid(_("这件事要在店里办。"))
    return store


def _member(request: HttpRequest) -> Member | None:
    """Return the member a form names, if one may open his card. Raises NotFound for another."""
    asked = request.POST.get("member", "").strip()
    if not asked:
        return None
    try:
        found = Member.objects.visible_to(access.actor_of(request)).filter(public_id=asked).first()
    except ValidationError:  # no id at all
        found = None
    if found is None:
        raise NotFound()
    return found


def _sku(pk: int) -> Sku:
    return get_object_or_404(Sku.objects.select_related("style"), pk=pk)


def _style_page(sku: Sku, member: Member | None = None) -> str:
    asked = {"size": sku.size} | ({"member": str(member.public_id)} if member else {})
    return f"{reverse('crm:goods-style', args=[sku.style_id])}?{urlencode(asked)}"


def _once(request: HttpRequest, content: dict[str, Any], said: object, work: Callable[[str], int]) -> None:
    """Run an act once per key of its form, and say what came of it; the act gets the key under which its row is the only one."""
    given = request.headers.get("Idempotency-Key", "") or request.POST.get("idempotency_key", "") or uuid.uuid4().hex
    _answer, refusal = desk.attempt(request, content, lambda: {"id": work(f"page:{given}"[:64])})
    hx.flash(request, desk.sentence(refusal) if refusal else str(said))


@never_cache
@require_POST
@access.roles(*KEEPERS)
@limits.by("search", given="q")
def members(request: HttpRequest) -> HttpResponse:
    """For whom: the members whose card one may open, by name, phone or card number. A part of the sheet."""
    words = request.POST.get("q", "").strip()[:32]
    found = find_members(access.actor_of(request), words)[:PICKED_FROM]
    return render(request, "goods/part_members.html", {"members": found, "q": words, "now": clock.now()})


# ---------------------------------------------------------------- keeping


@require_POST
@access.roles(*KEEPERS)
def reserve(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep a piece of the own store for a member."""
    actor, now, sku = access.actor_of(request), clock.now(), _sku(pk)
    store, member = _own_store(actor), _member(request)
    if member is None:
        raise Invalid(_("给哪位会员留？"))
    asked = request.POST.get("until", "tomorrow")
    days, words = UNTIL.get(asked, UNTIL["tomorrow"])
    _once(
        request, {"sku": sku.pk, "member": member.pk, "until": asked},
        _("给%(name)s留好了，到%(until)s") % {"name": member.name, "until": words},
        lambda key: services.reserve(
            sku, store, 1, member=member, until=_until(now, days), key=key, actor=actor, now=now
        ).pk,
    )  # fmt: skip
    return HttpResponseRedirect(_style_page(sku, member))


def _until(now: datetime, days: int) -> datetime:
    return usual_until(now) + timedelta(days=days - 1)


@never_cache
@require_GET
@access.roles(*KEEPERS)
def kept(request: HttpRequest) -> HttpResponse:
    """What is kept in this store, the newest first; a colleague's member is not named, only that it is promised."""
    actor = access.actor_of(request)
    rows = Reservation.objects.visible_to(actor).select_related("sku__style", "member", "guide", "store")
    rows = rows.filter(store_id=actor.store_id) if actor.store_id else rows
    found, before = page(rows, "created_at", before=request.GET.get("before", "")[:64], size=PAGE)
    known = set(
        Member.objects.visible_to(actor).filter(pk__in=[one.member_id for one in found]).values_list("pk", flat=True)
    )
    lines = [
        {"row": one, "is_named": one.member_id in known, "is_mine": one.guide_id == actor.staff_id} for one in found
    ]
    context = shell(request) | {"lines": lines, "before": before, "is_first": not request.GET.get("before")}
    return render(request, "goods/kept_rows.html" if hx.is_htmx(request) else "goods/kept.html", context)


@require_POST
@access.roles(*KEEPERS)
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a kept piece back on the shelf."""
    actor = access.actor_of(request)
    row = get_object_or_404(Reservation.objects.visible_to(actor).select_related("sku", "store"), pk=pk)

    def work(_key: str) -> int:
        services.release(row, actor=actor, now=clock.now())
        return row.pk

    _once(request, {"release": pk}, _("放回去了"), work)
    return HttpResponseRedirect(reverse("crm:goods-kept"))


# ---------------------------------------------------------------- asking another place


@require_POST
@access.roles(*ASKERS)
def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask another store, or a warehouse, for a piece."""
    actor, now, sku = access.actor_of(request), clock.now(), _sku(pk)
    store, member, source = _own_store(actor), _member(request), _source(request.POST.get("source", ""))
    note = request.POST.get("note", "")[:60]
    _once(
        request, {"sku": sku.pk, "source": request.POST.get("source"), "member": member.pk if member else None},
        _("问了%(place)s，回了会提醒你") % {"place": source},
        lambda key: services.ask_transfer(
            sku, source=source, to_store=store, member=member, note=note, key=key, actor=actor, now=now
        ).pk,
    )  # fmt: skip
    return HttpResponseRedirect(f"{reverse('crm:goods-transfers')}?side=ours")


def _source(text: str) -> Store | Warehouse:
    """Return the place `store:7` or `warehouse:2` names. Raises NotFound."""
    kind, _colon, number = text.partition(":")
    if not (number.isdigit() and len(number) < 10):
        raise NotFound()
    if kind == "warehouse":
        return get_object_or_404(Warehouse, pk=int(number), is_active=True)
    return get_object_or_404(Store, pk=int(number), closed_on=None)


@never_cache
@require_GET
@access.roles(*ASKERS)
def transfers(request: HttpRequest) -> HttpResponse:
    """调货: what others want of us, and what we want of others; the newest first."""
    actor = access.actor_of(request)
    side = "ours" if request.GET.get("side") == "ours" and actor.store_id else "theirs"
    rows = TransferRequest.objects.visible_to(actor).select_related(
        "sku__style", "from_store", "from_warehouse", "to_store", "member", "asked_by", "answered_by"
    )
    if actor.store_id:
        rows = rows.filter(to_store_id=actor.store_id) if side == "ours" else rows.filter(from_store_id=actor.store_id)
    else:  # 商品部 answers for the warehouses
        rows = rows.filter(from_warehouse__isnull=False)
    found, before = page(rows, "asked_at", before=request.GET.get("before", "")[:64], size=PAGE)
    ids = [one.member_id for one in found if one.member_id]
    known = set(Member.objects.visible_to(actor).filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
    lines = [
        {"row": one, "source": one.from_store or one.from_warehouse, "is_named": one.member_id in known}
        for one in found
    ]
    context = shell(request) | {
        "lines": lines, "before": before, "is_first": not request.GET.get("before"), "side": side, "in_store": bool(actor.store_id),
        "waiting": _waiting(actor), "nav_current": "goods" if actor.store_id else "transfers",
    }  # fmt: skip
    return render(request, "goods/transfer_rows.html" if hx.is_htmx(request) else "goods/transfers.html", context)


def _waiting(actor: Actor) -> int:
    return TransferRequest.objects.answerable_by(actor).filter(state__in=(State.ASKED, State.AGREED)).count()


ACTS: dict[str, tuple[Callable[..., TransferRequest], dict[str, Any], str, str]] = {
    "agree": (services.answer_transfer, {"agrees": True}, "同意了，包好就点「发出」", "theirs"),
    "refuse": (services.answer_transfer, {"agrees": False}, "告诉对方没有了", "theirs"),
    "send": (services.send_transfer, {}, "发出了，对方会收到提醒", "theirs"),
    "receive": (services.receive_transfer, {}, "收到了，库存加好了", "ours"),
    "cancel": (services.cancel_transfer, {}, "撤回了", "ours"),
}


@require_POST
@access.roles(*ASKERS)
def act(request: HttpRequest, pk: int, what: str) -> HttpResponse:
    """同意, 没有了, 发出, 收到, 撤回."""
    if what not in ACTS:
        raise NotFound()
    actor = access.actor_of(request)
    rows = TransferRequest.objects.visible_to(actor).filter(
        Q(from_store__isnull=False) | Q(from_warehouse__isnull=False)
    )
    row = get_object_or_404(
        rows.select_related("sku__style", "from_store", "from_warehouse", "to_store", "member"), pk=pk
    )
    service, facts, said, side = ACTS[what]

    def work(_key: str) -> int:
        return service(row, actor=actor, now=clock.now(), **facts).pk

    _once(request, {"transfer": pk, "what": what}, said, work)
    return HttpResponseRedirect(f"{reverse('crm:goods-transfers')}?side={side}")


@nav.kept
def _for_warehouses(request: HttpRequest) -> int | None:
    """Return how many requests wait for those who answer for the warehouses."""
    return _waiting(access.actor_of(request)) or None


nav.add(
    "hq", key="transfers", label="调货", icon="package", url="crm:goods-transfers", order=74,
    roles=matrix.exactly(TRANSFER, "all"), badge=_for_warehouses,
)  # fmt: skip
