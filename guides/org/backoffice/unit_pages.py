"""组织架构: the tree a level at a time, one page for each unit and store, dealers. Each act is a service of the room."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from yejibao.core import access, clock, desk, hx, nav, tunables
from yejibao.core.audit_words import action_words
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.models import AuditEntry

from .. import overview, units
from ..granting import MOVERS
from ..models import Dealer, OrgUnit, OrgUnitMove, Staff, Store
from ..moving import stores_to_move_to
from ..services import UPPER_LEVEL, create_store, create_unit, move_unit

READERS = ("sys_admin", "hq_retail", "hq_crm", "hq_operator", "hq_franchise")
MANAGE = "account.manage"
LOWER_LEVEL = {upper: lower for lower, upper in UPPER_LEVEL.items()}
CHANGES_SHOWN = 12
CONTRACT_WARNING = tunables.number(
    "contract-warning", group="组织", name="经销商合同到期前几天提醒", unit="天", default=60, least=7, most=365,
    why="合同到期第二天起，经销商的账号就看不到门店了",
)  # fmt: skip


# ---------------------------------------------------------------- the tree


@never_cache
@require_GET
@access.roles(*READERS)
def tree(request: HttpRequest) -> HttpResponse:
    """The top of the tree; what is below a unit comes when it is opened. With `q`: what is found."""
    actor, day = access.actor_of(request), clock.today()
    text = request.GET.get("q", "").strip()[:32]
    top = OrgUnit.objects.visible_to(actor).filter(level=OrgUnit.Level.HQ).order_by("pk").first()
    found = overview.nodes(overview.find_units(actor, text), day=day) if text else []
    context = {
        "q": text, "found": found, "top": overview.nodes([top], day=day)[0] if top else None, "depth": 0,
        "nodes": overview.children_of(top, actor, day=day) if top and not text else [], "may": actor.may(MANAGE),
        "nav_current": "org",
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "backoffice/part_found_units.html", context)
    return render(request, "backoffice/org.html", context)


@never_cache
@require_GET
@access.roles(*READERS)
def children(request: HttpRequest, pk: int) -> HttpResponse:
    """The rows right below a unit, to go under its row."""
    unit = _unit(request, pk)
    depth = min(desk.number(request.GET.get("depth"), empty=0) or 0, 5) + 1
    nodes = overview.children_of(unit, access.actor_of(request), day=clock.today())
    return render(request, "backoffice/part_units.html", {"nodes": nodes, "depth": depth, "parent": unit})


@never_cache
@require_GET
@access.roles("sys_admin", *MOVERS)
def find_store(request: HttpRequest) -> HttpResponse:
    """The stores one may move somebody to, found as one types: radio buttons of a form."""
    stores = stores_to_move_to(access.actor_of(request), day=clock.today())
    found = overview.find_stores(stores, request.GET.get("store_q", ""))
    facts = {"stores": found, "q": request.GET.get("store_q", ""), "key": _key(request)}
    return render(request, "backoffice/part_store_choices.html", facts)


def _key(request: HttpRequest) -> str:
    """Return which finder of a page asks: two on one page must not have buttons of the same id."""
    key = request.GET.get("key", "")
    return key if key.isascii() and key.isalpha() and len(key) < 12 else ""


@never_cache
@require_GET
@access.permission(MANAGE)
def find_unit(request: HttpRequest) -> HttpResponse:
    """Units of one level, found as one types: radio buttons of a form."""
    level, text = request.GET.get("level", ""), request.GET.get("unit_q", "").strip()
    if level and level not in OrgUnit.Level.values:
        raise NotFound()
    actor = access.actor_of(request)
    found = overview.find_units(actor, text, level=level) if text else _first_units(level)
    return render(request, "backoffice/part_unit_choices.html", {"units": found, "q": text, "key": _key(request)})


def _first_units(level: str) -> list[OrgUnit]:
    rows = OrgUnit.objects.filter(valid_to=None)
    return list((rows.filter(level=level) if level else rows).order_by("path")[: overview.FOUND])


# ---------------------------------------------------------------- one unit


def _unit(request: HttpRequest, pk: int) -> OrgUnit:
    unit: OrgUnit = get_object_or_404(OrgUnit.objects.visible_to(access.actor_of(request)), pk=pk)
    return unit


@never_cache
@require_GET
@access.roles(*READERS)
def unit_page(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _unit(request, pk))


def _page(request: HttpRequest, unit: OrgUnit, refusal: DomainError | None = None, act: str = "") -> HttpResponse:
    actor, day = access.actor_of(request), clock.today()
    store = Store.objects.select_related("dealer", "duty_guide").filter(unit=unit).first()
    node = overview.nodes([unit], day=day)[0]
    lower = LOWER_LEVEL.get(unit.level)
    context: dict[str, Any] = {
        "unit": unit, "node": node, "way": overview.way_to(unit), "store": store, "may": actor.may(MANAGE),
        "nodes": overview.children_of(unit, actor, day=day, with_ended=True) if store is None else [], "depth": 0,
        "lower": lower, "lower_name": OrgUnit.Level(lower).label if lower else "",
        "upper": UPPER_LEVEL.get(unit.level, ""), "moves": _moves(unit), "changes": _changes(unit, store) if actor.may(MANAGE) else None,
        "refusal": desk.sentence(refusal) if refusal else "", "act": act, "post": request.POST, "today": day,
        "nav_current": "org", "kinds": Store.Kind.choices, "grades": units.GRADES.items(),
        "dealers": Dealer.objects.order_by("code") if actor.may(MANAGE) else [],
    }  # fmt: skip
    if store is not None:
        people = Staff.objects.employed().filter(store=store).order_by("pk").defer("phone", "password")
        context |= {
            "people": list(people), "seen": desk.seen(store, units.STORE_FACTS),
            "stores": overview.find_stores(stores_to_move_to(actor, day=day).exclude(pk=store.pk), "")[:8],
        }  # fmt: skip
    elif UPPER_LEVEL.get(unit.level):
        context["choices"] = _first_units(UPPER_LEVEL[unit.level])[:8]
    return render(request, "backoffice/unit.html", context, status=refusal.status if refusal else 200)


def _moves(unit: OrgUnit) -> list[OrgUnitMove]:
    rows = OrgUnitMove.objects.filter(unit=unit).select_related("from_parent", "to_parent")
    return list(rows.order_by("-pk")[:CHANGES_SHOWN])


def _changes(unit: OrgUnit, store: Store | None) -> list[tuple[AuditEntry, str]]:
    """Return the last recorded acts on a unit and its store."""
    rows = AuditEntry.objects.filter(resource=OrgUnit._meta.label, resource_id=str(unit.pk))
    if store is not None:
        rows = rows | AuditEntry.objects.filter(resource=Store._meta.label, resource_id=str(store.pk))
    return [(row, action_words(row.action)) for row in rows.order_by("-pk")[:CHANGES_SHOWN]]


def _act(
    request: HttpRequest, unit: OrgUnit, act: str, work: Callable[[], str], *, to: str = ""
) -> HttpResponse:  # fmt: skip
    """Do an act of the unit's page: go on with what `work` says, or show the page with the refusal."""
    content = {name: value for name, value in request.POST.items() if name not in ("csrfmiddlewaretoken",)}
    answer, refusal = desk.attempt(request, content, lambda: {"said": work()})
    if refusal is not None:
        return _page(request, unit, refusal, act)
    return desk.done(request, answer["said"], to or reverse("guides:org-unit", args=[unit.pk]))


