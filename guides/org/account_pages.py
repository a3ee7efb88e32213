"""我的 → 登录与安全: the code at sign-in, confirming who one is, 动态码, and the devices one is signed in on."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from yejibao.core import access, clock, desk, hx, limits, nav
from yejibao.core.errors import DomainError, Forbidden
from yejibao.core.scope import Actor

from . import devices, second_factor, sign_in
from .actors import AccountEnded, facts_of
from .confirming import CONFIRMING, PAGE, TOTP, must_be_confirmed, was_seen
from .models import Staff
from .pages import ask_platform, shell_of
from .sign_in import NoRoleYet, StateGone, home_of, safe_return

# ---------------------------------------------------------------- the second half of a sign-in with a password


@sensitive_post_parameters("code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.anonymous("whoever gave the right password a moment ago; asks for the code and opens nothing else")
def login_code(request: HttpRequest) -> HttpResponse:
    """Ask for the code, or let the person set up the app that makes it; then he is signed in.

    Whose password a colleague set is sent round by WeCom once: only he himself binds his app.
    """
    now = clock.system_now()
    try:
        person, to = sign_in.half_signed_in(request, now=now)
    except StateGone as gone:
        return redirect(f"/login/?why={gone.code}")
    enrolment = None
    if not second_factor.is_enrolled(person):
        if not second_factor.may_enrol_at_door(person):
            return render(request, "org/login_code.html", {"needs_platform": True})
        enrolment = second_factor.begin_enrolment(person)
    if request.method != "POST":
        return _ask_at_door(request, enrolment)
    nobody = Actor(session_facts=facts_of(request))
    try:
        limits.hit("login", limits.address_of(request))
        code, codes = request.POST.get("code", "")[:32], []
        if enrolment:
            codes = second_factor.finish_enrolment(person, code, actor=nobody, now=now)
        else:
            second_factor.check_code(person, code, actor=nobody, now=now)
        actor = sign_in.sign_in(request, person, way=TOTP, is_phone=False, now=now)
    except (NoRoleYet, StateGone, AccountEnded) as refusal:
        sign_in.note_failure(request, refusal, way="password", userid=person.wecom_user_id)
        return redirect(f"/login/?why={refusal.code}")
    except DomainError as refusal:
        sign_in.note_failure(request, refusal, way="password", userid=person.wecom_user_id)
        return _ask_at_door(request, enrolment, refusal)
    to = to or home_of(actor)
    return render(request, "org/recovery_codes.html", {"codes": codes, "to": to}) if codes else redirect(to)


def _ask_at_door(
    request: HttpRequest, enrolment: second_factor.Enrolment | None, refusal: DomainError | None = None
) -> HttpResponse:
    context: dict[str, Any] = {"enrolment": enrolment, "refusal": refusal}
    return _answer(request, "org/login_code.html", context, refusal)


def _answer(request: HttpRequest, template: str, context: dict[str, Any], refusal: DomainError | None) -> HttpResponse:
    response = render(request, template, context, status=refusal.status if refusal else 200)
    if refusal and "retry_after" in refusal.extra:
        response["Retry-After"] = str(refusal.extra["retry_after"])
    return response


# ---------------------------------------------------------------- showing once more that one is it


@sensitive_post_parameters("code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def confirm(request: HttpRequest) -> HttpResponse:
    """再确认: by a code, or by the platform; then back to where it was asked for."""
    person, actor = _me(request), access.actor_of(request)
    to = safe_return(request.POST.get("next", "") or request.GET.get("next", ""))
    enrolled = second_factor.is_enrolled(person)
    needs_code = settings.SECOND_FACTOR == TOTP and actor.has_role(*CONFIRMING)
    refusal: DomainError | None = None
    if request.method == "POST" and enrolled:
        try:
            code = request.POST.get("code", "")[:32]
            second_factor.check_code(person, code, actor=actor, now=clock.system_now())
        except DomainError as wrong:
            refusal = wrong
        else:
            sign_in.confirm(request, actor=actor, way=TOTP, now=clock.system_now())
            return redirect(to or "guides:me")
    context: dict[str, Any] = {
        "enrolled": enrolled,
        "must_enrol": needs_code and not enrolled, "by_platform": not needs_code, "was_seen": was_seen(actor),
        "next": to, "refusal": refusal, "shell": shell_of(actor), "nav_current": "me",
    }  # fmt: skip
    return _answer(request, "org/confirm.html", context, refusal)


@never_cache
@require_POST
@access.signed_in
def confirm_by_platform(request: HttpRequest) -> HttpResponse:
    """Ask the platform who holds the phone, as at a sign-in; the answer comes to the same address."""
    staff_id = access.actor_of(request).staff_id
    to = request.POST.get("next", "")
    return ask_platform(request, sign_in.begin_round(request, to=to, now=clock.system_now(), confirms=staff_id))


# ---------------------------------------------------------------- 动态码


@sensitive_post_parameters("code")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def second(request: HttpRequest) -> HttpResponse:
    """动态码: set it up, or take it away. Only for somebody seen in the last minutes: an open browser must not do it."""
    person, actor = _me(request), access.actor_of(request)
    enrolled = second_factor.is_enrolled(person)
    if not was_seen(actor, *((TOTP,) if enrolled else ())):
        return redirect(f"{PAGE}?next={request.path}")
    refusal: DomainError | None = None
    if request.method == "POST":
        try:
            if request.POST.get("act") == "remove":
                second_factor.reset_second_factor(person, actor=actor, reason="本人更换")
                hx.flash(request, _("原来的动态码已经作废"))
                return redirect("guides:second-factor")
            code, now = request.POST.get("code", "")[:32], clock.system_now()
            codes = second_factor.finish_enrolment(person, code, actor=actor, now=now)
            sign_in.confirm(request, actor=actor, way=TOTP, now=now)
            return render(request, "org/recovery_codes.html", {"codes": codes, "to": "/me/devices/"})
        except DomainError as wrong:
            refusal = wrong
    enrolment = None if enrolled else second_factor.begin_enrolment(person)
    context: dict[str, Any] = {
        "enrolment": enrolment,
        "refusal": refusal,
        "shell": shell_of(actor),
        "nav_current": "me",
    }
    return _answer(request, "org/second_factor.html", context, refusal)


# ---------------------------------------------------------------- devices


@never_cache
@require_GET
@access.signed_in
def own_devices(request: HttpRequest) -> HttpResponse:
    """登录设备: where I am signed in, one's own."""
    return _devices_page(request, _me(request))


