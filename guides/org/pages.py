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

from yejibao.core import access, clock, hx, limits, nav, waiting
from yejibao.core.errors import DomainError, TooMany, Unavailable
from yejibao.core.personal import blind_index
from yejibao.core.scope import Actor
from yejibao.wecom import oauth
from yejibao.wecom.errors import GatewayError

from . import sign_in
from .actors import AccountEnded, role_names
from .directory import DISABLED, LEFT, status_of
from .sessions import LOCKED
from .sign_in import CodeRefused, NoRoleYet, NotOurs, SomebodyElse, StateGone, home_of, safe_return

log = logging.getLogger(__name__)

BEGIN_AT = {"sys_admin": "push"}  # whose first page is not the first of his menu: the house, not the company
STALE_CODES = (40029, 42003, 42022)  # the platform does not know the code, or it is too old, or used


class PlatformDown(Unavailable):
    """Nobody can be asked who is there."""

    code, title = "auth.platform_down", _("企业微信现在连不上")


class OutOfRange(NotOurs):
    """A person of ours whom the console does not let use this app."""

    code, title = "auth.out_of_range", _("你不在这个应用的可见范围里")


class SessionLocked(DomainError):
    """Too many addresses that do not exist were tried in this session (walking.py)."""

    status, code, title = 401, "auth.locked", _("这次登录已经停止")


class PasswordOff(DomainError):
    status, code, title = 404, "auth.password_off", _("这里不用密码登录")


# What a sign-in that failed says on /login/?why=…: a code never stays in the address bar or the history.
REFUSALS: dict[str, DomainError] = {
    one.code: one
    for one in (
        StateGone(_("请回到企业微信，重新打开一次。")),
        CodeRefused(_("请再登录一次。")),
        NotOurs(_("请让店长或总部信息中心把你加进来，再重新打开。")),
        AccountEnded(_("如果有疑问，请联系你的店长或总部信息中心。")),
        NoRoleYet(_("请让店长或总部信息中心给你分配岗位。")),
        OutOfRange(_("请让总部信息中心在企业微信后台把你加进应用的可见范围。")),
        SomebodyElse(_("请用你自己的企业微信再确认一次。")),
        SessionLocked(
            _("短时间里打开了太多不存在的地址，这次登录已经停止。请重新登录；不是你本人操作的，请告诉总部信息中心。")
        ),
        PlatformDown(_("已经登录的同事不受影响，请过几分钟再试。"), retry_after=60),
        TooMany(_("请等一分钟再登录。"), retry_after=60),
    )
}


def inside_wecom(request: HttpRequest) -> bool:
    """Tell whether the page is shown by the client, or by the frame that stands in for it."""
    if "wxwork" in request.headers.get("User-Agent", "").lower():
        return True
    return bool(settings.WECOM_SANDBOX_CONTROL) and request.headers.get("Sec-Fetch-Dest") == "iframe"


def _login_page(request: HttpRequest, refusal: DomainError | None = None, **facts: Any) -> HttpResponse:
    to = safe_return(request.POST.get("next", "") or request.GET.get("next", ""))
    context = {
        "refusal": refusal,
        "next": to,
        "inside_wecom": inside_wecom(request),
        "has_password": settings.PASSWORD_SIGN_IN,
    } | facts
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
    refusal = REFUSALS.get(request.session.pop(LOCKED, "") or request.GET.get("why", ""))
    if refusal is None:
        to = safe_return(request.GET.get("next", ""))
        if actor.grants:
            return redirect(to or home_of(actor))
        if inside_wecom(request):
            return _start(request, to)
    return _login_page(request, refusal)


