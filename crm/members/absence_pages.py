"""请假, 转交会员, 调店: a guide is away, gives her members away, or works in another store. What follows is planned here."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from guides.attendance.leave import set_leave
from guides.org.granting import MOVERS
from guides.org.models import Staff, Store, StoreChange
from guides.org.moving import cancel_transfer, movable_people, planned_moves, stores_to_move_to, transfer_staff
from guides.org.overview import find_stores
from guides.org.scoped import under_grants
from yejibao.core import access, clock, desk, hx, idempotency, nav
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.scope import Actor

from .services import plan_giving

KINDS = {"leave": "请假", "give": "转交会员", "move": "调店"}
WHY_GIVE = {"long_leave": "他要休长假，几个月不在", "given": "他还在店里，会员由同事照顾更合适"}
MAY_MOVE = (*MOVERS, "sys_admin")  # who manages accounts moves anybody (org_and_roles.yaml, account.manage)
ROLES = {"leave": ("store_manager", "area_supervisor"), "give": ("store_manager",), "move": MAY_MOVE}
SHOWN = 200  # people to choose from
STORES_SHOWN = 8  # before one types


def _kinds(actor: Actor) -> list[str]:
    return [kind for kind, roles in ROLES.items() if actor.has_role(*roles)]


def title_for(actor: Actor) -> str:
    """Return what this actor may do here, as the button that leads here says it."""
    return " / ".join(KINDS[kind] for kind in _kinds(actor))


def _people(actor: Actor, kind: str, day: date) -> QuerySet[Staff]:
    """Return whom this actor may send on a leave or to another store; never himself."""
    if kind == "move":
        found = movable_people(actor, day=day)
    else:
        scope = under_grants(actor.reach(*ROLES[kind]), path="unit__path", store="store_id")
        found = Staff.objects.employed().holding("guide", day=day).filter(scope, store__isnull=False)
    return found.exclude(pk=actor.staff_id or 0).select_related("store").order_by("store__code", "pk")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles("store_manager", *MAY_MOVE)
def new_handover(request: HttpRequest) -> HttpResponse:
    """Choose who and what; a leave with an end moves nobody's members, the others lead to a plan."""
    actor = access.actor_of(request)
    kinds = _kinds(actor)
    kind = (request.POST or request.GET).get("kind", "")
    kind = kind if kind in kinds else kinds[0]
    refusal: DomainError | None = None
    if request.method == "POST":
        try:
            said, page = _act(request, actor, kind)
            hx.flash(request, said)
            return HttpResponseRedirect(page)
        except DomainError as problem:
            if problem.status not in (403, 409, 422):
                raise
            refusal = problem
    today = clock.today()
    people = list(_people(actor, kind, today)[:SHOWN])
    facts = {
        "kinds": [(key, KINDS[key]) for key in kinds],
        "kind": kind,
        "shell": "base/hq.html" if actor.working_role == "sys_admin" else "base/manager.html",
        "heading": KINDS[kind],
        "title": title_for(actor),
        "reasons": WHY_GIVE.items(),
        "people": people,
        "is_cut": len(people) == SHOWN and actor.has_role("sys_admin"),
        "moves": planned_moves([one.pk for one in people]),
        "stores": _stores(actor, today, post=request.POST) if kind == "move" else [],
        "refusal": refusal,
        "today": today,
        "post": request.POST,
        "nav_current": "handovers" if "give" in kinds else "moves",
        "now": clock.now(),
    }
    return render(request, "members/absence.html", facts, status=refusal.status if refusal else 200)


def _stores(actor: Actor, day: date, *, post: QueryDict) -> list[Store]:
    """Return the stores a form begins with: what was chosen before it was refused, then the first few; others are found."""
    stores = stores_to_move_to(actor, day=day)
    chosen = list(stores.filter(pk=_number(post.get("store", ""))))
    return chosen + [one for one in find_stores(stores, "")[:STORES_SHOWN] if one not in chosen]


def _act(request: HttpRequest, actor: Actor, kind: str) -> tuple[str, str]:
    """Do what the form says; return what to say and where to go."""
    post, now = request.POST, clock.now()
    person = _people(actor, kind, clock.local_day(now)).filter(pk=_number(post.get("person", ""))).first()
    if person is None:
        raise Invalid("选一位同事")
    page = reverse("crm:handover-new") + f"?kind={kind}"
    content = {
        name: post.get(name, "")
        for name in ("kind", "person", "starts_on", "ends_on", "backup", "store", "reason", "why")
    }

    def work() -> dict[str, Any]:
        if kind == "give":
            opened = plan_giving(person, reason=post.get("why", ""), actor=actor, now=now)
            return {"said": f"选一下{person.name}的会员给谁", "page": reverse("crm:handover", args=[opened.pk])}
        if kind == "leave":
            backup = Staff.objects.filter(store=person.store, pk=_number(post.get("backup", ""))).first()
            first, last = _day(post.get("starts_on", "")), _day(post.get("ends_on", ""))
            days = set_leave(person, starts_on=first, ends_on=last, actor=actor, now=now, backup=backup)
            return {"said": f"{person.name}请假 {days} 天，会员不动，任务由代办人做", "page": page}
        store = stores_to_move_to(actor, day=clock.local_day(now)).filter(pk=_number(post.get("store", ""))).first()
        if store is None:
            raise Invalid("选一家门店")
        change = transfer_staff(
            person,
            to=store,
            starts_on=_day(post.get("starts_on", "")),
            actor=actor,
            now=now,
            reason=post.get("reason", ""),
        )
        when = "现在起" if change.state == StoreChange.State.DONE else f"{change.starts_on:%m-%d} 起"
        return {"said": f"{person.name}{when}在{store.short_name}上班，会员由原店长安排", "page": page}

    answer, _ = idempotency.once(request, content, work)
    return answer["said"], answer["page"]


@require_POST
@access.roles(*MAY_MOVE)
def cancel_move(request: HttpRequest, pk: int) -> HttpResponse:
    """取消调店, until the day has come."""
    actor = access.actor_of(request)
    now = clock.now()
    people = movable_people(actor, day=clock.local_day(now))
    change = StoreChange.objects.filter(pk=pk, staff__in=people).select_related("staff").first()
    if change is None:
        raise NotFound()

    def work() -> dict[str, Any]:
        cancel_transfer(change, actor=actor, now=now)
        return {}

    idempotency.once(request, {}, work)
    hx.flash(request, f"{change.staff.name}不调了")
    return HttpResponseRedirect(reverse("crm:handover-new") + "?kind=move")


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 12 else 0


def _day(text: str) -> date:
    found = desk.day(text)
    if found is None:
        raise Invalid("选一下日期")
    return found


nav.add("manager", key="moves", label="调店", icon="store", url="crm:handover-new", order=42, roles=MOVERS)
nav.add(
    "hq",
    key="moves",
    label="调店",
    icon="store",
    url="crm:handover-new",
    order=73,
    group="组织与权限",
    roles=("sys_admin",),
)
