"""消息和隐私: what he allows, as easy to take back as to give; and what he asks of us about his own data."""

from datetime import datetime, timedelta
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.models import Member
from crm.privacy.copying import render_copy
from crm.privacy.models import ConsentRecord, MemberRequest, MemberRequestQuerySet
from crm.privacy.services import ALLOWED, CHANNELS, ask_himself, set_allowed, take_own_copy, withdraw_request
from yejibao.core import access, clock, desk, hx, idempotency, limits
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Invalid, NotFound

from .models import MemberSession
from .places import member_of, session_of

HERE = ConsentRecord.Channel.MINI_PROGRAM
ASKABLE = {
    MemberRequest.Kind.COPY: _("要一份我的信息"), MemberRequest.Kind.CORRECT: _("我的信息有错"),
    MemberRequest.Kind.DELETE: _("注销并删除我的信息"),
}  # fmt: skip
FRESH = timedelta(minutes=10)  # a web view opened so lately was opened by who holds the phone


class NotFresh(Conflict):
    code, title = "auth.not_fresh", _("离开太久了，从小程序重新进来再取")


@never_cache
@require_GET
@access.member
def privacy(request: HttpRequest) -> HttpResponse:
    """What he allows now, and his requests that are not answered yet."""
    member = member_of(request)
    open_ones = {one.kind: one for one in _requests(request).unfinished()}
    session = session_of(request)
    context = {
        "member": member,
        "may_take": session is not None and _is_fresh(session),
        "seen": desk.seen(member, ALLOWED),
        "channels": [(key, name, key not in member.marketing_opt_out) for key, name in CHANNELS.items()],
        "asks": [(kind, name, open_ones.get(kind)) for kind, name in ASKABLE.items()],
    }
    return render(request, "member/privacy.html", context)


@require_POST
@access.member
def allow(request: HttpRequest) -> HttpResponse:
    """Write what the switches say; what differs, all or nothing."""
    member, allows = member_of(request), request.POST.getlist("allows")
    set_allowed(
        member, refused=CHANNELS.keys() - set(request.POST.getlist("channels")), may_profile="profiling" in allows,
        may_call="phone" in allows, seen=request.POST.get("seen", ""), channel=HERE,
        actor=access.actor_of(request), now=clock.now(),
    )  # fmt: skip
    hx.flash(request, "记下了，马上生效")
    return redirect(reverse("crm:my-privacy"))


@require_POST
@access.member
def ask(request: HttpRequest) -> HttpResponse:
    """Ask for a copy or for deletion: recorded as his own, answered within 15 days."""
    member, kind, now = member_of(request), request.POST.get("kind", ""), clock.now()
    if kind not in ASKABLE:
        raise Invalid(_("选一下要什么"))
    wish = request.POST.get("wish", "")[:500]
    idempotency.once(request, {"kind": kind, "wish": wish}, lambda: _asked(request, member, kind, wish, now=now))
    hx.flash(request, "收到了，15 天内答复您")
    return redirect(reverse("crm:my-privacy"))


def _asked(request: HttpRequest, member: Member, kind: str, wish: str, *, now: datetime) -> dict[str, str]:
    asked = ask_himself(member, kind=kind, actor=access.actor_of(request), now=now, wish=wish)
    return {"state": asked.state}


def _is_fresh(session: MemberSession) -> bool:
    return clock.system_now() - session.began_at <= FRESH


@require_POST
@access.member
@limits.by("login")
def own_copy(request: HttpRequest) -> HttpResponse:
    """取一份: everything, as one file; only shortly after he came in from the mini-program. Raises NotFresh."""
    session, member, now = session_of(request), member_of(request), clock.now()
    if session is None or not _is_fresh(session):
        raise NotFresh()
    take_own_copy(member, actor=access.actor_of(request), now=now)
    response = HttpResponse(
        render_copy(Member.objects.get(pk=member.pk), now=now), content_type="text/html; charset=utf-8"
    )
    response["Content-Disposition"] = "attachment; filename*=UTF-8''" + quote(f"我的信息-{local_day(now)}.html")
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    return response


@require_POST
@access.member
def withdraw(request: HttpRequest) -> HttpResponse:
    """Take a request back, until it is done."""
    waiting = _requests(request).unfinished().filter(kind=request.POST.get("kind", "")).first()
    if waiting is None:
        raise NotFound(_("这件已经办完了。"))
    withdraw_request(waiting, actor=access.actor_of(request), now=clock.now())
    hx.flash(request, "撤回了")
    return redirect(reverse("crm:my-privacy"))


def _requests(request: HttpRequest) -> MemberRequestQuerySet:
    return MemberRequest.objects.visible_to(access.actor_of(request))
