"""`/sandbox/`: a WeCom-like client in the browser. A newcomer chooses who to be and plays the whole loop.

The pages of the product run in frames of it and sign in by the real OAuth round, which ends at `authorize` here.
What the platform knows (messages, chats, faults) is the stand-in's; this module asks it on the browser's behalf.
"""

import json
import secrets
from collections.abc import Callable
from datetime import time, timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode, urlsplit

import segno
from django.conf import settings
from django.db.models import Case, Exists, F, OuterRef, Prefetch, Q, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from crm.catalogue.models import StyleColor
from crm.members.models import FriendLink
from crm.orders.services import ingest_orders
from guides.org.actors import actor_for, role_names
from guides.org.loading import MADE_UP
from guides.org.models import RoleAssignment, Staff
from guides.org.sign_in import home_of, sign_out
from tasks.followups.models import Task
from yejibao.core import access, clock, words
from yejibao.core.errors import Conflict, Invalid, Malformed, NotFound, SignInRequired

from . import stand_in as control
from .sandbox_messages import shown
from .sandbox_moving import may_go, other_stores
from .world import sign_in_table

PERSON_COOKIE = "sandbox_person"
PEOPLE_SHOWN = 300
STARTERS = "先从这几位开始"
FRIENDS_SHOWN = 500
ITEMS_SHOWN = 12
ROLE_ORDER = ("guide", "store_manager")

USUAL_SIZES = {
    "165/84A-190/104A": "175/92A",
    "29-40": "33",
    "38-44": "41",
    "38-45": "42",
    "105-125": "110",
    "F": "均码",
}

# What can be made to go wrong, as one switch each. Source of the codes: wecom-api.md §10.
FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "third": (
        "三成消息发不出去",
        "平台回 -1，发送进程会自己重试",
        {"api": "message/send", "errcode": -1, "percent": 30},
    ),
    "limit": ("平台限流", "45009，消息排队等着，不会丢", {"api": "message/send", "errcode": 45009}),
    "hang": (
        "平台没有回音",
        "收下了但不回答，查重后只到一次",
        {"api": "message/send", "hang": 30, "after_effect": True},
    ),
    "token": ("凭证突然失效", "42001，一次，换新凭证后继续", {"api": "message/send", "errcode": 42001, "next_n": 1}),
    "weather": ("坏天气", "回调发重、乱序、迟到、伪造、丢几条，接口又慢又忙", {"bad": True}),
}
WEATHER = "weather"  # the one that is no fault of a call: it has a switch of its own

View = Callable[..., HttpResponse]