@require_POST
@access.permission(MANAGE)
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    unit, post = _unit(request, pk), request.POST

    def work() -> str:
        name = units.rename_unit(
            unit, name=post.get("name", ""), was=post.get("was", ""), actor=access.actor_of(request)
        ).name
        return f"改名为{name}"

    return _act(request, unit, "rename", work)


@require_POST
@access.permission(MANAGE)
def move(request: HttpRequest, pk: int) -> HttpResponse:
    unit, post, actor = _unit(request, pk), request.POST, access.actor_of(request)

    def work() -> str:
        reason = desk.needs_reason(post.get("reason", ""))
        to = OrgUnit.objects.visible_to(actor).filter(pk=desk.chosen(post.get("unit"))).first()
        if to is None:
            raise Invalid(errors=[{"field": "unit", "code": "required", "message": "选一个新的上级"}])
        moved = move_unit(unit, to=to, actor=actor, reason=reason, now=clock.now(), was=desk.chosen(post.get("was")))
        return f"{moved.name}和下面的门店归到{to.name}，之前的数字留在原来的上级"

    return _act(request, unit, "move", work)


@require_POST
@access.permission(MANAGE)
def end(request: HttpRequest, pk: int) -> HttpResponse:
    unit = _unit(request, pk)

    def work() -> str:
        units.end_unit(unit, actor=access.actor_of(request), now=clock.now(), reason=request.POST.get("reason", ""))
        return f"{unit.name}撤销了"

    return _act(request, unit, "end", work, to=reverse("guides:org"))


