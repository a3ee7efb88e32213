"""What an administrator does on a person's page: each act is a service of the room, its refusal shown on the page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from yejibao.core import access, clock, desk
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from .. import people
from ..actors import role_names
from ..confirming import recently_confirmed
from ..granting import end_role, grant_role, lend_to_store
from ..models import Dealer, RoleAssignment, Staff, Store, StoreChange
from ..moving import cancel_transfer, stores_to_move_to, transfer_staff
from ..services import rename_staff, resign_staff, set_password, set_staff_state
from .people_pages import BY_HAND, State, chosen_unit, page_of, person_of, stands
from .unit_pages import MANAGE

SECRETS = ("csrfmiddlewaretoken", "phone", "password")


def _act(request: HttpRequest, person: Staff, act: str, work: Callable[[], str]) -> HttpResponse:
    """Do an act of the person's page: go on with what `work` says, or show the page with the refusal."""
    content = {name: value for name, value in request.POST.items() if name not in SECRETS}
    answer, refusal = desk.attempt(request, content, lambda: {"said": work()})
    if refusal is not None:
        return page_of(request, person_of(request, person.pk), refusal, act)
    return desk.done(request, answer["said"], reverse("guides:person", args=[person.pk]))


@require_POST
@access.permission(MANAGE)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    person, post = person_of(request, pk), request.POST

    def work() -> str:
        changes = {
            "name": post.get("name", "").strip()[:32], "display_name": post.get("display_name", "").strip()[:32],
            "backup_guide_id": desk.chosen(post.get("backup")) or None, "joined_on": desk.day(post.get("joined_on")),
            "digest_minute": desk.chosen(post.get("digest_minute")),
        }  # fmt: skip
        people.edit_person(person, changes=changes, seen=post.get("seen", ""), actor=access.actor_of(request))
        return "资料改好了"

    return _act(request, person, "edit", work)


@sensitive_post_parameters("phone")
@require_POST
@access.permission(MANAGE)
def phone(request: HttpRequest, pk: int) -> HttpResponse:
    person = person_of(request, pk)

    def work() -> str:
        people.set_phone(person, phone=request.POST.get("phone", "")[:20], actor=access.actor_of(request))
        return "手机号换好了" if person.phone else "手机号去掉了"

    return _act(request, person, "phone", work)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    """Give him the account he now has in WeCom."""
    person = person_of(request, pk)

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
    person, post = person_of(request, pk), request.POST

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
    person = person_of(request, pk)

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
    person, post, actor, now = person_of(request, pk), request.POST, access.actor_of(request), clock.now()

    def work() -> str:
        store = _chosen_store(post, actor, day=clock.local_day(now))
        on = desk.day(post.get("starts_on"))
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
    person = person_of(request, pk)

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
    person, post, actor, now = person_of(request, pk), request.POST, access.actor_of(request), clock.now()

    def work() -> str:
        role, reason = post.get("role", ""), desk.needs_reason(post.get("reason", ""))
        dealer = Dealer.objects.filter(pk=desk.chosen(post.get("dealer"))).first() if role == "dealer" else None
        grant_role(
            person, role=role, unit=chosen_unit(request, role), actor=actor, now=now, dealer=dealer,
            starts_on=desk.day(post.get("starts_on")), ends_on=desk.day(post.get("ends_on")), reason=reason,
        )  # fmt: skip
        return f"{person.name}有了岗位{role_names()[role]}，下一次打开页面就生效"

    return _act(request, person, "grant", work)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def end_grant(request: HttpRequest, pk: int, held: int) -> HttpResponse:
    person = person_of(request, pk)
    row = get_object_or_404(RoleAssignment.objects.select_related("staff"), pk=held, staff=person)

    def work() -> str:
        reason, last = desk.needs_reason(request.POST.get("reason", "")), desk.day(request.POST.get("last_day"))
        if not stands(row, clock.today()):
            raise Invalid("这个岗位已经结束了")
        end_role(row, actor=access.actor_of(request), now=clock.now(), last_day=last, reason=reason)
        return f"{role_names().get(row.role, row.role)}{f'到 {last:%m-%d} 为止' if last else '结束了'}"

    return _act(request, person, "roles", work)


@require_POST
@access.permission(MANAGE)
@recently_confirmed
def lend(request: HttpRequest, pk: int) -> HttpResponse:
    """临时支援 in a second store from-to."""
    person, post, actor, now = person_of(request, pk), request.POST, access.actor_of(request), clock.now()

    def work() -> str:
        store = _chosen_store(post, actor, day=clock.local_day(now))
        first, last = desk.day(post.get("starts_on")), desk.day(post.get("ends_on"))
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
    person = person_of(request, pk)

    def work() -> str:
        role = request.POST.get("role", "")
        if role not in role_names():
            raise Invalid("选一个岗位")
        unit = chosen_unit(request, role)
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
    person, wanted = person_of(request, pk), request.POST.get("password", "")[:128]

    def work() -> str:
        reason = desk.needs_reason(request.POST.get("reason", ""))
        _must_not_be_self(request, person)
        set_password(person, password=wanted or None, actor=access.actor_of(request), reason=reason)
        return "密码设好了，他要重新登录" if wanted else "密码取消了，他只能用企业微信登录"

    return _act(request, person, "password", work)