def only_with_stand_in(view: View) -> View:
    """Answer 404 where the product talks to the real platform."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not settings.WECOM_SANDBOX_CONTROL or settings.PRODUCTION:
            raise Http404
        return view(request, *args, **kwargs)

    return guarded


def person_of(request: HttpRequest) -> Staff | None:
    """Return who holds this pretended phone."""
    userid = request.get_signed_cookie(PERSON_COOKIE, default="")
    if not userid:
        return None
    return Staff.objects.employed().select_related("store", "unit").filter(wecom_user_id=userid).first()


def _need_person(request: HttpRequest) -> Staff:
    person = person_of(request)
    if person is None:
        raise SignInRequired(_("先选一个人"))
    return person


# ---------------------------------------------------------------- the client, and who holds it


@never_cache
@require_GET
@access.anonymous("the stand-in of the WeCom client; without one it answers 404")
@only_with_stand_in
def home(request: HttpRequest) -> HttpResponse:
    """The client of the person chosen; without one, the choice."""
    person = person_of(request)
    if person is None:
        return redirect("demo:sandbox-people")
    signed_in = access.actor_of(request).staff_id == person.pk
    if access.actor_of(request).staff_id and not signed_in:
        sign_out(request, actor=access.actor_of(request))
    actor = actor_for(person)
    friends = _friends(person)
    facts = {
        "me": {
            "userid": person.wecom_user_id,
            "name": person.display_name or person.name,
            "face": person.name,
            "pk": person.pk,
        },
        "brand": settings.BRAND_NAME,
        "home": home_of(actor),
        "signedIn": signed_in,
        "friends": friends,
        "origin": settings.PUBLIC_BASE_URL,
        "faults": {key: {"name": str(name), "note": str(note)} for key, (name, note, _order) in FAULTS.items()},
        "urls": {
            name: reverse(f"demo:sandbox-{name}") for name in ("poll", "chat", "clock", "order", "faults", "people", "scan", "unfriend", "remark", "press")
        } | {"sidebar": "/g/sidebar/", "login": reverse("guides:wecom-start")},
    }  # fmt: skip
    context = {
        "person": person,
        "role": role_names().get(actor.working_role, ""),
        "facts": facts,
        "friends": friends,
        "items": _items(),
        "fault_list": [{"key": key, "name": name, "note": note} for key, (name, note, _order) in FAULTS.items()],
        "can_turn_clock": bool(settings.CLOCK_FILE),
        "may_go": may_go(person),
        "stores": other_stores(person),
        "can_sell": person.store is not None and bool(friends),
    }
    return render(request, "sandbox/client.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
@access.anonymous("choosing who to be in the stand-in; without one it answers 404")
@only_with_stand_in
def people(request: HttpRequest) -> HttpResponse:
    """Everybody who may sign in, by store; POST takes one. Whoever was signed in before goes."""
    if request.method == "POST":
        chosen = Staff.objects.employed().filter(wecom_user_id=request.POST.get("userid", "")[:64]).first()
        if chosen is None:
            raise NotFound(_("没有这个人"))
        if access.actor_of(request).staff_id and access.actor_of(request).staff_id != chosen.pk:
            sign_out(request, actor=access.actor_of(request))
        control.tell_world([chosen])
        response = HttpResponseRedirect(_back_to(request.POST.get("next", "")))
        response.set_signed_cookie(
            PERSON_COOKIE, chosen.wecom_user_id, httponly=True, samesite="Lax", secure=request.is_secure()
        )
        return response
    needle = request.GET.get("q", "").strip()[:32]
    groups, is_cut = _groups(needle)
    context = {"groups": groups, "is_cut": is_cut, "q": needle, "shown": PEOPLE_SHOWN, "next": request.GET.get("next", ""),
               "current": person_of(request)}  # fmt: skip
    return render(request, "sandbox/people.html", context)


def _back_to(path: str) -> str:
    """Return the sign-in round that asked who is there, or the client."""
    return path if path.startswith(reverse("demo:sandbox-authorize") + "?") else reverse("demo:sandbox")


def _groups(needle: str) -> tuple[list[dict[str, Any]], bool]:
    """Return people to start with, then HQ and regions, then by store, guides after their manager; True if there are more.

    Made-up people of a seed come last: there may be thousands, and they must not push the world's own off the page.
    """
    starters = [] if needle else [row.userid for row in sign_in_table()]
    rank = Case(
        When(wecom_user_id__in=starters, then=0), When(wecom_user_id__regex=MADE_UP, then=3),
        When(store=None, then=1), default=2,
    )  # fmt: skip
    held = RoleAssignment.objects.filter(RoleAssignment.in_force(clock.today())).order_by("pk")
    found = (
        Staff.objects.employed()
        .select_related("store", "unit")
        .prefetch_related(Prefetch("role_assignments", held, to_attr="held"))
        .annotate(rank=rank)
        .order_by("rank", "store__code", "unit__path", "pk")
    )
    if needle:
        found = found.filter(
            Q(name__contains=needle) | Q(display_name__contains=needle) | Q(wecom_user_id__contains=needle.lower())
            | Q(store__name__contains=needle)
        )  # fmt: skip
    shown = list(found[: PEOPLE_SHOWN + 1])
    names = role_names()
    groups: dict[str, list[dict[str, Any]]] = {}
    for person in shown[:PEOPLE_SHOWN]:
        roles = list(dict.fromkeys(role.role for role in person.held if role.role in names))
        if not roles:
            continue
        place = person.store.name if person.store else (person.unit.name if person.unit else "总部")
        is_starter = person.wecom_user_id in starters
        groups.setdefault(STARTERS if is_starter else place, []).append(
            {"person": person, "place": place if is_starter else "", "roles": "、".join(names[role] for role in roles), "is_guide": roles == ["guide"],
             "state": person.get_state_display() if person.state != Staff.State.ACTIVE else ""}
        )  # fmt: skip
    for place, rows in groups.items():
        rows.sort(key=lambda row: starters.index(row["person"].wecom_user_id) if place == STARTERS else row["is_guide"])
    return [{"place": place, "people": rows} for place, rows in groups.items()], len(shown) > PEOPLE_SHOWN


def _friends(person: Staff) -> list[dict[str, Any]]:
    """Return whom she can chat with, those she has work for first."""
    waiting = Task.objects.filter(assignee=person, member=OuterRef("member"), state=Task.State.OPEN)
    links = (
        FriendLink.objects.filter(guide=person)
        .exclude(state__in=FriendLink.LOST)
        .select_related("member")
        .annotate(has_task=Exists(waiting))
        .order_by("-has_task", F("member__last_purchase_on").desc(nulls_last=True), "pk")
    )
    return [
        {"id": link.external_user_id, "name": link.member.name if link.member else link.remark or "微信客户",
         "pk": link.member_id or 0}
        for link in links[:FRIENDS_SHOWN]
    ]  # fmt: skip


def _items() -> list[StyleColor]:
    """Return a few articles to sell: of each kind the dearest, suits and coats first."""
    kinds = StyleColor.objects.order_by("care_key", "-price_fen", "pk").distinct("care_key")
    return sorted(kinds, key=lambda style: -style.price_fen)[:ITEMS_SHOWN]


@never_cache
@require_GET
@access.anonymous("the platform's authorize page, played by the stand-in; without one it answers 404")
@only_with_stand_in
def authorize(request: HttpRequest) -> HttpResponse:
    """Send the browser back with a one-time code of the chosen person, as the platform does inside its client."""
    back = request.GET.get("redirect_uri", "")
    parts = urlsplit(back)
    if request.GET.get("response_type") != "code":
        raise Malformed(_("response_type 不对"))
    _must_be_ours(request, back)
    person = person_of(request)
    if person is None:
        return redirect(f"{reverse('demo:sandbox-people')}?{urlencode({'next': request.get_full_path()})}")
    code = control.call_about(person, "POST", "code", body={"userid": person.wecom_user_id})["code"]
    query = urlencode({"code": code, "state": request.GET.get("state", "")})
    return HttpResponseRedirect(f"{back}{'&' if parts.query else '?'}{query}")


def _must_be_ours(request: HttpRequest, back: str) -> None:
    parts = urlsplit(back)
    if request.GET.get("appid") != settings.WECOM_CORP_ID:
        raise Malformed(_("appid 不对"))
    if parts.scheme not in ("http", "https") or parts.netloc not in (
        request.get_host(),
        urlsplit(settings.PUBLIC_BASE_URL).netloc,
    ):
        raise Malformed(_("redirect_uri 不在这个应用的可信域名里"))


@never_cache
@require_GET
@access.anonymous("the platform's QR code page, played by the stand-in; without one it answers 404")
@only_with_stand_in
def scan_to_sign_in(request: HttpRequest) -> HttpResponse:
    """The QR code of a sign-in at the web. Nobody has a phone here: one chooses whose phone scans it."""
    if request.GET.get("login_type") != "CorpApp":
        raise Malformed(_("login_type 不对"))
    _must_be_ours(request, request.GET.get("redirect_uri", ""))
    query = {"response_type": "code", "scope": "snsapi_base"} | {
        name: request.GET.get(name, "") for name in ("appid", "redirect_uri", "state", "agentid")
    }
    onward = f"{reverse('demo:sandbox-authorize')}?{urlencode(query)}"
    groups, _is_cut = _groups("")
    current = person_of(request)
    starters = [row for group in groups if group["place"] == STARTERS for row in group["people"]]
    context = {
        "picture": segno.make(f"{settings.PUBLIC_BASE_URL}{onward}", micro=False).svg_data_uri(scale=4, border=2),
        "people": sorted(starters, key=lambda row: current is None or row["person"].pk != current.pk),
        "current": current,
        "next": onward,
    }
    return render(request, "sandbox/sign_in.html", context)


# ---------------------------------------------------------------- what the client shows and does


@never_cache
@require_GET
@access.anonymous("the stand-in's own messages; without one it answers 404")
@only_with_stand_in
def poll(request: HttpRequest) -> HttpResponse:
    """What is new: app messages past `after`, the last line of each chat, the open chat past `line`; and the time."""
    person = _need_person(request)
    external = request.GET.get("chat", "")
    userid = person.wecom_user_id
    got = control.call("GET", "received", query={"userid": userid, "after": _number(request, "after"), "limit": 100})
    chats = control.call("GET", "chat", query={"userid": userid})["chats"]
    lines: list[dict[str, Any]] = []
    if external:
        query = {"userid": userid, "external_userid": external, "after": _number(request, "line")}
        lines = control.call("GET", "chat", query=query)["messages"]
    return JsonResponse(
        {
            "messages": [shown(row) for row in got["messages"] if row["flag"] == "delivered"],
            "chats": chats,
            "lines": lines,
            "now": clock.now().isoformat(),
            "clock": words.short_moment(clock.now()),
        }
    )


def _number(request: HttpRequest, name: str) -> int:
    value = request.GET.get(name, "0")
    return int(value) if value.isdigit() else 0


def _read(request: HttpRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        raise Malformed() from None
    if not isinstance(body, dict):
        raise Malformed()
    return body


@require_POST
@access.anonymous("chatting in the stand-in; without one it answers 404")
@only_with_stand_in
def say(request: HttpRequest) -> HttpResponse:
    """Add a line to a chat of the chosen person, hers or the member's."""
    person, body = _need_person(request), _read(request)
    text = str(body.get("text") or "").strip()[:4000]
    attachments = body.get("attachments")
    line = {
        "userid": person.wecom_user_id,
        "external_userid": str(body.get("external") or ""),
        "from": "member" if body.get("from") == "member" else "guide",
        "text": text,
        "attachments": attachments[:9] if isinstance(attachments, list) else [],
    }
    if not text and not line["attachments"]:
        raise Invalid(_("还没写内容"))
    if not FriendLink.objects.filter(guide=person, external_user_id=line["external_userid"]).exists():
        raise NotFound()
    return JsonResponse(control.call_about(person, "POST", "chat", body=line)["message"])