def _by_password(request: HttpRequest) -> HttpResponse:
    """The password is half of it: what opens is the page that asks for the code (account_pages)."""
    userid, password = request.POST.get("userid", "")[:64], request.POST.get("password", "")[:128]
    try:
        if not settings.PASSWORD_SIGN_IN:
            raise PasswordOff()
        limits.hit("login", limits.address_of(request))
        limits.hit("password", blind_index(userid.strip().casefold(), purpose="account"))
        person = sign_in.person_by_password(userid, password)
    except DomainError as refusal:
        sign_in.note_failure(request, refusal, way="password", userid=userid)
        return _login_page(request, refusal, userid=userid)
    sign_in.begin_half(request, person, to=request.POST.get("next", ""), now=clock.system_now())
    return redirect("guides:login-code")


@never_cache
@require_GET
@access.anonymous("starts the round over the platform")
def wecom_start(request: HttpRequest) -> HttpResponse:
    return _start(request, request.GET.get("next", ""))


def _start(request: HttpRequest, to: str) -> HttpResponse:
    return ask_platform(request, sign_in.begin_round(request, to=to, now=clock.system_now()))


def ask_platform(request: HttpRequest, state: str) -> HttpResponse:
    """Send the browser to the platform: silently inside its client, to the QR code at the web."""
    address = oauth.authorize_url if inside_wecom(request) else oauth.scan_url
    return redirect(address(state, _callback_address(request)))


def _callback_address(request: HttpRequest) -> str:
    """Return where the platform sends the browser back to: in production exactly the trusted domain."""
    path = reverse("guides:wecom-callback")
    return settings.PUBLIC_BASE_URL + path if settings.PRODUCTION else request.build_absolute_uri(path)


@never_cache
@require_GET
@access.anonymous("the platform sends the browser back here; state and code are checked")
def wecom_callback(request: HttpRequest) -> HttpResponse:
    """Swap the code for a session, or for a confirmation. Always a redirect, so that the code leaves the address bar."""
    now = clock.system_now()
    try:
        limits.hit("login", limits.address_of(request))
        begun = sign_in.end_round(request, state=request.GET.get("state", ""), now=now)
        person = sign_in.person_of(_exchange(request.GET.get("code", "")))
        if begun.confirms is not None:
            if {begun.confirms, access.actor_of(request).staff_id} != {person.pk}:
                raise SomebodyElse()
            sign_in.confirm(request, actor=access.actor_of(request), way="wecom", now=now)
            return redirect(begun.to or "guides:me")
        _must_be_in_range(person.wecom_user_id)
        actor = sign_in.sign_in(request, person, way="wecom", is_phone=inside_wecom(request), now=now)
    except DomainError as refusal:
        sign_in.note_failure(request, refusal, way="wecom")
        return _refused(refusal)
    return redirect(begun.to or home_of(actor))


def _must_be_in_range(userid: str) -> None:
    """The swap names people outside the app's range too. Raises OutOfRange, AccountEnded or PlatformDown."""
    try:
        status = status_of(userid)
    except GatewayError as error:
        log.warning("sign-in could not ask for the person: %s", error)
        raise PlatformDown() from None
    if status in (DISABLED, LEFT):
        raise AccountEnded()
    if not status:
        raise OutOfRange()


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
    places = [entry for entry in nav.entries("hq", request) if entry.key not in ("home", "me")]
    begins_at = BEGIN_AT.get(access.actor_of(request).working_role, "")
    for entry in sorted(places, key=lambda one: one.key != begins_at):
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


def shell_facts(actor: Actor, hq_key: str) -> dict[str, Any]:
    """Return what a page for phone and PC alike needs of its shell: on the phone it stands under 我的, at HQ under its own key."""
    shell = shell_of(actor)
    return {"shell": shell, "now": clock.now(), "nav_current": hq_key if shell == "base/hq.html" else "me"}


def _unread(request: HttpRequest) -> int | None:
    return waiting.of(request, "notifications") or None


nav.add("guide", key="me", label="我的", icon="user-round", url="guides:me", order=90, badge=_unread)
nav.add("manager", key="me", label="我的", icon="user-round", url="guides:me", order=90, badge=_unread)
nav.add("hq", key="me", label="我的账号", icon="user-round", url="guides:me", order=90, group="系统")
