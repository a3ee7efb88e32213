"""/me/approvals/: what waits for my yes or no, and what became of what I asked."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from guides.org.actors import role_names
from guides.org.pages import shell_facts
from yejibao.core import access, clock, hx, nav
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from . import services
from .models import Approval
from .rules import kinds

SHOWN = 50


def _cards(rows: list[Approval]) -> list[dict[str, object]]:
    labels, names = kinds(), role_names()
    return [
        {
            "row": row,
            "label": labels[row.kind].label if row.kind in labels else row.kind,
            "asked_role": names.get(row.asked_role, ""),
            "steps": [
                {"who": "或".join(names.get(role, role) for role in step.roles), "step": step}
                for step in sorted(row.steps.all(), key=lambda one: one.number)
            ],
        }
        for row in rows
    ]


@never_cache
@require_GET
@access.signed_in
def approvals(request: HttpRequest) -> HttpResponse:
    """审批: 待我审批, or with ?of=me my own requests, or with ?of=done what I decided."""
    actor, now = access.actor_of(request), clock.now()
    chosen = request.GET.get("of", "")
    seen = Approval.objects.visible_to(actor).with_people()
    match chosen:
        case "me":
            rows = seen.filter(asked_by_id=actor.staff_id).order_by("-asked_at", "-pk")
        case "done":
            rows = seen.filter(steps__by_id=actor.staff_id).order_by("-asked_at", "-pk")
        case _:
            chosen, rows = "", seen.waiting_for(actor, now=now).order_by("ends_at", "pk")
    found = list(rows[: SHOWN + 1])
    context = {"cards": _cards(found[:SHOWN]), "of": chosen, "is_cut": len(found) > SHOWN, "shown": SHOWN}
    return render(request, "approvals/list.html", context | _shell(actor))


@never_cache
@require_GET
@access.signed_in
def approval(request: HttpRequest, pk: int) -> HttpResponse:
    """One request: who asks for what and why, who said what, and the two buttons for whoever may press them."""
    actor = access.actor_of(request)
    row = _seen(actor, pk)
    may_decide = Approval.objects.waiting_for(actor, now=clock.now()).filter(pk=pk).exists()
    own = row.asked_by_id == actor.staff_id and row.state == Approval.State.ASKED
    facts = {"card": _cards([row])[0], "may_decide": may_decide, "may_withdraw": own}
    return render(request, "approvals/one.html", facts | _shell(actor))


@require_POST
@access.signed_in
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """同意 or 不同意"""
    actor, now = access.actor_of(request), clock.now()
    row, answer = _seen(actor, pk), request.POST.get("answer", "")
    if request.POST.get("approve") == "1":
        row = services.approve(row, actor=actor, now=now, answer=answer)
        is_over = row.state == Approval.State.APPROVED
        said = "已同意，这就去办" if is_over else "已同意，还等另一位"
    else:
        services.refuse(row, actor=actor, now=now, answer=answer)
        said = "已退回，他会看到原因"
    return _back(request, said)


@require_POST
@access.signed_in
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """撤回"""
    actor = access.actor_of(request)
    services.withdraw(_seen(actor, pk), actor=actor, now=clock.now())
    return _back(request, "已撤回", of="me")


def _seen(actor: Actor, pk: int) -> Approval:
    row = Approval.objects.visible_to(actor).with_people().filter(pk=pk).first()
    if row is None:
        raise NotFound()
    return row


def _back(request: HttpRequest, said: str, *, of: str = "") -> HttpResponse:
    hx.flash(request, said)
    url = reverse("guides:approvals") + (f"?of={of}" if of else "")
    return hx.redirect(url) if hx.is_htmx(request) else redirect(url)


def _shell(actor: Actor) -> dict[str, object]:
    return shell_facts(actor, "approvals")


def waiting_count(request: HttpRequest) -> int | None:
    """Return how many requests wait for this person, None for none."""
    return Approval.objects.waiting_for(access.actor_of(request), now=clock.now()).count() or None


nav.add(
    "me", key="approvals", label="审批", icon="clipboard-check", url="guides:approvals", order=6, badge=waiting_count
)
nav.add(
    "hq",
    key="approvals",
    label="审批",
    icon="clipboard-check",
    url="guides:approvals",
    order=87,
    group="系统",
    badge=nav.kept(waiting_count),
)
