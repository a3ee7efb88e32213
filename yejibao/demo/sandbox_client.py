"""`/sandbox/`: a WeCom-like client in the browser. A newcomer chooses who to be and plays the whole loop.

The pages of the product run in frames of it and sign in by the real OAuth round, which ends at `authorize`.
What the platform knows (messages, chats, faults) is the stand-in's; this module asks it on the browser's behalf.
"""

from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.models import FriendLink
from guides.org.actors import actor_for, role_names
from guides.org.models import Staff
from guides.org.sign_in import home_of, sign_out
from tasks.followups.models import Task
from yejibao.core import access, clock, words
from yejibao.core.errors import Conflict, Invalid, NotFound

from . import stand_in as control
from .sandbox_holder import need_person, number_of, only_with_stand_in, person_of, read_body
from .sandbox_levers import FAULTS, items
from .sandbox_messages import shown
from .sandbox_moving import may_go, other_stores
from .sandbox_places import spots

FRIENDS_SHOWN = 500


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
        "spots": spots(person) if person.store_id else [],
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
        "items": items(),
        "fault_list": [{"key": key, "name": name, "note": note} for key, (name, note, _order) in FAULTS.items()],
        "can_turn_clock": bool(settings.CLOCK_FILE),
        "may_go": may_go(person),
        "stores": other_stores(person),
        "can_sell": person.store is not None and bool(friends),
    }
    return render(request, "sandbox/client.html", context)


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


# ---------------------------------------------------------------- what the client shows and does


@never_cache
@require_GET
@access.anonymous("the stand-in's own messages; without one it answers 404")
@only_with_stand_in
def poll(request: HttpRequest) -> HttpResponse:
    """What is new: app messages past `after`, the last line of each chat, the open chat past `line`; and the time."""
    person = need_person(request)
    external = request.GET.get("chat", "")
    userid = person.wecom_user_id
    got = control.call("GET", "received", query={"userid": userid, "after": number_of(request, "after"), "limit": 100})
    chats = control.call("GET", "chat", query={"userid": userid})["chats"]
    lines: list[dict[str, Any]] = []
    if external:
        query = {"userid": userid, "external_userid": external, "after": number_of(request, "line")}
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


@require_POST
@access.anonymous("chatting in the stand-in; without one it answers 404")
@only_with_stand_in
def say(request: HttpRequest) -> HttpResponse:
    """Add a line to a chat of the chosen person, hers or the member's."""
    person, body = need_person(request), read_body(request)
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
    person, body = need_person(request), read_body(request)
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