@require_POST
@access.anonymous("pressing a card's button in the stand-in; without one it answers 404")
@only_with_stand_in
def press(request: HttpRequest) -> HttpResponse:
    """Press a button of a card the chosen person was sent: the platform calls the product about it."""
    person, body = _need_person(request), _read(request)
    seq = body.get("seq")
    pressed = {
        "userid": person.wecom_user_id,
        "seq": seq if isinstance(seq, int) else 0,
        "key": str(body.get("key") or "")[:1024],
    }
    try:
        control.call("POST", "card/press", body=pressed)
    except control.NotFriends:  # its word for a conflict
        raise Conflict(_("这个按钮已经不能点了")) from None
    return JsonResponse({})


@require_POST
@access.anonymous("turning the demo's clock; without the stand-in it answers 404")
@only_with_stand_in
def turn_clock(request: HttpRequest) -> HttpResponse:
    """Move the clock of the demo on: by minutes, or to ten o'clock of the next day. It never goes back."""
    if not settings.CLOCK_FILE:
        raise Conflict(_("这份数据的时钟不能调"))
    body, now = _read(request), clock.now()
    if body.get("to") == "tomorrow":
        target = clock.local_moment(clock.today() + timedelta(days=1), time(10))
    else:
        minutes = body.get("minutes")
        if type(minutes) is not int or not 1 <= minutes <= 7 * 24 * 60:
            raise Invalid(_("一次最多往前 7 天"))
        target = now + timedelta(minutes=minutes)
    clock.set_shared_offset((target - clock.system_now()).total_seconds(), by_hand=True)
    return JsonResponse({"now": clock.now().isoformat(), "clock": words.short_moment(clock.now())})