@require_POST
@access.signed_in
def end_own_devices(request: HttpRequest) -> HttpResponse:
    """End one of my sessions, or all but this one."""
    return _end(request, _me(request), "guides:devices")


@never_cache
@require_GET
@access.permission("account.manage")
def devices_of(request: HttpRequest, pk: int) -> HttpResponse:
    """The devices of a colleague, for administrators."""
    return _devices_page(request, _colleague(request, pk))


@require_POST
@access.permission("account.manage")
def end_devices_of(request: HttpRequest, pk: int) -> HttpResponse:
    """End one session of a colleague, all of them, or take his 动态码 away when his phone is lost."""
    person, actor = _colleague(request, pk), access.actor_of(request)
    if request.POST.get("act") == "reset_second":
        if actor.staff_id == person.pk:
            raise Forbidden(_("自己的动态码由别的管理员来取消。"), permission="account.own_second_factor")
        must_be_confirmed(actor)
        reason = desk.needs_reason(request.POST.get("reason", ""))
        second_factor.reset_second_factor(person, actor=actor, reason=reason)
        hx.flash(request, _("动态码已取消，%(name)s下次登录时重新绑定") % {"name": person.name})
        return redirect("guides:staff-devices", pk=pk)
    return _end(request, person, "guides:staff-devices", pk=pk)


def _end(request: HttpRequest, person: Staff, back: str, **where: Any) -> HttpResponse:
    actor, ref = access.actor_of(request), request.POST.get("ref", "")[:16]
    if ref:
        devices.end_device(person, ref, actor=actor)
        hx.flash(request, _("这台设备已退出登录"))
    else:
        is_own = actor.staff_id == person.pk
        count = devices.end_devices(person, actor=actor, but_key=request.session.session_key or "" if is_own else "")
        hx.flash(request, _("%(count)d 台设备已退出登录") % {"count": count})
    return redirect(back, **where)


def _devices_page(request: HttpRequest, person: Staff) -> HttpResponse:
    actor = access.actor_of(request)
    is_own = actor.staff_id == person.pk
    context = {
        "person": person, "is_own": is_own, "enrolled": second_factor.is_enrolled(person),
        "devices": devices.devices_of(person, now=clock.system_now(), current_key=request.session.session_key or ""),
        "system_now": clock.system_now(), "shell": shell_of(actor), "nav_current": "me" if is_own else "people",
    }  # fmt: skip
    return render(request, "org/devices.html", context)


def _colleague(request: HttpRequest, pk: int) -> Staff:
    return get_object_or_404(Staff.objects.visible_to(access.actor_of(request)), pk=pk)


def _me(request: HttpRequest) -> Staff:
    return get_object_or_404(Staff, pk=access.actor_of(request).staff_id)


nav.add("me", key="devices", label="登录设备", icon="monitor", url="guides:devices", order=80)
