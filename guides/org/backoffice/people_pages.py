"""人员: found as one types, one page for each person. Each act is a service of the room; members are handed over by crm."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from yejibao.core import access, clock, desk, hx, nav, panels
from yejibao.core.audit_words import action_words
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.models import AuditEntry
from yejibao.core.personal import mask_phone
from yejibao.core.scope import Actor

from .. import overview, people
from ..actors import role_facts, role_names
from ..confirming import recently_confirmed
from ..granting import end_role, grant_role, lend_to_store
from ..models import Dealer, OrgUnit, RoleAssignment, Staff, StaffSession, Store, StoreChange
from ..moving import cancel_transfer, movable_people, stores_to_move_to, transfer_staff
from ..services import create_staff, rename_staff, resign_staff, set_password, set_staff_state
from .unit_pages import MANAGE, READERS

State = Staff.State
CHANGES_SHOWN = 15
# What a person may be put in by hand; 调店中 comes with a planned move, 离职 has its own act.
BY_HAND = {State.ACTIVE: "在职", State.LEAVE: "请假中", State.DISABLED: "停用"}


# ---------------------------------------------------------------- the list


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*READERS)
def people_list(request: HttpRequest) -> HttpResponse:
    """Find people by name, first letters, account or whole phone number; narrowed by unit, role and state.

    What is searched for may be a phone, so it comes in the body; the address of the next page holds it only as a name.
    """
    actor, day = access.actor_of(request), clock.today()
    get = request.POST if request.method == "POST" else request.GET
    state, role = get.get("state", "employed"), get.get("role", "")
    if state not in (*State.values, "employed", "") or (role and role not in role_names()):
        raise NotFound()
    unit_id = desk.number(get.get("unit"))
    unit = get_object_or_404(OrgUnit.objects.visible_to(actor), pk=unit_id) if unit_id else None
    asked = overview.Asked(get.get("q", ""), state, role, unit, is_private=request.method == "POST")
    found, more = overview.page_of_people(
        overview.find_people(actor, asked, day=day), before=desk.number(get.get("before"))
    )
    held = overview.roles_of([one.pk for one in found], day=day)
    narrowed = {"q": asked.text.strip(), "state": state, "role": role, "unit": str(unit_id or "")}
    narrowed = {name: value for name, value in narrowed.items() if value or name == "state"}
    context = {
        "lines": [(one, [role_names()[row.role] for row in held[one.pk] if row.role in role_names()]) for one in found],
        "q": asked.text.strip(), "state": state, "role": role, "unit": unit, "may": actor.may(MANAGE),
        "states": [("employed", "没离职的"), *State.choices], "role_choices": role_names().items(),
        "next_url": f"?{urlencode(narrowed | {'before': more})}" if more else "", "nav_current": "people",
    }  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "backoffice/part_people.html", context)
    return render(request, "backoffice/people.html", context)


# ---------------------------------------------------------------- a new person


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.permission(MANAGE)
@recently_confirmed
def new_person(request: HttpRequest) -> HttpResponse:
    """Enter a person with his first role."""
    post, actor, now = request.POST, access.actor_of(request), clock.now()
    refusal: DomainError | None = None
    if request.method == "POST":

        def work() -> dict[str, Any]:
            role = post.get("role", "")
            person = create_staff(
                wecom_user_id=post.get("userid", "")[:64], name=post.get("name", "")[:32], role=role,
                unit=_chosen_unit(request, role), actor=actor, now=now, display_name=post.get("display_name", "")[:32],
                phone=post.get("phone", "")[:20], joined_on=_day(post.get("joined_on")),
                dealer=Dealer.objects.filter(pk=desk.chosen(post.get("dealer"))).first() if role == "dealer" else None,
            )  # fmt: skip
            return {"pk": person.pk, "name": person.name}

        content = {name: value for name, value in post.items() if name != "phone"}
        answer, refusal = desk.attempt(request, content, work)
        if refusal is None:
            return desk.done(request, f"{answer['name']}加好了", reverse("guides:person", args=[answer["pk"]]))
    context = {
        "roles": [(key, name, role_facts(key)["level"]) for key, name in role_names().items()], "post": post,
        "refusal": desk.sentence(refusal) if refusal else "", "dealers": Dealer.objects.order_by("code"),
        "today": clock.local_day(now), "nav_current": "people",
        "choices": OrgUnit.objects.filter(level="store", valid_to=None).order_by("path")[:8],
    }  # fmt: skip
    return render(request, "backoffice/person_new.html", context, status=refusal.status if refusal else 200)


def _chosen_unit(request: HttpRequest, role: str) -> OrgUnit:
    """Return the unit a form names; of a role of HQ there is one only. Raises Invalid."""
    units = OrgUnit.objects.visible_to(access.actor_of(request))
    if role in role_names() and (role_facts(role)["level"] == OrgUnit.Level.HQ or role == "dealer"):
        found = units.filter(level=OrgUnit.Level.HQ).order_by("pk").first()
    else:
        found = units.filter(pk=desk.chosen(request.POST.get("unit"))).first()
    if found is None:
        raise Invalid(errors=[{"field": "unit", "code": "required", "message": "选他属于哪个单位或门店"}])
    return found


# ---------------------------------------------------------------- one person


def _person(request: HttpRequest, pk: int) -> Staff:
    rows = Staff.objects.visible_to(access.actor_of(request)).select_related("store", "unit", "backup_guide")
    person: Staff = get_object_or_404(rows.defer("password", "backup_guide__phone", "backup_guide__password"), pk=pk)
    return person


@never_cache
@require_GET
@access.roles(*READERS)
def person_page(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _person(request, pk))


def _page(request: HttpRequest, person: Staff, refusal: DomainError | None = None, act: str = "") -> HttpResponse:
    actor, day, now = access.actor_of(request), clock.today(), clock.now()
    may = actor.may(MANAGE)
    roles = list(RoleAssignment.objects.filter(staff=person).select_related("unit", "dealer").order_by("-pk"))
    held = [row for row in roles if _stands(row, day)]
    plan = StoreChange.objects.filter(staff=person, state=StoreChange.State.PLANNED).select_related("to_store").first()
    employed = person.state in Staff.MAY_SIGN_IN
    context: dict[str, Any] = {
        "person": person, "may": may, "is_self": person.pk == actor.staff_id, "employed": employed,
        "phone": mask_phone(person.phone) if may else "", "held": [(row, *_role_words(row)) for row in held],
        "past": [(row, *_role_words(row)) for row in roles if row not in held][:8], "plan": plan,
        "has_web": any("web" in role_facts(row.role)["device"] for row in held), "has_password": _has_password(person),
        "device_count": _signed_in(person) if may else 0,
        "changes": _changes(person) if may else [], "states": [(k, n) for k, n in BY_HAND.items() if k != person.state],
        "refusal": desk.sentence(refusal) if refusal else "", "act": act, "post": request.POST, "today": day,
        "seen": desk.seen(person, people.FACTS), "nav_current": "people", "roles": _grantable(),
        "panels": panels.render("person", request, person=person, now=now),
    }  # fmt: skip
    if may and employed:
        context |= {
            "can_move": movable_people(actor, day=day).filter(pk=person.pk).exists() and plan is None,
            "mates": _mates(person), "dealers": Dealer.objects.order_by("code"),
            "stores": overview.find_stores(stores_to_move_to(actor, day=day), "")[:8],
            "choices": OrgUnit.objects.filter(level="store", valid_to=None).order_by("path")[:8],
        }  # fmt: skip
    return render(request, "backoffice/person.html", context, status=refusal.status if refusal else 200)


def _stands(row: RoleAssignment, day: date) -> bool:
    return row.ends_on is None or row.ends_on >= day


def _role_words(row: RoleAssignment) -> tuple[str, str]:
    if row.role not in role_names():
        return row.role, ""
    return role_names()[row.role], overview.reach_words(row)


def _grantable() -> list[tuple[str, str, str]]:
    levels = dict(OrgUnit.Level.choices)
    return [(key, name, str(levels[role_facts(key)["level"]])) for key, name in role_names().items()]


def _has_password(person: Staff) -> bool:
    stored = Staff.objects.filter(pk=person.pk).values_list("password", flat=True).get()
    return bool(stored) and not stored.startswith("!")


def _signed_in(person: Staff) -> int:
    return StaffSession.objects.filter(staff=person, expire_date__gt=clock.system_now()).count()


def _mates(person: Staff) -> list[Staff]:
    if person.store_id is None:
        return []
    rows = Staff.objects.employed().filter(store_id=person.store_id).exclude(pk=person.pk)
    return list(rows.order_by("pk").defer("phone", "password"))


def _changes(person: Staff) -> list[tuple[AuditEntry, str]]:
    rows = AuditEntry.objects.filter(resource=Staff._meta.label, resource_id=str(person.pk)).order_by("-pk")
    return [(row, action_words(row.action)) for row in rows[:CHANGES_SHOWN]]


SECRETS = ("csrfmiddlewaretoken", "phone", "password")


def _act(request: HttpRequest, person: Staff, act: str, work: Callable[[], str]) -> HttpResponse:
    """Do an act of the person's page: go on with what `work` says, or show the page with the refusal."""
    content = {name: value for name, value in request.POST.items() if name not in SECRETS}
    answer, refusal = desk.attempt(request, content, lambda: {"said": work()})
    if refusal is not None:
        return _page(request, _person(request, person.pk), refusal, act)
    return desk.done(request, answer["said"], reverse("guides:person", args=[person.pk]))