@require_POST
@access.anonymous("a till for the demo; without the stand-in it answers 404")
@only_with_stand_in
def place_order(request: HttpRequest) -> HttpResponse:
    """Sell one article to one of the chosen guide's friends, through the door every till uses."""
    person, body = _need_person(request), _read(request)
    if person.store is None:
        raise Conflict(_("总部的人不开单，换成门店的导购再试"))
    link = (
        FriendLink.objects.select_related("member")
        .filter(guide=person, external_user_id=str(body.get("external") or ""), member__isnull=False)
        .first()
    )
    if link is None or link.member is None:
        raise Invalid(_("选一位会员"))
    style = StyleColor.objects.filter(sku_code=str(body.get("sku") or "")).first() or next(iter(_items()), None)
    if style is None:
        raise Conflict(_("货品库是空的，先导入货品"))
    now = clock.now()
    row = {
        "number": f"SB{now.astimezone(clock.SHANGHAI):%y%m%d%H%M%S}{secrets.token_hex(2).upper()}",
        "store": person.store.code,
        "guide": person.wecom_user_id,
        "member": {"member_no": link.member.member_no},
        "kind": "retail",
        "paid_at": now.isoformat(),
        "lines": [
            {
                "line_no": 1,
                "sku": style.sku_code,
                "size": USUAL_SIZES.get(style.size_range) or style.size_range.partition("-")[0],
                "quantity": 1,
                "paid_fen": style.price_fen,
            }
        ],
    }
    [result] = ingest_orders([row], source="sandbox", now=now)
    if result.result != "created":
        raise Conflict(result.detail or _("没有开成"))
    said = _("%(member)s 买了%(item)s，%(price)s。30 分钟回访一会儿就到") % {
        "member": link.member.name, "item": style.name, "price": words.yuan(style.price_fen),
    }  # fmt: skip
    return JsonResponse({"number": result.number, "said": str(said)}, status=201)


@require_http_methods(["GET", "POST"])
@access.anonymous("what goes wrong in the stand-in; without one it answers 404")
@only_with_stand_in
def faults(request: HttpRequest) -> HttpResponse:
    """Which switches are on; POST turns one on, or all off with no key."""
    if request.method == "POST":
        key = _read(request).get("key")
        if key and key not in FAULTS:
            raise Invalid(_("没有这种故障"))
        control.call("DELETE", "faults")
        control.call("POST", "weather", body=FAULTS[WEATHER][2] if key == WEATHER else {})
        if key and key != WEATHER:
            control.call("POST", "fault", body=FAULTS[key][2])
    ordered = [row for row in control.call("GET", "faults")["faults"] if not row["spent"]]
    on = [
        key
        for key, (_name, _note, order) in FAULTS.items()
        if key != WEATHER and any(all(row.get(field) == value for field, value in order.items()) for row in ordered)
    ]
    if control.call("GET", "weather")["bad"]:
        on.append(WEATHER)
    return JsonResponse({"on": on})
