"""加好友码 and 新好友 of a guide, the codes of a store or the company, and the sweep over everybody's customers."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.org.address_book import start_people_sync
from guides.org.models import Staff, Store
from guides.org.pages import shell_of
from guides.org.scoped import under_grants
from yejibao.core import access, clock, hx, idempotency, limits, nav
from yejibao.core.errors import NotFound
from yejibao.wecom import gateway
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.syncing.models import SyncRun

from . import review_pages  # noqa: F401  its places in the navigation
from .models import ContactWay
from .posters import draw_poster, font_file
from .queries import LINKED_WITHIN, gains_of, link_rate, names_of, new_friends, unlinked_of
from .scoped import WAY_ROLES
from .services import bring_ways, retire_way, retry_way, start_sync, stop_sync, want_way
from .sweeps import sweep_facts, welcome_facts

log = logging.getLogger("yejibao.friends")

WHO = ("guide", "store_manager")
HQ = ("hq_operator", "hq_crm", "live_operator", "branch_member_manager")
SYNC = ("hq_operator", "hq_crm", "sys_admin")
PAGE = 30
MAKING_SECONDS = 8.0
PROMISE = "新品到货、改衣洗护、尺码记录，随时问我"


# ---------------------------------------------------------------- 我的加好友码


@never_cache
@require_GET
@access.roles(*WHO)
def code(request: HttpRequest) -> HttpResponse:
    """我的加好友码: the own code to be scanned from the phone; `?way=` shows another one of the store."""
    return render(request, "friends/code.html", _code_facts(request) | {"shell": shell_of(access.actor_of(request))})


@require_POST
@access.roles(*WHO)
def make_code(request: HttpRequest) -> HttpResponse:
    """Make the own code now, while somebody waits before the screen; the page asks for it by itself."""
    person = Staff.objects.filter(pk=access.actor_of(request).staff_id, store__isnull=False).first()
    if person is not None:
        way = want_way(kind="guide", guide=person, actor=access.actor_of(request), now=clock.now())
        if way.state == ContactWay.State.FAILED:
            way = retry_way(way, actor=access.actor_of(request), now=clock.now())
        try:
            bring_ways(door=gateway.default(), seconds=MAKING_SECONDS, only=way.pk)
        except GatewayError as error:
            log.warning("way %s: %s", way.pk, error)
    if hx.is_htmx(request):
        return render(request, "friends/part_code.html", _code_facts(request))
    return HttpResponseRedirect(reverse("crm:code"))


def _code_facts(request: HttpRequest) -> dict[str, Any]:
    actor, now = access.actor_of(request), clock.now()
    mine = list(
        ContactWay.objects.visible_to(actor)
        .filter(Q(guide_id=actor.staff_id) | Q(store_id=actor.store_id, guide=None), retired_at=None)
        .select_related("guide", "store")
        .defer("picture")
        .order_by("kind", "pk")
    )
    own = next((way for way in mine if way.kind == "guide" and way.guide_id == actor.staff_id), None)
    asked = request.GET.get("way", "")
    shown = next((way for way in mine if str(way.pk) == asked), own)
    gains = gains_of([way.pk for way in mine], now=now)
    return {
        "way": shown, "is_own": shown is own, "others": [(way, gains[way.pk]) for way in mine if way is not shown],
        "gain": gains[shown.pk] if shown else None, "now": now, "nav_current": "me", "has_store": bool(actor.store_id),
        "can_draw": bool(font_file()),
    }  # fmt: skip


def _visible(request: HttpRequest, pk: int) -> ContactWay:
    way = (
        ContactWay.objects.visible_to(access.actor_of(request))
        .select_related("guide__store", "store")
        .filter(pk=pk)
        .first()
    )
    if way is None:
        raise NotFound()
    return way


@require_GET
@access.roles(*WHO, *HQ)
def picture(request: HttpRequest, pk: int) -> HttpResponse:
    """The QR code itself."""
    way = _visible(request, pk)
    if way.picture is None:
        raise Http404
    return _png(bytes(way.picture))


@never_cache
@require_GET
@access.roles(*WHO, *HQ)
def poster(request: HttpRequest, pk: int) -> HttpResponse:
    """The poster as a page the browser prints: it needs no font of ours."""
    way = _visible(request, pk)
    return render(request, "friends/poster.html", _poster_facts(way) | {"way": way, "can_draw": bool(font_file())})


@require_GET
@access.roles(*WHO, *HQ)
def poster_picture(request: HttpRequest, pk: int) -> HttpResponse:
    """The poster as a picture, for the print shop or the phone."""
    way = _visible(request, pk)
    if way.picture is None or not font_file():
        raise Http404
    response = _png(draw_poster(picture=bytes(way.picture), **_poster_facts(way)))
    response["Content-Disposition"] = f'attachment; filename="code-{way.pk}.png"'
    return response


def _png(content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type="image/png")
    response["Cache-Control"] = "private, max-age=3600"
    return response


def _poster_facts(way: ContactWay) -> dict[str, str]:
    store = way.store or (way.guide.store if way.guide else None)
    own = way.guide.display_name or way.guide.name if way.guide else ""
    return {
        "title": own or (store.short_name if store else way.name),
        "place": (store.name if store else "") if own or way.kind == "store" else way.name,
        "brand": settings.BRAND_NAME,
        "promise": PROMISE,
    }


@never_cache
@require_GET
@access.roles(*WHO)
def friends(request: HttpRequest) -> HttpResponse:
    """新好友: those nobody knows as a member yet, to be linked in two taps, and who came in the last fortnight."""
    actor, now = access.actor_of(request), clock.now()
    page = Paginator(new_friends(actor.staff_id or 0, now=now), PAGE).get_page(request.GET.get("page"))
    rows = list(page.object_list)
    names = names_of(one.external_user_id for one in rows if one.member is None)
    context = {
        "rows": [(one, one.member.name if one.member else names.get(one.external_user_id) or one.remark or "微信客户") for one in rows],
        "page": page, "now": now, "late_since": now - LINKED_WITHIN, "nav_current": "members", "shell": shell_of(access.actor_of(request)),
    }  # fmt: skip
    return render(request, "friends/new_rows.html" if hx.is_htmx(request) else "friends/new.html", context)


# ---------------------------------------------------------------- the codes of a store, of the company


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles("store_manager", *HQ)
@limits.by("search", given="q")
def codes(request: HttpRequest) -> HttpResponse:
    """The codes an actor looks after, with what each brought; POST wants another one."""
    actor, now = access.actor_of(request), clock.now()
    stores = Store.objects.filter(under_grants(actor.reach(*WAY_ROLES), path="unit__path", store="pk"))
    if request.method == "POST":
        return _want(request, stores)
    kind, words = request.GET.get("kind", ""), request.GET.get("q", "").strip()[:32]
    found = ContactWay.objects.visible_to(actor).filter(retired_at=None).select_related("guide__store", "store")
    if kind in ContactWay.Kind.values:
        found = found.filter(kind=kind)
    if words:
        found = found.filter(
            Q(name__contains=words) | Q(guide__name__contains=words) | Q(store__name__contains=words)
            | Q(guide__store__name__contains=words)
        )  # fmt: skip
    page = Paginator(found.defer("picture").order_by("-created_at", "-pk"), PAGE).get_page(request.GET.get("page"))
    gains = gains_of([way.pk for way in page], now=now)
    is_hq = request.path.startswith("/hq/")
    open_stores = list(stores.exclude(closed_on__lte=clock.today()).order_by("code")[:200])
    coded = ContactWay.objects.filter(kind=ContactWay.Kind.STORE, retired_at=None, store__in=open_stores)
    context = {
        "rows": [(way, gains[way.pk]) for way in page], "page": page, "kind": kind, "q": words, "now": now,
        "kinds": ContactWay.Kind.choices, "new_kinds": [one for one in ContactWay.Kind.choices if one[0] not in ("guide", "store")],
        "stores": open_stores, "uncoded": None if is_hq or len(open_stores) != 1 or coded.exists() else open_stores[0],
        "is_hq": is_hq, "nav_current": "codes",
    }  # fmt: skip
    return render(request, "friends/codes_hq.html" if is_hq else "friends/codes.html", context)


def _want(request: HttpRequest, stores: Any) -> HttpResponse:
    actor, now = access.actor_of(request), clock.now()
    kind, name = request.POST.get("kind", ""), request.POST.get("name", "")
    chosen = request.POST.get("store", "")
    store = stores.filter(pk=int(chosen)).first() if chosen.isdigit() else None

    def work() -> dict[str, Any]:
        way = want_way(kind=kind, store=store, actor=actor, now=now, name=name)
        return {"way": way.pk, "said": f"「{way.name}」建好就能用，一般几秒钟"}

    answer, _replayed = idempotency.once(request, {"kind": kind, "name": name, "store": chosen}, work)
    try:
        bring_ways(door=gateway.default(), seconds=MAKING_SECONDS, only=answer["way"])
    except GatewayError as error:
        log.warning("way %s: %s", answer["way"], error)
    return _back(request, answer["said"])


@require_POST
@access.roles("store_manager", *HQ)
def retire(request: HttpRequest, pk: int) -> HttpResponse:
    """停用: the code adds nobody any more."""
    way = _visible(request, pk)
    retire_way(way, actor=access.actor_of(request), now=clock.now())
    return _back(request, f"「{way.name}」停用了，扫它不会再加上人")


@require_POST
@access.roles("store_manager", *HQ)
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """再试一次 with a code the platform did not make."""
    way = retry_way(_visible(request, pk), actor=access.actor_of(request), now=clock.now())
    return _back(request, f"「{way.name}」马上再试")


def _back(request: HttpRequest, said: str) -> HttpResponse:
    hx.flash(request, said)
    page = reverse("crm:codes-hq" if request.path.startswith("/hq/") else "crm:codes")
    return hx.redirect(page) if hx.is_htmx(request) else HttpResponseRedirect(page)


# ---------------------------------------------------------------- 好友同步


@never_cache
@require_GET
@access.roles(*SYNC)
def sync(request: HttpRequest) -> HttpResponse:
    """好友同步: how far the sweep is, what it found, how the welcomes went, how many friends are known as members."""
    now = clock.now()
    linked, total = link_rate()
    context: dict[str, Any] = {
        "sweeps": [sweep_facts(SyncRun.Kind.FRIENDS, now=now), sweep_facts(SyncRun.Kind.STAFF, now=now)],
        "look": sweep_facts(SyncRun.Kind.DELTA, now=now),
        "welcome": welcome_facts(now=now), "linked": linked, "friends": total,
        "link_rate": linked / total if total else None, "now": now, "nav_current": "friends",
        "may_read_people": access.actor_of(request).may("account.manage"),
    }  # fmt: skip
    context["is_running"] = any(one.is_running for one in context["sweeps"])
    return render(request, "friends/part_sync.html" if hx.is_htmx(request) else "friends/sync.html", context)


@require_POST
@access.roles(*SYNC)
def begin_sync(request: HttpRequest) -> HttpResponse:
    """全量同步 of customers or people, or 停下."""
    actor, now = access.actor_of(request), clock.now()
    act = request.POST.get("act")
    if act == "stop":
        stop_sync(actor=actor, now=now)
        said = "停下了，已经写进来的留着"
    else:
        try:
            start = start_people_sync if act == "people" else start_sync
            run = start(door=gateway.default(), actor=actor, now=now)
            said = f"开始同步，一共 {run.parts_total} 批，可以离开这一页"
        except GatewayError as error:
            said = f"企业微信没有答应：{error.api} {error.code or ''}".strip()
    hx.flash(request, said)
    page = reverse("crm:friends-sync")
    return hx.redirect(page) if hx.is_htmx(request) else HttpResponseRedirect(page)


def _new_count(request: HttpRequest) -> int | None:
    """How many friends are nobody known yet."""
    staff = access.actor_of(request).staff_id
    return unlinked_of(staff, now=clock.now()).count or None if staff else None


nav.add("tools", key="code", label="加好友码", icon="qr-code", url="crm:code", order=40, roles=WHO)
nav.add("tools", key="new-friends", label="新好友", icon="user-round-plus", url="crm:new-friends", order=42, roles=WHO,
        badge=_new_count, loud=False)  # fmt: skip
nav.add("hq", key="codes", label="加好友码", icon="qr-code", url="crm:codes-hq", order=60, roles=HQ)
nav.add(
    "hq", key="friends", label="好友同步", icon="refresh-cw", url="crm:friends-sync", order=92, roles=SYNC, group="系统"
)
