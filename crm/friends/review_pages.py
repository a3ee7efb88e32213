"""关联待确认: friends whose signs point to different members, decided in two taps; and merges, which can be taken back."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from crm.members.models import Member, MemberMerge
from crm.members.services import merge_members, undo_merge
from yejibao.core import access, audit, clock, hx, idempotency, nav
from yejibao.core.errors import Invalid, NotFound
from yejibao.core.personal import mask_mobiles

from .models import LinkReview
from .queries import open_question_count, questions
from .services import decide_review, undo_review

WHO = ("store_manager", "branch_member_manager", "hq_operator", "hq_crm")
HQ = ("branch_member_manager", "hq_operator", "hq_crm")
MERGES_SHOWN = 30


def _is_hq(request: HttpRequest) -> bool:
    return request.path.startswith("/hq/")


@never_cache
@require_GET
@access.roles(*WHO)
def reviews(request: HttpRequest) -> HttpResponse:
    """Who waits for somebody's word, and the merges of late."""
    actor = access.actor_of(request)
    merges = (
        MemberMerge.objects.filter(kept__in=Member.objects.visible_to(actor))
        .select_related("kept", "gone", "by", "undone_by")
        .order_by("-at", "-pk")[:MERGES_SHOWN]
    )
    found = questions(actor)
    seen = {member.pk for one in found for member in one.candidates}
    seen |= {pk for merge in merges for pk in (merge.kept_id, merge.gone_id)}
    audit.saw_members(actor, sorted(seen), where="关联待确认")
    request.open_link_reviews = len(found)  # type: ignore[attr-defined]
    context = {
        "questions": found, "merges": merges, "now": clock.now(), "nav_current": "links", "is_hq": _is_hq(request),
        "may_merge": actor.may("member.change_owner") or actor.has_role("hq_crm"),
    }  # fmt: skip
    return render(request, "friends/links_hq.html" if _is_hq(request) else "friends/links.html", context)


@require_POST
@access.roles(*WHO)
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """就是他, 都是同一个人, or 都不是. With an undo for some seconds, except for a merge, which has its own."""
    actor, now = access.actor_of(request), clock.now()
    review = LinkReview.objects.visible_to(actor).filter(pk=pk).first()
    if review is None:
        raise NotFound()
    answer, _, chosen = request.POST.get("answer", "").partition(":")
    member = Member.objects.filter(pk=int(chosen)).first() if chosen.isdigit() else None

    def work() -> dict[str, Any]:
        decide_review(review, answer=answer, member=member, actor=actor, now=now)
        words = {"linked": f"记成{member.name}了", "merged": f"并成{member.name}一位了"} if member else {}
        return {"said": words.get(answer, "好，不再问了")}

    done, _replayed = idempotency.once(request, {"answer": request.POST.get("answer", "")}, work)
    undo = reverse("crm:link-undo-hq" if _is_hq(request) else "crm:link-undo", args=[pk])
    return _back(request, done["said"], undo="" if answer == "merged" else undo)


@require_POST
@access.roles(*WHO)
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a decision again."""
    actor = access.actor_of(request)
    review = LinkReview.objects.visible_to(actor).filter(pk=pk).first()
    if review is None:
        raise NotFound()
    undo_review(review, actor=actor, now=clock.now())
    return _back(request, "放回待确认了")


@require_POST
@access.roles(*HQ)
def merge(request: HttpRequest) -> HttpResponse:
    """Merge two members by their card numbers; the first stays."""
    actor, now = access.actor_of(request), clock.now()
    numbers = [request.POST.get(name, "").strip()[:32] for name in ("kept", "gone")]
    reason = request.POST.get("reason", "").strip()
    found = {one.member_no: one for one in Member.objects.visible_to(actor).filter(member_no__in=numbers)}
    if not reason:
        raise Invalid("写一句为什么是同一个人")
    if len(set(numbers)) < 2 or any(number not in found for number in numbers):
        raise Invalid("两个会员号都要填对，而且不一样")

    def work() -> dict[str, Any]:
        kept, gone = found[numbers[0]], found[numbers[1]]
        merge_members(kept=kept, gone=gone, actor=actor, reason=reason, now=now)
        return {"said": f"{mask_mobiles(gone.member_no)} 并进 {mask_mobiles(kept.member_no)} 了，可以在下面撤销"}

    done, _replayed = idempotency.once(request, {"numbers": numbers}, work)
    return _back(request, done["said"])


@require_POST
@access.roles(*WHO)
def undo_a_merge(request: HttpRequest, pk: int) -> HttpResponse:
    """撤销合并: what it moved goes back."""
    actor = access.actor_of(request)
    found = MemberMerge.objects.filter(pk=pk, kept__in=Member.objects.visible_to(actor)).first()
    if found is None:
        raise NotFound()
    undo_merge(found, actor=actor, reason=request.POST.get("reason", "").strip()[:200] or "撤销", now=clock.now())
    return _back(request, "撤销了，各归各的")


def _back(request: HttpRequest, said: str, *, undo: str = "") -> HttpResponse:
    hx.flash(request, said, undo=undo) if undo else hx.flash(request, said)
    page = reverse("crm:links-hq" if _is_hq(request) else "crm:links")
    return hx.redirect(page) if hx.is_htmx(request) else HttpResponseRedirect(page)


def _badge(request: HttpRequest) -> int | None:
    actor = access.actor_of(request)
    if not actor.has_role(*WHO):
        return None
    known: int | None = getattr(request, "open_link_reviews", None)
    return (open_question_count(actor) if known is None else known) or None


nav.add("hq", key="links", label="关联待确认", icon="link", url="crm:links-hq", order=58, roles=HQ, badge=_badge)
nav.add(
    "me",
    key="links",
    label="关联待确认",
    icon="link",
    url="crm:links",
    order=40,
    roles=("store_manager",),
    badge=_badge,
)
