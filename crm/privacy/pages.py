"""个人信息 at HQ: members' requests, the consent texts, who looked at how many numbers. And the manager's list of the last."""

from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guides.org.confirming import recently_confirmed
from guides.org.models import Store
from yejibao.core import access, audit, clock, hx, idempotency, nav
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.personal import mask_phone

from . import copying, queries, services
from .models import ConsentRecord, ConsentText, MemberRequest
from .services.revealing import ALARM_PER_DAY, STOP_PER_DAY

WHO = MemberRequest.HANDLED_BY
CHANNELS = [(key, name) for key, name in ConsentRecord.Channel.choices if key != ConsentRecord.Channel.TILL]
A_NIGHT = timedelta(hours=30)  # an approved deletion that still waits then met an error
WATCHERS = ("hq_crm", "hq_operator", "sys_admin")


@never_cache
@require_GET
@access.roles(*WHO)
def requests(request: HttpRequest) -> HttpResponse:
    """What members asked for: what waits, by its day; or what is over."""
    actor, now = access.actor_of(request), clock.now()
    is_over = request.GET.get("show") == "over"
    found = queries.finished_requests(actor) if is_over else queries.waiting_requests(actor)
    found, today = list(found), clock.local_day(now)
    audit.saw_members(actor, sorted({one.member_id for one in found}), where="会员的要求")
    context = {
        "rows": [(one, one.days_left(today)) for one in found], "is_over": is_over, "near": queries.NEAR_DAYS,
        "now": now, "nav_current": "privacy",
    }  # fmt: skip
    return render(request, "privacy/requests.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*WHO)
def new_request(request: HttpRequest) -> HttpResponse:
    """登记: find him by his whole phone or card number, which travels in the body, never in the address; then what he asks.

    Who is not found is an answer, not an address that does not exist (that would count as walking through ids).
    """
    actor, now = access.actor_of(request), clock.now()
    words = request.POST.get("words", "").strip()[:32]
    chosen = request.POST.getlist("member")
    if chosen:
        members = services.found_members(chosen, actor=actor)
    else:
        members = services.find_members(words, actor=actor) if words else []
        audit.saw_members(actor, [one.pk for one in members], where="登记会员的要求")
    if chosen and (kind := request.POST.get("kind", "")):

        def work() -> dict[str, Any]:
            asked = services.record_requests(
                members, kind=kind, channel=request.POST.get("channel", ""), actor=actor, now=now,
                wish=request.POST.get("wish", ""),
            )  # fmt: skip
            return {"pks": [one.pk for one in asked]}

        told, _ = idempotency.once(request, {"members": [one.pk for one in members], "kind": kind}, work)
        pks = told["pks"]
        many = f"{len(pks)} 张卡都登记好了，一张一件，逐件核实"
        hx.flash(request, many if len(pks) > 1 else "登记好了，接下来核实是不是本人")
        to = reverse("crm:privacy-requests") if len(pks) > 1 else reverse("crm:privacy-request", args=pks)
        return HttpResponseRedirect(to)
    context = {
        "words": words, "cards": [(one, mask_phone(one.phone), queries.consents_of(one)) for one in members], "now": now,
        "kinds": MemberRequest.Kind.choices, "channels": CHANNELS, "nav_current": "privacy",
    }  # fmt: skip
    return render(request, "privacy/new.html", context)


@never_cache
@require_GET
@access.roles(*WHO)
def one_request(request: HttpRequest, pk: int) -> HttpResponse:
    """One request and what can be done with it now."""
    actor, now = access.actor_of(request), clock.now()
    asked = services.read_request(pk, actor=actor)
    audit.saw_members(actor, [asked.member_id], where="会员的要求")
    return render(request, "privacy/request.html", _context(asked, request, now))


def _context(asked: MemberRequest, request: HttpRequest, now: datetime) -> dict[str, Any]:
    member, actor = asked.member, access.actor_of(request)
    return {
        "asked": asked, "member": member, "days_left": asked.days_left(clock.local_day(now)), "now": now,
        "proofs": MemberRequest.Proof.choices, "phone": f"尾号 {member.phone_last4}" if member.phone_last4 else "没留手机号",
        "may_decide": actor.staff_id not in (asked.asked_by_id, asked.checked_by_id), "nav_current": "privacy",
        "is_open": asked.state in MemberRequest.UNFINISHED, "may_check": services.may_check(asked, actor),
        "may_phone": actor.staff_id != (asked.asked_by_id or asked.checked_by_id),
        "is_stuck": asked.state == MemberRequest.State.APPROVED and asked.decided_at and now - asked.decided_at > A_NIGHT,
        "may_again": services.may_copy_again(asked, actor, now=now),
        "may_call": asked.asked_by_id != actor.staff_id or not services.needs_ticket(actor),
    }  # fmt: skip


def _correction(request: HttpRequest) -> dict[str, Any]:
    """Read what is to be corrected: only what was filled in."""
    typed = {name: request.POST.get(name, "").strip() for name in ("name", "salutation", "gender", "phone")}
    values: dict[str, Any] = {name: text for name, text in typed.items() if text}
    if birthday := request.POST.get("birthday", "").strip():
        try:
            day = datetime.strptime(birthday, "%Y-%m-%d")  # noqa: DTZ007  a day of the calendar
        except ValueError:
            errors = [{"field": "birthday", "code": "invalid", "message": "写成 1986-05-20"}]
            raise Invalid("生日写成 1986-05-20", errors=errors) from None
        values |= {"birth_year": str(day.year), "birth_month": day.month, "birth_day": day.day}
    return values


@require_POST
@access.roles(*WHO)
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """核实, 不能办, 撤回, 定下删除, 更正: one act on one request."""
    actor, now = access.actor_of(request), clock.now()
    asked = services.read_request(pk, actor=actor)
    match request.POST.get("act"):
        case "check":
            services.confirm_identity(asked, proof=request.POST.get("proof", ""), actor=actor, now=now)
            said = "身份核实过了"
        case "refuse":
            services.refuse_request(asked, reason=request.POST.get("reason", ""), actor=actor, now=now)
            said = "记为不能办，把原因告诉会员"
        case "withdraw":
            services.withdraw_request(asked, actor=actor, now=now)
            said = "已撤回"
        case "approve":
            services.approve_deletion(asked, actor=actor, now=now)
            said = "定下了，今晚清除；清除前还能撤回"
        case "correct":
            services.correct_member(asked, _correction(request), actor=actor, now=now)
            said = "改好了"
        case _:
            raise Invalid("选一件要做的")
    hx.flash(request, said)
    page = reverse("crm:privacy-request", args=[pk])
    return hx.redirect(page) if hx.is_htmx(request) else HttpResponseRedirect(page)


@never_cache
@require_POST
@access.roles(*WHO)
def number(request: HttpRequest, pk: int) -> HttpResponse:
    """The number of who asked, to call him back: counted and on record like any other look."""
    actor, now = access.actor_of(request), clock.now()
    asked = services.read_request(pk, actor=actor)
    if asked.state not in MemberRequest.UNFINISHED:
        raise Conflict("这件已经办结，不用再看号码")
    shown = services.reveal_phone(asked.member, actor=actor, reason=f"会员信息请求 {pk}：回拨核对", now=now)
    answer = render(request, "privacy/request.html", _context(asked, request, now) | {"phone": shown, "is_shown": True})
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@access.roles(*WHO)
@recently_confirmed
def copy(request: HttpRequest, pk: int) -> HttpResponse:
    """The member's own copy as one file, made at this moment and kept nowhere."""
    actor, now = access.actor_of(request), clock.now()
    asked = services.hand_over_copy(services.read_request(pk, actor=actor), actor=actor, now=now)
    answer = HttpResponse(copying.render_copy(asked.member, now=now), content_type="text/html; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="member-copy-{asked.pk}.html"'
    answer["Cache-Control"] = "no-store"
    return answer


@never_cache
@require_GET
@access.roles(*WATCHERS)
def reveals(request: HttpRequest) -> HttpResponse:
    """Who looked at how many full numbers, the whole company."""
    now = clock.now()
    context = {
        "rows": queries.lookers(now=now), "alarm": ALARM_PER_DAY, "stop": STOP_PER_DAY, "now": now, "nav_current": "privacy-reveals",
    }  # fmt: skip
    return render(request, "privacy/reveals.html", context)


@never_cache
@require_GET
@access.roles("store_manager")
def store_reveals(request: HttpRequest) -> HttpResponse:
    """The same of the manager's own store."""
    actor, now = access.actor_of(request), clock.now()
    stores = list(Store.objects.visible_to(actor).values_list("pk", flat=True))
    context = {
        "rows": queries.lookers(now=now, store_ids=stores),
        "alarm": ALARM_PER_DAY,
        "stop": STOP_PER_DAY,
        "now": now,
    }
    return render(request, "privacy/store_reveals.html", context)


@never_cache
@require_GET
@access.roles(*WATCHERS, "customer_service")
def texts(request: HttpRequest) -> HttpResponse:
    """The published consent texts, the newest version of each kind first."""
    found = ConsentText.objects.order_by("kind", "-version")
    return render(request, "privacy/texts.html", {"texts": found, "nav_current": "privacy", "now": clock.now()})


def _late(request: HttpRequest) -> int | None:
    return queries.count_waiting()[0] or None


nav.add(
    "hq",
    key="privacy",
    label="会员信息请求",
    icon="user-round",
    url="crm:privacy-requests",
    order=60,
    roles=WHO,
    badge=nav.kept(_late),
)
nav.add(
    "hq",
    key="privacy-reveals",
    label="看号码记录",
    icon="eye",
    url="crm:privacy-reveals",
    order=94,
    roles=WATCHERS,
    group="系统",
)
