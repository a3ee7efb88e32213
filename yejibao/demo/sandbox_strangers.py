"""The other phone in `/sandbox/`: a stranger scans a code and is greeted; either side deletes the other; a guide edits a remark.

Everything goes the platform's way: the stand-in changes what it knows and calls the product back.
"""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.friends.models import ContactWay
from crm.friends.services import bring_ways, want_way
from crm.members.models import FriendLink
from guides.org.actors import actor_for
from guides.org.models import Staff
from yejibao.core import access, clock
from yejibao.core.errors import Conflict, Invalid, NotFound
from yejibao.wecom import gateway
from yejibao.wecom.errors import GatewayError

from . import stand_in as control
from .sandbox_holder import need_person, only_with_stand_in, read_body

NAMES_UP_TO = 20


@never_cache
@require_GET
@access.anonymous("where the stand-in's codes lead; without one it answers 404")
@only_with_stand_in
def scan_page(request: HttpRequest) -> HttpResponse:
    """What a stranger's phone shows after scanning: who he adds, and after that what he is told."""
    way = (
        ContactWay.objects.select_related("guide__store", "store")
        .filter(config_id=request.GET.get("code", "")[:64])
        .first()
    )
    if way is None or not way.config_id:
        raise Http404
    return render(request, "sandbox/scan.html", {"way": way, "code": way.config_id})


@require_POST
@access.anonymous("scanning a code in the stand-in; without one it answers 404")
@only_with_stand_in
def scan(request: HttpRequest) -> HttpResponse:
    """Let a stranger scan a code: the one named, else the own code of the chosen person, which is made if need be."""
    body = read_body(request)
    name = str(body.get("name") or "").strip()[:NAMES_UP_TO] or "云淡风轻"
    code = str(body.get("code") or "")[:64] or _own_code(need_person(request))
    got = control.call("POST", "scan", body={"config_id": code, "name": name})
    adder = Staff.objects.filter(wecom_user_id=got["userid"]).first()
    said = _("%(name)s 加上了%(guide)s，几秒钟里会收到欢迎语") % {
        "name": name,
        "guide": adder.name if adder else got["userid"],
    }
    return JsonResponse(
        {"external": got["external_userid"], "userid": got["userid"], "name": name, "said": str(said)}, status=201
    )


def _own_code(person: Staff) -> str:
    if person.store_id is None:
        raise Conflict(_("总部的人没有加好友码，换成门店的导购再试"))
    control.tell_world([person])
    way = want_way(kind="guide", guide=person, actor=actor_for(person), now=clock.now())
    try:
        bring_ways(door=gateway.default(), seconds=8, only=way.pk)
    except GatewayError as error:
        raise Conflict(str(error)) from None
    way.refresh_from_db()
    if not way.config_id:
        raise Conflict(_("码还没建好，过几秒再扫"))
    return way.config_id


@never_cache
@require_GET
@access.anonymous("what the stranger was told, in the stand-in; without one it answers 404")
@only_with_stand_in
def told(request: HttpRequest) -> HttpResponse:
    """Return the lines of a chat as the customer sees them."""
    query = {"userid": request.GET.get("userid", "")[:64], "external_userid": request.GET.get("external", "")[:64]}
    if not all(query.values()):
        raise Http404
    return JsonResponse({"lines": control.call("GET", "chat", query=query)["messages"]})


@require_POST
@access.anonymous("ending a relation in the stand-in; without one it answers 404")
@only_with_stand_in
def part(request: HttpRequest) -> HttpResponse:
    """One deletes the other: `by` is member or guide."""
    person, body = need_person(request), read_body(request)
    by, link = body.get("by"), _link(person, body)
    if by not in ("member", "guide"):
        raise Invalid(_("谁删的"))
    relation = {"userid": person.wecom_user_id, "external_userid": link.external_user_id, "by": by}
    control.call_about(person, "POST", "unfriend", body=relation)
    said = _("他把%(guide)s删了") if by == "member" else _("%(guide)s把他删了")
    return JsonResponse({"said": str(said % {"guide": person.name})})


@require_POST
@access.anonymous("editing a remark in the stand-in; without one it answers 404")
@only_with_stand_in
def edit(request: HttpRequest) -> HttpResponse:
    """The guide writes name and phone into the customer's remark, as she does in the client."""
    person, body = need_person(request), read_body(request)
    link = _link(person, body)
    remark, phone = str(body.get("remark") or "").strip()[:20], str(body.get("phone") or "").strip()[:20]
    if not remark and not phone:
        raise Invalid(_("写一个备注名，或者一个手机号"))
    what: dict[str, Any] = {"userid": person.wecom_user_id, "external_userid": link.external_user_id}
    what |= {"remark": remark} if remark else {}
    what |= {"remark_mobiles": [phone]} if phone else {}
    control.call_about(person, "POST", "remark", body=what)
    return JsonResponse({"said": "备注改好了，业绩宝一会儿就知道"})


def _link(person: Staff, body: dict[str, Any]) -> FriendLink:
    link = FriendLink.objects.filter(guide=person, external_user_id=str(body.get("external") or "")).first()
    if link is None:
        raise NotFound(_("选一位好友"))
    return link
