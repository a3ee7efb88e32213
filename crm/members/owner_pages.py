"""换导购: one member goes to another guide, with a reason; to a guide of a store one does not answer for by a request."""

from __future__ import annotations

from html import escape
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from guides.org.models import Staff
from guides.org.overview import Asked, find_people
from guides.org.pages import shell_of
from guides.org.scoped import under_grants
from yejibao.core import access, clock, desk
from yejibao.core.errors import DomainError, Invalid
from yejibao.core.flat import address
from yejibao.core.panels import Answer, panel
from yejibao.core.personal import mask_name
from yejibao.core.scope import Actor
from yejibao.core.templatetags import yjb

from .customers import Customer, member_of
from .models import Member
from .scoped import HEIR_ROLES
from .services import ASKED, asked_for, give_or_ask
from .services.asking import MAY
from .shells import card_url

SHOWN = 20


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*MAY)
def owner(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Choose who takes over, or name a guide of a store elsewhere."""
    actor, now, post = access.actor_of(request), clock.now(), request.POST
    member = member_of(actor, public_id).member
    assert member is not None
    refusal: DomainError | None = None
    if request.method == "POST" and "to" in post:
        content = {name: post.get(name, "") for name in ("to", "store", "person", "reason")} | {"member": member.pk}

        def work() -> dict[str, Any]:
            to = _chosen(actor, member, post.get("to", ""), post.get("store", ""), post.get("person", ""))
            asked = give_or_ask(member, to=to, actor=actor, reason=desk.needs_reason(post.get("reason", "")), now=now)
            return {"asked": asked.pk if asked else None, "name": to.name}

        try:
            answer, refusal = desk.attempt(request, content, work)
        except DomainError as problem:
            if problem.status != 403:
                raise
            answer, refusal = {}, problem
        if refusal is None:
            return desk.done(request, *_said(actor, member, answer))
    words = post.get("q", "").strip()[:32]
    context = {
        "member": member, "name": _name(actor, member), "people": _people(actor, member, words), "q": words, "post": post,
        "asked": asked_for(member, actor), "refusal": desk.sentence(refusal) if refusal else "", "now": now,
        "shell": shell_of(actor), "card": card_url(actor, member), "nav_current": "members",
    }  # fmt: skip
    return render(request, "members/owner.html", context, status=refusal.status if refusal else 200)


def _said(actor: Actor, member: Member, answer: dict[str, Any]) -> tuple[str, str]:
    """Return what to say and where to go: to the request, or to the card, where it is still in sight."""
    if answer["asked"]:
        return "申请送出去了，批准了才换", reverse("guides:approval", args=[answer["asked"]])
    is_in_sight = Member.objects.visible_to(actor).filter(pk=member.pk).exists()
    list_url = reverse("crm:members" if actor.has_role("guide", "store_manager") else "crm:hq-members")
    return f"换给{answer['name']}了", card_url(actor, member) if is_in_sight else list_url


def _name(actor: Actor, member: Member) -> str:
    return member.name if shell_of(actor) != "base/hq.html" else mask_name(member.name)


def _people(actor: Actor, member: Member, words: str) -> list[Staff]:
    """Return who may take over, in the stores this actor answers for: those of a name, else of the member's store."""
    day = clock.today()
    rows = find_people(actor, Asked(words, state="employed"), day=day)
    rows = rows.filter(under_grants(actor.reach(*HEIR_ROLES), path="store__unit__path", store="store_id"))
    rows = rows.filter(
        Q(pk__in=Staff.objects.holding("guide", day=day)) | Q(pk__in=Staff.objects.holding("store_manager", day=day))
    )
    if not words:
        rows = rows.filter(store=member.main_store_id)
    return list(rows.filter(store__closed_on=None).exclude(pk=member.owner_guide_id or 0)[:SHOWN])


def _chosen(actor: Actor, member: Member, to: str, store: str, person: str) -> Staff:
    """Return the guide a form names: one of the list, or by store and name exactly, whom the actor need not see. Raises Invalid."""
    if to and to != "elsewhere":
        found = Staff.objects.visible_to(actor).filter(pk=desk.chosen(to), store__isnull=False).first()
        if found is None:
            raise Invalid(errors=[{"field": "to", "code": "required", "message": "选一位导购"}])
        return found
    store, person = store.strip()[:64], person.strip()[:32]
    at = Q(store__code=store) | Q(store__name=store) | Q(store__short_name=store)
    called = Q(name=person) | Q(display_name=person) | Q(wecom_user_id=person.lower())
    people = list(Staff.objects.employed().filter(at, called, store__closed_on=None)[:2]) if store and person else []
    if len(people) != 1:
        words = "这家店有两位同名的，写企业微信账号" if people else "没找到这家店的这位导购，核对一下门店和姓名"
        raise Invalid(errors=[{"field": "person", "code": "unknown", "message": words}])
    return people[0]


@panel("member", order=85, name="owner", reads=(ASKED,))
@panel("hq-member-aside", order=20, name="owner", reads=(ASKED,))
def owner_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """The way there, for those who may give members or ask to; and what waits to be decided."""
    member, actor = customer.member, access.actor_of(request)
    if member is None or not actor.has_role(*MAY):
        return None
    asked = ASKED.of(request)
    waits = f'<span class="fs13 muted" style="display:block">{escape(asked.title)}，等审批</span>' if asked else ""
    return SafeString(
        f'<a class="card row plain mt3 mb3" href="{address("crm:member-owner", member.public_id)}">{yjb.icon("repeat")}'
        f'<span class="grow"><b class="m">换导购</b>{waits}</span>{yjb.icon("chevron-right", "i-16 muted")}</a>'
    )
