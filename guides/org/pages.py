"""Sign-in, 我的, and the way home."""

import logging
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from yejibao.core import access, clock, hx, limits, nav
from yejibao.core.errors import DomainError, TooMany, Unavailable
from yejibao.core.scope import Actor
from yejibao.wecom import oauth
from yejibao.wecom.errors import GatewayError

from . import sign_in
from .actors import AccountEnded, role_names
from .sign_in import CodeRefused, NoRoleYet, NotOurs, StateGone, home_of, safe_return

log = logging.getLogger(__name__)

TRIES_PER_MINUTE = 10
STALE_CODES = (40029, 42003, 42022)  # the platform does not know the code, or it is too old, or used


class PlatformDown(Unavailable):
    """Nobody can be asked who is there."""

    code, title = "auth.platform_down", _("企业微信现在连不上")


# What a sign-in that failed says on /login/?why=…: a code never stays in the address bar or the history.
REFUSALS: dict[str, DomainError] = {
    one.code: one
    for one in (
        StateGone(_("请回到企业微信，重新打开一次。")),
        CodeRefused(_("请再登录一次。")),
        NotOurs(_("请让店长或总部信息中心把你加进来，再重新打开。")),
        AccountEnded(_("如果有疑问，请联系你的店长或总部信息中心。")),
        NoRoleYet(_("请让店长或总部信息中心给你分配岗位。")),
        PlatformDown(_("已经登录的同事不受影响，请过几分钟再试。"), retry_after=60),
        TooMany(_("请等一分钟再登录。"), retry_after=60),
    )
}


def _inside_wecom(request: HttpRequest) -> bool:
    """Tell whether the page is shown by the client, or by the frame that stands in for it."""
    if "wxwork" in request.headers.get("User-Agent", "").lower():
        return True
    return bool(settings.WECOM_SANDBOX_CONTROL) and request.headers.get("Sec-Fetch-Dest") == "iframe"


def _login_page(request: HttpRequest, refusal: DomainError | None = None, **facts: Any) -> HttpResponse:
    to = safe_return(request.POST.get("next", "") or request.GET.get("next", ""))
    context = {"refusal": refusal, "next": to, "inside_wecom": _inside_wecom(request)} | facts
    response = render(request, "org/login.html", context, status=refusal.status if refusal else 200)
    if refusal and "retry_after" in refusal.extra:
        response["Retry-After"] = str(refusal.extra["retry_after"])
    return response


def _refused(refusal: DomainError) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('guides:login')}?why={refusal.code}")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.anonymous("whoever is not signed in yet")
def login(request: HttpRequest) -> HttpResponse:
    """The door. Inside WeCom it opens by itself; at the web by QR code or, for HQ, by password."""
    actor = access.actor_of(request)
    if request.method == "POST":
        return _by_password(request)
    refusal = REFUSALS.get(request.GET.get("why", ""))
    if refusal is None:
        to = safe_return(request.GET.get("next", ""))
        if actor.grants:
            return redirect(to or home_of(actor))
        if _inside_wecom(request):
            return _start(request, to)
    return _login_page(request, refusal)


def _by_password(request: HttpRequest) -> HttpResponse:
    userid, password = request.POST.get("userid", "")[:64], request.POST.get("password", "")[:128]
    try:
        limits.hit("login", limits.address_of(request), per_minute=TRIES_PER_MINUTE)
        limits.hit("password", userid.casefold(), per_minute=TRIES_PER_MINUTE)
        person = sign_in.person_by_password(userid, password)
        actor = sign_in.sign_in(request, person, way="password", now=clock.system_now())
    except DomainError as refusal:
        sign_in.note_failure(request, refusal, way="password", userid=userid)
        return _login_page(request, refusal, userid=userid)
    return redirect(safe_return(request.POST.get("next", "")) or home_of(actor))


@never_cache
@require_GET
@access.anonymous("starts the round over the platform")
def wecom_start(request: HttpRequest) -> HttpResponse:
    return _start(request, request.GET.get("next", ""))