@require_POST
@access.permission(MANAGE)
def add(request: HttpRequest, pk: int) -> HttpResponse:
    """Add what is one level below: 分公司, 大区, 区域, or under an area a store."""
    unit, post, actor, now = _unit(request, pk), request.POST, access.actor_of(request), clock.now()

    def work() -> str:
        level, code, name = LOWER_LEVEL.get(unit.level), post.get("code", "").strip(), post.get("name", "").strip()
        if level is None:
            raise Invalid("门店下面不能再加单位")
        if not 0 < len(code) <= 32 or not 0 < len(name) <= 64:
            raise Invalid(errors=[{"field": "name", "code": "required", "message": "编号和名称都要填"}])
        if level != OrgUnit.Level.STORE:
            create_unit(level=level, code=code, name=name, parent=unit, actor=actor, now=now)
        else:
            create_store(area=unit, code=code, name=name, actor=actor, now=now, **_new_store(post, name))
        return f"{name}建好了"

    return _act(request, unit, "add", work)


def _new_store(post: Any, name: str) -> dict[str, Any]:
    return {
        "short_name": (post.get("short_name", "").strip() or name)[:32], "kind": post.get("kind", ""),
        "dealer": Dealer.objects.filter(pk=desk.chosen(post.get("dealer"))).first(),
        "opens_at": desk.hour(post.get("opens_at")) or time(9, 30), "closes_at": desk.hour(post.get("closes_at")) or time(22, 0),
        "city": post.get("city", "").strip()[:32], "opened_on": desk.day(post.get("opened_on")),
    }  # fmt: skip


# ---------------------------------------------------------------- one store


def _store(unit: OrgUnit) -> Store:
    store: Store = get_object_or_404(Store, unit=unit)
    return store


@require_POST
@access.permission(MANAGE)
def edit_store(request: HttpRequest, pk: int) -> HttpResponse:
    unit = _unit(request, pk)
    store = _store(unit)

    def work() -> str:
        units.edit_store(
            store, changes=_facts(request.POST, store), seen=request.POST.get("seen", ""), actor=access.actor_of(request)
        )  # fmt: skip
        return "门店资料改好了"

    return _act(request, unit, "edit", work)


def _facts(post: Any, store: Store) -> dict[str, Any]:
    area = desk.number(post.get("area_m2"))
    return {
        "name": post.get("name", "").strip()[:64], "short_name": post.get("short_name", "").strip()[:32],
        "kind": post.get("kind", ""), "grade": post.get("grade", ""), "dealer_id": desk.chosen(post.get("dealer")) or None,
        "area_m2": area if area is None or area < 100_000 else None, "opened_on": desk.day(post.get("opened_on")),
        "decoration_version": post.get("decoration_version", "").strip()[:16],
        "city": post.get("city", "").strip()[:32], "address_short": post.get("address_short", "").strip()[:64],
        "opens_at": desk.hour(post.get("opens_at")) or store.opens_at, "closes_at": desk.hour(post.get("closes_at")) or store.closes_at,
        "duty_guide_id": desk.chosen(post.get("duty_guide")) or None,
    }  # fmt: skip


