"""操作记录: what people did (by day, person, kind), who saw this member. Looking is itself on record."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.models import Member
from guides.org.models import Staff
from guides.org.pages import shell_of
from yejibao.core import access, audit, clock, desk, hx, limits, nav
from yejibao.core.audit_words import GROUPS
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.models import AuditEntry, AuditSeal
from yejibao.core.panels import Answer, panel

from . import queries
from .wording import RESOURCES

VIEW = "audit.view"
DAYS, LONGEST = 7, 366
# Whose part of the trail is more than their own deeds; and who looks after who saw a member.
FINDS_PEOPLE, FINDS_MEMBERS = ("sys_admin", "store_manager", "finance"), ("sys_admin", "store_manager")


@never_cache
@require_GET
@access.permission(VIEW)
def page(request: HttpRequest) -> HttpResponse:
    """The trail, the last week unless other days are asked for; htmx asks for the next page."""
    actor, filters = access.actor_of(request), _filters(request)
    after = _cursor(request)
    lines, more = queries.page_of(filters.apply(queries.entries_for(actor)), actor, after=after)
    context = {
        "lines": lines, "next_url": _next(request, more), "filters": filters, "shows_person": True,
    }  # fmt: skip
    if hx.is_htmx(request) and after is not None:
        return render(request, "cockpit/part_audit_lines.html", context)
    person = None
    if filters.person is not None:
        person = Staff.objects.visible_to(actor).filter(pk=filters.person).only("name").first()
    audit.record(actor, "audit.viewed", AuditEntry._meta.label, after=_asked(filters))  # a page, wherever it begins
    context |= {
        "part": queries.part_of(actor), "finds_people": actor.has_role(*FINDS_PEOPLE),
        "finds_members": actor.has_role(*FINDS_MEMBERS), "groups": GROUPS, "resources": RESOURCES, "person": person, "shell": shell_of(actor), "nav_current": "audit",
        "is_admin": actor.has_role("sys_admin"), "seal": AuditSeal.objects.order_by("-pk").first(), "longest": LONGEST,
    }  # fmt: skip
    return render(request, "cockpit/audit.html", context)


@never_cache
@require_GET
@access.permission(VIEW)
@limits.by("search", given="q")
def people(request: HttpRequest) -> HttpResponse:
    """这个人做过什么: find the person first."""
    actor = access.actor_of(request)
    words = request.GET.get("q", "").strip()[:32]
    context = {
        "people": queries.find_people(words, actor),
        "q": words,
        "shell": shell_of(actor),
        "nav_current": "audit",
    }
    return render(request, "cockpit/audit_people.html", context)


@never_cache
@require_POST
@access.permission(VIEW)
@limits.by("search")
def find_member(request: HttpRequest) -> HttpResponse:
    """From a card number to who saw that member. In the body: what people search for stands in no address."""
    actor = access.actor_of(request)
    found = queries.find_member(request.POST.get("member_no", "").strip()[:32], actor)
    if found is None:
        raise NotFound("没有这个会员号，或者不归你看")
    return HttpResponseRedirect(reverse("cockpit:audit-member", args=[found.public_id]))


@never_cache
@require_GET
@access.permission(VIEW)
def member(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """谁看过这位会员."""
    actor = access.actor_of(request)
    rows = Member.objects.filter(public_id=public_id).defer("phone", "birth_year")
    if not actor.has_role("sys_admin"):
        rows = rows.filter(pk__in=Member.objects.visible_to(actor).values("pk"))
    one = rows.first()
    if one is None:
        raise NotFound()
    after = _cursor(request)
    lines, more = queries.page_of(queries.who_saw(one, actor), actor, after=after)
    context: dict[str, Any] = {"lines": lines, "next_url": _next(request, more), "shows_person": True}
    if hx.is_htmx(request) and after is not None:
        return render(request, "cockpit/part_audit_lines.html", context)
    audit.record(actor, "audit.member_viewed", one)  # a page of its own, wherever it begins
    context |= {
        "member": one,
        "shell": shell_of(actor),
        "nav_current": "audit",
        "is_admin": actor.has_role("sys_admin"),
    }
    return render(request, "cockpit/audit_member.html", context)


@panel("member", order=95, name="who-saw")
@panel("hq-member-aside", order=95, name="who-saw")
def who_saw_panel(request: HttpRequest, *, customer: Any, **_: Any) -> Answer:
    """The way there from a member's page; a guide's own looks stand on her 我的."""
    if customer.member is None or not access.actor_of(request).has_role("store_manager", "sys_admin"):
        return None
    return "cockpit/part_who_saw.html", {"member": customer.member}


# ---------------------------------------------------------------- what was asked for


def _filters(request: HttpRequest) -> queries.Filters:
    asked, today = request.GET, clock.today()
    until = desk.day(asked.get("to")) or today
    since = desk.day(asked.get("from")) or until - timedelta(days=DAYS - 1)
    since, until = min(since, until), max(since, until)
    if (until - since).days > LONGEST:
        raise Invalid(f"最多一次看 {LONGEST} 天，把日期选近一些")
    group, resource, person = asked.get("group", ""), asked.get("about", ""), asked.get("person", "")
    if (group and group not in GROUPS) or (resource and resource not in RESOURCES):
        raise NotFound()
    if person and not (person.isascii() and person.isdecimal() and len(person) < 19):
        raise NotFound()
    return queries.Filters(since, until, int(person) if person else None, group, resource)


def _asked(filters: queries.Filters) -> dict[str, Any]:
    facts = {
        "days": f"{filters.since} 至 {filters.until}", "who": filters.person, "group": GROUPS.get(filters.group, ""),
        "about": RESOURCES.get(filters.resource, ""),
    }  # fmt: skip
    return {key: value for key, value in facts.items() if value}


def _cursor(request: HttpRequest) -> queries.Cursor | None:
    at, _, pk = request.GET.get("after", "").partition("_")
    try:
        moment = parse_datetime(at) if at else None
    except ValueError:
        moment = None
    if (
        not isinstance(moment, datetime)
        or moment.tzinfo is None
        or not (pk.isascii() and pk.isdecimal() and len(pk) < 19)
    ):
        return None
    return moment, int(pk)


def _next(request: HttpRequest, more: queries.Cursor | None) -> str:
    if more is None:
        return ""
    query = request.GET.copy()
    query["after"] = f"{more[0].isoformat()}_{more[1]}"
    return f"{request.path}?{query.urlencode()}"


nav.add(
    "hq", key="audit", label="操作记录", icon="history", url="cockpit:audit", order=83, group="系统", permission=VIEW
)
nav.add(
    "me", key="audit", label="看号码的记录", icon="eye", url="cockpit:audit", order=70, roles=("guide", "store_manager")
)
