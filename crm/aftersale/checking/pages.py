"""/hq/service/checks/: what was drawn, the checklist of one ticket, the figures of stores and people."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from guides.org.models import Store
from yejibao.core import access, audit, clock, desk, hx, nav
from yejibao.core.errors import NotFound

from ..queries import steps_of
from ..rules import rules
from . import queries, services
from .models import ServiceCheck
from .rules import book

READERS = ("customer_service", "hq_operator", "hq_crm")


@never_cache
@require_GET
@access.roles(*READERS)
def checks(request: HttpRequest) -> HttpResponse:
    """质检: what waits, the oldest first; what was found."""
    actor, before = access.actor_of(request), request.GET.get("before", "")[:64]
    tabs = queries.TABS if actor.has_role("customer_service") else queries.TABS[1:]
    chosen = request.GET.get("tab", "")
    tab = chosen if chosen in dict(tabs) else tabs[0][0]
    page = queries.checks_page(actor, tab=tab, before=before)
    audit.saw_members(actor, sorted({row.ticket.member_id for row in page.rows}), where="售后质检")
    facts = {
        "page": page,
        "tab": tab,
        "tabs": tabs,
        "now": clock.now(),
        "nav_current": "service-checks",
        "rule": book(),
    }
    is_more = before and hx.is_htmx(request)
    return render(request, "aftersale/check_rows.html" if is_more else "aftersale/checks.html", facts)


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*READERS)
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """One drawn ticket beside its checklist; POST scores it, once."""
    actor = access.actor_of(request)
    rows = ServiceCheck.objects.visible_to(actor).select_related(
        "ticket__member", "ticket__line", "ticket__order__store", "ticket__store", "store", "answered_by", "checked_by"
    )
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound()
    facts: dict[str, Any] = {
        "check": found, "ticket": found.ticket, "lines": steps_of(found.ticket), "marks": queries.marks_of(found),
        "names": book().marks.items(), "book": rules(), "now": clock.now(), "nav_current": "service-checks",
        "may_check": found.checked_at is None and actor.has_role("customer_service") and found.answered_by_id != actor.staff_id,
    }  # fmt: skip
    if request.method == "GET":
        audit.saw_members(actor, [found.ticket.member_id], where="售后质检")
        return render(request, "aftersale/check.html", facts)
    given = {item.key: request.POST.get(item.key, "") for item in book().checklist}
    comment = request.POST.get("comment", "")

    def work() -> dict[str, Any]:
        scored = services.score_check(found, marks=given, comment=comment, actor=actor, now=clock.now())
        return {"score": scored.score}

    answer, refusal = desk.attempt(request, given | {"comment": comment}, work)
    if refusal is None:
        return desk.done(
            request, f"{answer['score']} 分，{found.answered_by.name}看得到", reverse("crm:service-checks")
        )
    shown = {"refusal": desk.sentence(refusal), "given": given, "comment": comment}
    return render(request, "aftersale/check.html", facts | shown, status=refusal.status)


@never_cache
@require_GET
@access.roles(*READERS)
def figures(request: HttpRequest) -> HttpResponse:
    """数字: first words in time (aftersale_first_response_rate), stars, what was checked; by store, of one store by person."""
    actor, now = access.actor_of(request), clock.now()
    month = queries.month_of(request.GET.get("month", ""), now=now)
    number = desk.number(request.GET.get("store"))
    store = Store.objects.filter(pk=number).first() if number else None
    if number and store is None:
        raise NotFound()
    rows = queries.figures_by(actor, "guide" if store else "store", month=month, store_id=store.pk if store else None)
    if store and not rows:
        raise NotFound()  # nothing of it in sight
    facts = {
        "rows": rows,
        "month": month,
        "store": store,
        "now": now,
        "nav_current": "service-figures",
        "target": queries.TARGET,
    }
    return render(request, "aftersale/figures.html", facts | queries.whole_of(rows))


def _waiting(request: HttpRequest) -> int | None:
    actor = access.actor_of(request)
    return queries.waiting_count(actor) or None if actor.has_role("customer_service") else None


nav.add("hq", key="service-checks", label="售后质检", icon="clipboard-check", url="crm:service-checks", order=59, roles=READERS,
        badge=nav.kept(_waiting), loud=False)  # fmt: skip
nav.add(
    "hq",
    key="service-figures",
    label="售后数字",
    icon="trending-up",
    url="crm:service-figures",
    order=59,
    roles=READERS,
)