@require_POST
@access.permission(MANAGE)
def close_store(request: HttpRequest, pk: int) -> HttpResponse:
    unit, post, actor, now = _unit(request, pk), request.POST, access.actor_of(request), clock.now()
    store = _store(unit)

    def work() -> str:
        on = desk.day(post.get("on"))
        if on is None:
            raise Invalid(errors=[{"field": "on", "code": "required", "message": "选关店日期"}])
        receiver = stores_to_move_to(actor, day=on).filter(pk=desk.chosen(post.get("store"))).first()
        moved = units.close_store(
            store, on=on, receiver=receiver, actor=actor, now=now, reason=post.get("reason", "")
        )["moved"]  # fmt: skip
        went = f"，{moved} 位导购到{receiver.short_name}上班" if receiver and moved else ""
        return f"{store.short_name} {on:%m-%d} 起关店{went}。会员由大区经理在「会员交接」里指定谁接"

    return _act(request, unit, "close", work)


@require_POST
@access.permission(MANAGE)
def reopen_store(request: HttpRequest, pk: int) -> HttpResponse:
    unit = _unit(request, pk)
    store = _store(unit)

    def work() -> str:
        units.reopen_store(
            store, actor=access.actor_of(request), now=clock.now(), reason=request.POST.get("reason", "")
        )
        return f"{store.short_name}恢复营业"

    return _act(request, unit, "reopen", work)


# ---------------------------------------------------------------- dealers


@never_cache
@require_GET
@access.roles(*READERS)
def dealers(request: HttpRequest) -> HttpResponse:
    return _dealers(request)


def _dealers(request: HttpRequest, refusal: DomainError | None = None, about: int = 0) -> HttpResponse:
    before = desk.number(request.GET.get("before"))
    rows = Dealer.objects.prefetch_related("stores").order_by("-pk")
    found = list((rows.filter(pk__lt=before) if before else rows)[: overview.PAGE + 1])
    today, warning = clock.today(), CONTRACT_WARNING.at(clock.now())
    context = {
        "lines": [(one, desk.seen(one, units.DEALER_FACTS), _contract(one, today, warning)) for one in found[: overview.PAGE]],
        "next_url": f"?before={found[overview.PAGE - 1].pk}" if len(found) > overview.PAGE else "",
        "may": access.actor_of(request).may(MANAGE), "refusal": desk.sentence(refusal) if refusal else "",
        "about": about, "post": request.POST, "nav_current": "org",
    }  # fmt: skip
    return render(request, "backoffice/dealers.html", context, status=refusal.status if refusal else 200)


def _contract(dealer: Dealer, today: date, warning: int) -> str:
    """Return over, soon or "" for the end of a contract."""
    if dealer.contract_until is None:
        return ""
    left = (dealer.contract_until - today).days
    return "over" if left < 0 else "soon" if left <= warning else ""


@require_POST
@access.permission(MANAGE)
def add_dealer(request: HttpRequest) -> HttpResponse:
    post, actor = request.POST, access.actor_of(request)

    def work() -> dict[str, Any]:
        made = units.add_dealer(
            code=post.get("code", ""), name=post.get("name", ""), contract_until=desk.day(post.get("contract_until")),
            actor=actor,
        )  # fmt: skip
        return {"said": f"{made.name}加好了，到门店资料里给他挂门店"}

    answer, refusal = desk.attempt(request, dict(post.items()), work)
    if refusal is not None:
        return _dealers(request, refusal)
    return desk.done(request, answer["said"], reverse("guides:org-dealers"))


@require_POST
@access.permission(MANAGE)
def edit_dealer(request: HttpRequest, pk: int) -> HttpResponse:
    dealer: Dealer = get_object_or_404(Dealer, pk=pk)
    post, actor = request.POST, access.actor_of(request)

    def work() -> dict[str, Any]:
        units.edit_dealer(
            dealer, name=post.get("name", ""), contract_until=desk.day(post.get("contract_until")),
            seen=post.get("seen", ""), actor=actor,
        )  # fmt: skip
        return {}

    _answer, refusal = desk.attempt(request, dict(post.items()), work)
    if refusal is not None:
        return _dealers(request, refusal, dealer.pk)
    return desk.done(request, "改好了", reverse("guides:org-dealers"))


# ---------------------------------------------------------------- what fields hold


nav.add(
    "hq", key="org", label="组织架构", icon="building-2", url="guides:org", order=70, group="组织与权限", roles=READERS
)