def _start(request: HttpRequest, to: str) -> HttpResponse:
    state = sign_in.begin_round(request, to=to, now=clock.system_now())
    address = oauth.authorize_url if _inside_wecom(request) else oauth.scan_url
    return redirect(address(state, _callback_address(request)))


def _callback_address(request: HttpRequest) -> str:
    """Return where the platform sends the browser back to: in production exactly the trusted domain."""
    path = reverse("guides:wecom-callback")
    return settings.PUBLIC_BASE_URL + path if settings.PRODUCTION else request.build_absolute_uri(path)


@never_cache
@require_GET
@access.anonymous("the platform sends the browser back here; state and code are checked")
def wecom_callback(request: HttpRequest) -> HttpResponse:
    """Swap the code for a session. Always answers with a redirect, so that the code leaves the address bar."""
    try:
        limits.hit("login", limits.address_of(request), per_minute=TRIES_PER_MINUTE)
        to = sign_in.end_round(request, state=request.GET.get("state", ""), now=clock.system_now())
        person = sign_in.person_of(_exchange(request.GET.get("code", "")))
        actor = sign_in.sign_in(request, person, way="wecom", now=clock.system_now())
    except DomainError as refusal:
        sign_in.note_failure(request, refusal, way="wecom")
        return _refused(refusal)
    return redirect(to or home_of(actor))


def _exchange(code: str) -> str:
    if not 1 <= len(code) <= 512:
        raise CodeRefused()
    try:
        return oauth.exchange(code)
    except GatewayError as error:
        if error.code in STALE_CODES:
            raise CodeRefused() from None
        log.warning("sign-in could not ask the platform: %s", error)
        raise PlatformDown() from None


@require_POST
@access.anonymous("leaving is never refused")
def logout(request: HttpRequest) -> HttpResponse:
    sign_in.sign_out(request, actor=access.actor_of(request))
    return hx.redirect(reverse("guides:login")) if hx.is_htmx(request) else redirect("guides:login")


@require_POST
@access.signed_in
def switch_role(request: HttpRequest) -> HttpResponse:
    """切换身份"""
    actor = sign_in.switch_role(request, request.POST.get("role", ""), actor=access.actor_of(request))
    return hx.redirect(home_of(actor)) if hx.is_htmx(request) else redirect(home_of(actor))


# ---------------------------------------------------------------- the way home, and 我的


@require_GET
@access.anonymous("leads to the door or to one's first page")
def front(request: HttpRequest) -> HttpResponse:
    actor = access.actor_of(request)
    return redirect(home_of(actor) if actor.grants else "guides:login")


@require_GET
@access.signed_in
def hq_home(request: HttpRequest) -> HttpResponse:
    """Lead to the first page of HQ this person may open; those without one are told so."""
    for entry in nav.entries("hq", request):
        if entry.key not in ("home", "me"):
            return redirect(entry.href)
    return render(request, "org/no_pages.html")


@require_GET
@access.signed_in
def me(request: HttpRequest) -> HttpResponse:
    """我的: who I am here, the role I work in, how the pages look, the way out."""
    actor = access.actor_of(request)
    names = role_names()
    held = dict.fromkeys(grant.role for grant in actor.grants)
    context = {
        "roles": [{"key": key, "name": names[key], "is_current": key == actor.working_role} for key in held],
        "role_name": names.get(actor.working_role, ""),
        "shell": shell_of(actor),
        "nav_current": "me",
        "home": home_of(actor),
    }
    return render(request, "org/me.html", context)


def shell_of(actor: Actor) -> str:
    home = home_of(actor)
    return {"g": "base/guide.html", "m": "base/manager.html"}.get(home[1], "base/hq.html")


def _unread(request: HttpRequest) -> int | None:
    return getattr(request, "unread_count", 0) or None


nav.add("guide", key="me", label="我的", icon="user-round", url="guides:me", order=90, badge=_unread)
nav.add("manager", key="me", label="我的", icon="user-round", url="guides:me", order=90, badge=_unread)
nav.add("hq", key="me", label="我的账号", icon="user-round", url="guides:me", order=90, group="系统")