@require_POST
@access.permission(MANAGE)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    person, post = _person(request, pk), request.POST

    def work() -> str:
        changes = {
            "name": post.get("name", "").strip()[:32], "display_name": post.get("display_name", "").strip()[:32],
            "backup_guide_id": desk.chosen(post.get("backup")) or None, "joined_on": _day(post.get("joined_on")),
            "digest_minute": desk.chosen(post.get("digest_minute")),
        }  # fmt: skip
        people.edit_person(person, changes=changes, seen=post.get("seen", ""), actor=access.actor_of(request))
        return "资料改好了"

    return _act(request, person, "edit", work)


@sensitive_post_parameters("phone")
@require_POST
@access.permission(MANAGE)
def phone(request: HttpRequest, pk: int) -> HttpResponse:
    person = _person(request, pk)

    def work() -> str:
        people.set_phone(person, phone=request.POST.get("phone", "")[:20], actor=access.actor_of(request))
        return "手机号换好了" if person.phone else "手机号去掉了"

    return _act(request, person, "phone", work)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Give him the account he now has in WeCom."""
    person = _person(request, pk)

    def work() -> str:
        userid, reason = request.POST.get("userid", "").strip()[:64], desk.needs_reason(request.POST.get("reason", ""))
        _must_not_be_self(request, person)
        if not userid:
            raise Invalid(errors=[{"field": "userid", "code": "required", "message": "写他现在的企业微信账号"}])
        rename_staff(person, wecom_user_id=userid, actor=access.actor_of(request), reason=reason)
        return "企业微信账号换好了，他要重新登录"

    return _act(request, person, "rename", work)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def state(request: HttpRequest, pk: int) -> HttpResponse:
    """在职, 请假中, 停用. Who is disabled is refused from his next tap on."""
    person, post = _person(request, pk), request.POST

    def work() -> str:
        new, reason = post.get("state", ""), desk.needs_reason(post.get("reason", ""))
        if new not in BY_HAND:
            raise Invalid("选一种状态")
        _must_not_be_self(request, person)
        if post.get("was", "") != person.state:
            raise Invalid("他的状态刚刚变了，看过再改")
        set_staff_state(person, state=new, actor=access.actor_of(request), now=clock.now(), reason=reason)
        return f"{person.name}：{BY_HAND[State(new)]}"

    return _act(request, person, "state", work)


def _must_not_be_self(request: HttpRequest, person: Staff) -> None:
    if access.actor_of(request).staff_id == person.pk:
        raise Invalid("自己的账号要由别的管理员来办")


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def resign(request: HttpRequest, pk: int) -> HttpResponse:
    person = _person(request, pk)

    def work() -> str:
        reason = desk.needs_reason(request.POST.get("reason", ""))
        _must_not_be_self(request, person)
        resign_staff(person, actor=access.actor_of(request), now=clock.now(), reason=reason)
        return f"{person.name}办好离职了，已不能登录，会员由店长在「会员交接」里定谁接"

    return _act(request, person, "resign", work)


def _chosen_store(post: QueryDict, actor: Actor, *, day: date) -> Store | None:
    return stores_to_move_to(actor, day=day).filter(pk=desk.chosen(post.get("store"))).first()


@require_POST
@access.permission(MANAGE)
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """调店 of a guide."""
    person, post, actor, now = _person(request, pk), request.POST, access.actor_of(request), clock.now()

    def work() -> str:
        store = _chosen_store(post, actor, day=clock.local_day(now))
        on = _day(post.get("starts_on"))
        if store is None or on is None:
            raise Invalid(errors=[{"field": "store", "code": "required", "message": "选门店和日期"}])
        change = transfer_staff(
            person, to=store, starts_on=on, actor=actor, now=now, reason=post.get("reason", "").strip()
        )
        when = "现在起" if change.state == StoreChange.State.DONE else f"{on:%m-%d} 起"
        return f"{person.name}{when}在{store.short_name}上班，会员由原店长安排"

    return _act(request, person, "move", work)


@require_POST
@access.permission(MANAGE)
def cancel_move(request: HttpRequest, pk: int) -> HttpResponse:
    person = _person(request, pk)

    def work() -> str:
        change = StoreChange.objects.filter(staff=person, state=StoreChange.State.PLANNED).first()
        if change is None:
            raise Invalid("这次调店已经生效或取消了")
        cancel_transfer(change, actor=access.actor_of(request), now=clock.now())
        return f"{person.name}不调了"

    return _act(request, person, "move", work)


# ---------------------------------------------------------------- roles of a person


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def grant(request: HttpRequest, pk: int) -> HttpResponse:
    """加岗位 over a unit, for ever or from-to."""
    person, post, actor, now = _person(request, pk), request.POST, access.actor_of(request), clock.now()

    def work() -> str:
        role, reason = post.get("role", ""), desk.needs_reason(post.get("reason", ""))
        dealer = Dealer.objects.filter(pk=desk.chosen(post.get("dealer"))).first() if role == "dealer" else None
        grant_role(
            person, role=role, unit=_chosen_unit(request, role), actor=actor, now=now, dealer=dealer,
            starts_on=_day(post.get("starts_on")), ends_on=_day(post.get("ends_on")), reason=reason,
        )  # fmt: skip
        return f"{person.name}有了岗位{role_names()[role]}，下一次打开页面就生效"

    return _act(request, person, "grant", work)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def end_grant(request: HttpRequest, pk: int, held: int) -> HttpResponse:
    person = _person(request, pk)
    row = get_object_or_404(RoleAssignment.objects.select_related("staff"), pk=held, staff=person)

    def work() -> str:
        reason, last = desk.needs_reason(request.POST.get("reason", "")), _day(request.POST.get("last_day"))
        if not _stands(row, clock.today()):
            raise Invalid("这个岗位已经结束了")
        end_role(row, actor=access.actor_of(request), now=clock.now(), last_day=last, reason=reason)
        return f"{role_names().get(row.role, row.role)}{f'到 {last:%m-%d} 为止' if last else '结束了'}"

    return _act(request, person, "roles", work)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def lend(request: HttpRequest, pk: int) -> HttpResponse:
    """临时支援 in a second store from-to."""
    person, post, actor, now = _person(request, pk), request.POST, access.actor_of(request), clock.now()

    def work() -> str:
        store = _chosen_store(post, actor, day=clock.local_day(now))
        first, last = _day(post.get("starts_on")), _day(post.get("ends_on"))
        if store is None or first is None or last is None:
            raise Invalid(errors=[{"field": "store", "code": "required", "message": "选门店和起止日期"}])
        lend_to_store(
            person, store=store, starts_on=first, ends_on=last, actor=actor, now=now, role=post.get("role", "guide"),
            reason=post.get("reason", "").strip()[:255],
        )  # fmt: skip
        return f"{person.name} {first:%m-%d} 到 {last:%m-%d} 去{store.short_name}支援"

    return _act(request, person, "lend", work)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def post(request: HttpRequest, pk: int) -> HttpResponse:
    """换岗: another role instead of those he has."""
    person = _person(request, pk)

    def work() -> str:
        role = request.POST.get("role", "")
        if role not in role_names():
            raise Invalid("选一个岗位")
        unit = _chosen_unit(request, role)
        people.change_post(
            person, role=role, unit=unit, actor=access.actor_of(request), now=clock.now(),
            reason=request.POST.get("reason", ""),
        )  # fmt: skip
        return f"{person.name}现在是{unit.name}的{role_names()[role]}"

    return _act(request, person, "post", work)


# ---------------------------------------------------------------- signing in


@sensitive_post_parameters("password")
@require_POST
@access.permission(MANAGE)
@recently_confirmed
def password(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a person of the web a password, or take it away."""
    person, wanted = _person(request, pk), request.POST.get("password", "")[:128]

    def work() -> str:
        reason = desk.needs_reason(request.POST.get("reason", ""))
        _must_not_be_self(request, person)
        set_password(person, password=wanted or None, actor=access.actor_of(request), reason=reason)
        return "密码设好了，他要重新登录" if wanted else "密码取消了，他只能用企业微信登录"

    return _act(request, person, "password", work)


def _day(text: str | None) -> date | None:
    try:
        return parse_date(text or "")
    except ValueError:
        return None


nav.add(
    "hq", key="people", label="人员", icon="users", url="guides:people", order=71, group="组织与权限", roles=READERS
)
