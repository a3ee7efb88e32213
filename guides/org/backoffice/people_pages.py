"""人员: found as one types, one page for each person. Each act is a service of the room; members are handed over by crm."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Q, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from yejibao.core import access, clock, desk, hx, nav, panels
from yejibao.core.audit_words import action_words
from yejibao.core.errors import DomainError, Invalid, NotFound
from yejibao.core.models import AuditEntry
from yejibao.core.personal import mask_phone
from yejibao.core.scope import Actor

from .. import overview, people
from ..actors import role_facts, role_names
from ..confirming import recently_confirmed
from ..models import Dealer, OrgUnit, RoleAssignment, Staff, StaffSession, Store, StoreChange, platform_id
from ..moving import movable_people, stores_to_move_to
from ..services import create_staff
from .unit_pages import MANAGE, READERS

State = Staff.State
CHANGES_SHOWN, CHOICES = 15, 8
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
    """Enter a person with his first role; with `again` one who left and comes back."""
    post, actor, now = request.POST or _again(request), access.actor_of(request), clock.now()
    refusal: DomainError | None = None
    if request.method == "POST":

        def work() -> dict[str, Any]:
            role = post.get("role", "")
            person = create_staff(
                wecom_user_id=post.get("userid", "")[:64], name=post.get("name", "")[:32], role=role,
                unit=chosen_unit(request, role), actor=actor, now=now, display_name=post.get("display_name", "")[:32],
                phone=post.get("phone", "")[:20], joined_on=desk.day(post.get("joined_on")),
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
        "choices": _first_units(request),
    }  # fmt: skip
    return render(request, "backoffice/person_new.html", context, status=refusal.status if refusal else 200)


def _again(request: HttpRequest) -> dict[str, str]:
    """Return what is known of somebody who left, to begin the form with."""
    pk = desk.number(request.GET.get("again"))
    if pk is None:
        return {}
    left = Staff.objects.visible_to(access.actor_of(request)).filter(state=State.RESIGNED)
    former = get_object_or_404(left.defer("phone", "password"), pk=pk)
    return {
        "userid": platform_id(former.wecom_user_id),
        "name": former.name,
        "display_name": former.display_name,
        "joined_on": clock.today().isoformat(),
    }


def chosen_unit(request: HttpRequest, role: str) -> OrgUnit:
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


def person_of(request: HttpRequest, pk: int) -> Staff:
    rows = Staff.objects.visible_to(access.actor_of(request)).select_related("store", "unit", "backup_guide")
    person: Staff = get_object_or_404(rows.defer("password", "backup_guide__phone", "backup_guide__password"), pk=pk)
    return person


@never_cache
@require_GET
@access.roles(*READERS)
def person_page(request: HttpRequest, pk: int) -> HttpResponse:
    return page_of(request, person_of(request, pk))


def page_of(request: HttpRequest, person: Staff, refusal: DomainError | None = None, act: str = "") -> HttpResponse:
    actor, day, now = access.actor_of(request), clock.today(), clock.now()
    may = actor.may(MANAGE)
    roles = list(RoleAssignment.objects.filter(staff=person).select_related("unit", "dealer").order_by("-pk"))
    held = [row for row in roles if stands(row, day)]
    plan = StoreChange.objects.filter(staff=person, state=StoreChange.State.PLANNED).select_related("to_store").first()
    employed = person.state in Staff.MAY_SIGN_IN
    context: dict[str, Any] = {
        "person": person, "account": platform_id(person.wecom_user_id), "follower": _follower(person),
        "may": may, "is_self": person.pk == actor.staff_id, "employed": employed,
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
            "stores": _first_stores(request, actor, day), "choices": _first_units(request),
        }  # fmt: skip
    return render(request, "backoffice/person.html", context, status=refusal.status if refusal else 200)


def _follower(person: Staff) -> Staff | None:
    """Return as whom somebody who left was entered again."""
    account = platform_id(person.wecom_user_id)
    if account == person.wecom_user_id:
        return None
    return Staff.objects.filter(wecom_user_id=account).only("pk", "name").first()


def _first_units(request: HttpRequest) -> list[OrgUnit]:
    """Return the first stores to choose from, and before them what a refused form had chosen."""
    chosen = desk.chosen(request.POST.get("unit"))
    rows = OrgUnit.objects.visible_to(access.actor_of(request)).filter(valid_to=None)
    rows = rows.filter(Q(level=OrgUnit.Level.STORE) | Q(pk=chosen))
    return list(rows.order_by(Case(When(pk=chosen, then=0), default=1), "path")[:CHOICES])


def _first_stores(request: HttpRequest, actor: Actor, day: date) -> list[Store]:
    chosen = desk.chosen(request.POST.get("store"))
    rows = stores_to_move_to(actor, day=day)
    return list(rows.order_by(Case(When(pk=chosen, then=0), default=1), "code", "pk")[:CHOICES])


def stands(row: RoleAssignment, day: date) -> bool:
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


nav.add(
    "hq", key="people", label="人员", icon="users", url="guides:people", order=71, group="组织与权限", roles=READERS
)
