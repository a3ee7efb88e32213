"""The member's phone in `/sandbox/`: his WeChat opens the mini-program, signs in and shows members' pages.

It goes the way a real phone goes: a login code of the stand-in, `code2Session`, the phone's code where we do not know him yet,
and the ticket into the web view.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from crm.members.models import FriendLink, Member
from crm.portal import services as portal
from crm.portal.pages import set_cookie
from crm.portal.places import safe_return
from crm.portal.sessions import give_ticket, use_ticket
from guides.org.actors import facts_of
from yejibao.core import access, clock, nav
from yejibao.core.errors import Conflict, NotFound
from yejibao.wecom import miniprogram

from . import stand_in as control
from .sandbox_holder import need_person, only_with_stand_in, read_body

SHOWN = 60

if settings.WECOM_SANDBOX_CONTROL and not settings.PRODUCTION:
    nav.add("member-enter", key="sandbox", label="在沙箱里选一位会员", icon="users", url="demo:sandbox-member")


@require_POST
@access.anonymous("taking up a member's phone in the stand-in; without one it answers 404")
@only_with_stand_in
def take_phone(request: HttpRequest) -> HttpResponse:
    """Sign the member of a chat in, in this browser: what is opened from now on below /my/ is his."""
    person, body = need_person(request), read_body(request)
    links = FriendLink.objects.filter(guide=person, external_user_id=str(body.get("external") or ""))
    link = links.select_related("member").first()
    if link is None:
        raise NotFound()
    if link.member is None:
        raise Conflict(_("他还没有会员卡：先对上会员，或给他开一张"))
    response = JsonResponse({"name": link.member.name})
    return set_cookie(response, sign_in(request, link.member, external=link.external_user_id))


@never_cache
@require_http_methods(["GET", "POST"])
@access.anonymous("choosing a member in the stand-in; without one it answers 404")
@only_with_stand_in
def choose(request: HttpRequest) -> HttpResponse:
    """Whose phone is this? For who opened a member's page outside the client."""
    onward = safe_return(request.POST.get("next") or request.GET.get("next") or "/my/")
    members = Member.objects.filter(status=Member.Status.ACTIVE).exclude(phone_index="")
    if request.method == "POST":
        number = request.POST.get("member", "")
        member = members.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 18 else None
        if member is None:
            raise NotFound()
        return set_cookie(HttpResponseRedirect(onward), sign_in(request, member))
    needle = request.GET.get("q", "").strip()[:32]
    found = members.filter(name__contains=needle) if needle else members
    shown = found.select_related("owner_guide", "main_store").defer("phone", "birth_year")
    context = {"members": shown.order_by("-last_purchase_on", "pk")[:SHOWN], "next": onward, "q": needle}
    return render(request, "sandbox/members.html", context)


def sign_in(request: HttpRequest, member: Member, *, external: str = "") -> str:
    """Return the token of a browser session of this member. Raises OtherMember where his WeChat account is another's."""
    facts, now, at = facts_of(request), clock.system_now(), clock.now()
    door = miniprogram.default()
    told: dict[str, Any] = {"openid": f"o{external or member.public_id}"}
    code = control.call("POST", "mini/login", body=told)["code"]
    entered = portal.sign_in(code, door=door, facts=facts, now=now, at=at)
    if entered.needs_phone:
        if not member.phone:
            raise Conflict(_("他没有留手机号，小程序认不出他是谁"))
        code = control.call("POST", "mini/phone", body={"phone": member.phone})["code"]
        portal.bind_phone(entered.session, code, name=member.name, door=door, facts=facts, at=at)
    return use_ticket(give_ticket(entered.session, now=now), facts=facts, now=now)
