"""回访规则: the rhythm as HQ reads it, changes it in a draft, tries it on today's data and puts it online."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tasks.review.scoped import GUIDE_ROLES
from yejibao.core import access, clock, hx, idempotency, nav
from yejibao.core.errors import Conflict, Invalid, NotFound, Stale

from . import publishing, trial
from .forms import StepForm
from .loading import CADENCE_3369
from .models import CadenceStep, CadenceVersion
from .publishing import BUYERS, NoDraft, changes_between, etag_of
from .queries import DoneRates, done_rates, scripts_of
from .recompute import progress
from .words import StepWords, locks, priority_names, quiet_bar

VIEW, EDIT = "task.progress_view", "template.edit"
State = CadenceVersion.State
MOST_VERSIONS = 50


@dataclass(frozen=True)
class Editions:
    """The edition online, the draft if there is one, and the one the page shows."""

    online: CadenceVersion
    draft: CadenceVersion | None
    shown: CadenceVersion
    steps: list[CadenceStep]  # of the shown one

    def step(self, key: str) -> CadenceStep:
        found = next((step for step in self.steps if step.key == key), None)
        if found is None:
            raise NotFound()
        return found


def _editions(request: HttpRequest, *, shown: str = "") -> Editions:
    """Return the editions; `shown` is a number, or draft. Readers see what is online unless they ask for another."""
    versions = CadenceVersion.objects.filter(cadence__key=CADENCE_3369).select_related("cadence", "published_by")
    found = {one.state: one for one in versions.filter(state__in=[State.PUBLISHED, State.DRAFT])}
    online, draft = found.get(State.PUBLISHED), found.get(State.DRAFT)
    if online is None:
        raise NotFound("还没有载入回访规则")
    if not access.actor_of(request).may(EDIT):
        draft = None
    if shown == "draft":
        if draft is None:
            raise NoDraft()
        chosen = draft
    elif not shown:
        chosen = draft or online
    else:
        chosen = next((one for one in (online, draft) if one and str(one.number) == shown), None) or _older(shown)
    return Editions(online, draft, chosen, list(chosen.steps.order_by("position")))


def _older(number: str) -> CadenceVersion:
    if not number.isdecimal() or len(number) > 9:
        raise NotFound()
    found = CadenceVersion.objects.filter(cadence__key=CADENCE_3369, number=int(number), state=State.RETIRED)
    version = found.select_related("cadence", "published_by").first()
    if version is None:
        raise NotFound()
    return version


def _url(name: str, *args: str, **query: Any) -> str:
    asked = {key: value for key, value in query.items() if value not in ("", None)}
    return reverse(f"tasks:{name}", args=args) + (f"?{urlencode(asked)}" if asked else "")


# ---------------------------------------------------------------- the page


@never_cache
@require_GET
@access.permission(VIEW)
def rules(request: HttpRequest) -> HttpResponse:
    """The trail of nodes, one of them open: when and for whom, what is said, and what the next 30 days would bring."""
    editions = _editions(request, shown=request.GET.get("v", ""))
    key = request.GET.get("step", "") or editions.steps[0].key
    return render(request, "cadences/rules.html", _context(request, editions, editions.step(key)))


def _context(
    request: HttpRequest, editions: Editions, step: CadenceStep, *, form: StepForm | None = None
) -> dict[str, Any]:
    actor, shown = access.actor_of(request), editions.shown
    is_draft = shown.state == State.DRAFT
    which = "" if shown == (editions.draft or editions.online) else str(shown.number)
    rates = done_rates(actor, editions.steps, today=clock.today())
    online_steps = list(editions.online.steps.order_by("position")) if is_draft else []
    changed = changes_between(online_steps, editions.steps) if is_draft else []
    return {
        "online": editions.online, "draft": editions.draft, "shown": shown, "is_draft": is_draft,
        "is_old": shown.state == State.RETIRED, "which": which,
        "cards": [_card(one, step, rates, which, changed) for one in editions.steps],
        "step": StepWords(step), "etag": etag_of([step]), "form": form,
        "rates": rates, "locks": locks(shown), "quiet": quiet_bar(), "scripts": scripts_of(actor, step),
        "changed": changed, "changed_here": [one for one in changed if one.step == step.key],
        "progress": progress(editions.online) if editions.online.recompute_after_id is not None else None,
        "may_edit": actor.may(EDIT), "buyers": BUYERS, "priorities": priority_names(),
        "trial_url": _url("rules-trial", v=which), "trial": trial.kept(_compared(editions), today=clock.today()),
        "sees_guides": _sees_guides(request),
        "nav_current": "rules",
    }  # fmt: skip


def _card(
    step: CadenceStep, current: CadenceStep, rates: DoneRates, which: str, changed: list[publishing.Change]
) -> dict[str, Any]:
    return {
        "words": StepWords(step), "url": _url("rules", step=step.key, v=which), "is_current": step.key == current.key,
        "rate": rates.by_step.get(step.key), "counts": rates.counts.get(step.key, (0, 0)),
        "is_changed": any(one.step == step.key for one in changed),
    }  # fmt: skip


# ---------------------------------------------------------------- the dry run


def _compared(editions: Editions) -> list[CadenceVersion]:
    """Return what the dry run sets side by side: what is online, and the draft or old edition the page shows."""
    return [editions.online] + ([editions.shown] if editions.shown != editions.online else [])


def _sees_guides(request: HttpRequest) -> bool:
    """Tell whether the reader may see which guides' days would be fullest: those who read all of them elsewhere too."""
    return any(grant.reach == "all" for grant in access.actor_of(request).reach(*GUIDE_ROLES))


@never_cache
@require_GET
@access.permission(VIEW)
def rules_trial(request: HttpRequest) -> HttpResponse:
    """试跑: tasks per guide and day over the next 30 days, the draft against what is online. A panel, or a page of its own."""
    editions = _editions(request, shown=request.GET.get("v", ""))
    result = trial.run(_compared(editions), now=clock.now(), is_fresh="fresh" in request.GET)
    context = {"trial": result, "online": editions.online, "shown": editions.shown, "is_draft": editions.draft == editions.shown,
               "sees_guides": _sees_guides(request), "trial_url": _url("rules-trial", v=request.GET.get("v", "")), "which": request.GET.get("v", ""),
               "nav_current": "rules"}  # fmt: skip
    if hx.is_htmx(request):
        return render(request, "cadences/part_trial.html", context)
    return render(request, "cadences/trial.html", context)


# ---------------------------------------------------------------- drafts


@require_POST
@access.permission(EDIT)
def rules_draft(request: HttpRequest) -> HttpResponse:
    """改规则: open the draft, made from what is online, or from an older edition (退回)."""
    number, key = request.POST.get("from", ""), request.POST.get("step", "")
    editions = _editions(request)
    source = editions.online
    if number and number != str(editions.online.number):
        source = _older(number)
        if editions.draft:
            raise Conflict(f"已经有草稿 v{editions.draft.number}，先发布或丢弃它")
    draft = publishing.copy_version(
        source, actor=access.actor_of(request), now=clock.now(), note=f"从 v{source.number} 复制" if number else ""
    )
    if number:
        hx.flash(request, f"草稿 v{draft.number} 和 v{source.number} 一样，看过再发布")
        return HttpResponseRedirect(_url("rules"))
    keys = [step.key for step in editions.steps]
    return HttpResponseRedirect(_url("rules-step", key if key in keys else keys[0]))


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(EDIT)
def rules_step(request: HttpRequest, key: str) -> HttpResponse:
    """Change one step of the draft. What does not fit comes back with a sentence each; what was typed stays."""
    editions = _editions(request, shown="draft")
    step = editions.step(key)
    if request.method == "GET":
        return render(request, "cadences/rules.html", _context(request, editions, step, form=StepForm.of(step)))
    form = StepForm.read(step, request.POST)
    status = 422
    if not form.errors:
        try:
            publishing.edit_step(
                editions.shown, key, actor=access.actor_of(request), changes=form.changes, now=clock.now(),
                etag=request.headers.get("If-Match", "").strip('"') or request.POST.get("etag", ""),
            )  # fmt: skip
        except Invalid as refusal:
            form.blame(refusal.errors)
        except Stale as refusal:
            form.compare(refusal.extra["current"])
            status = refusal.status
        else:
            hx.flash(request, f"{StepWords(step).label} 存进草稿了，还没上线")
            return HttpResponseRedirect(_url("rules", step=key))
    return render(request, "cadences/rules.html", _context(request, editions, step, form=form), status=status)


@require_http_methods(["GET", "POST"])
@access.permission(EDIT)
def rules_drop(request: HttpRequest) -> HttpResponse:
    """丢弃草稿, after one look at what would be lost."""
    editions = _editions(request, shown="draft")
    if request.method == "POST":
        publishing.drop_draft(editions.shown, actor=access.actor_of(request))
        hx.flash(request, f"草稿 v{editions.shown.number} 丢掉了，线上没有变")
        return HttpResponseRedirect(_url("rules"))
    changed = changes_between(list(editions.online.steps.order_by("position")), editions.steps)
    return render(request, "cadences/drop.html", {"draft": editions.shown, "changed": changed, "nav_current": "rules"})


# ---------------------------------------------------------------- publication


@never_cache
@require_http_methods(["GET", "POST"])
@access.permission(EDIT)
def rules_publish(request: HttpRequest) -> HttpResponse:
    """发布: what changes, for how many members who wait, and the button that repeats the number."""
    if request.method == "POST":
        return _publish(request)
    editions = _editions(request, shown="draft")
    result = trial.run(_compared(editions), now=clock.now())
    context = {
        "draft": editions.shown, "online": editions.online, "trial": result,
        "changed": changes_between(list(editions.online.steps.order_by("position")), editions.steps),
        "affected": publishing.members_waiting(editions.online.cadence_id), "etag": etag_of(editions.steps),
        "nav_current": "rules", "trial_url": _url("rules-trial"), "sees_guides": _sees_guides(request),
    }  # fmt: skip
    return render(request, "cadences/publish.html", context)


def _publish(request: HttpRequest) -> HttpResponse:
    etag = request.headers.get("If-Match", "").strip('"') or request.POST.get("etag", "")
    actor = access.actor_of(request)

    def work() -> dict[str, Any]:
        editions = _editions(request, shown="draft")
        version = publishing.publish_version(editions.shown, actor=actor, now=clock.now(), etag=etag)
        return {"number": version.number}

    answer, _ = idempotency.once(request, {"etag": etag}, work)
    hx.flash(request, f"v{answer['number']} 已上线，还没到期的按新规则走")
    return HttpResponseRedirect(_url("rules"))


@never_cache
@require_GET
@access.permission(VIEW)
def rules_progress(request: HttpRequest) -> HttpResponse:
    """How far the waiting members have been read again; asked every two seconds until it is through."""
    editions = _editions(request)
    return render(request, "cadences/part_progress.html", {"progress": progress(editions.online)})


@never_cache
@require_GET
@access.permission(VIEW)
def rules_versions(request: HttpRequest) -> HttpResponse:
    """版本: who put what online, when, and what it changed."""
    editions = _editions(request)
    shown = CadenceVersion.objects.filter(cadence_id=editions.online.cadence_id).exclude(state=State.DRAFT)
    versions = list(shown.select_related("published_by").prefetch_related("steps").order_by("-number")[:MOST_VERSIONS])
    rows = []
    for version, older in zip(versions, [*versions[1:], None], strict=True):
        steps, before = (sorted(one.steps.all(), key=lambda s: s.position) if one else [] for one in (version, older))
        rows.append({"version": version, "changed": changes_between(before, steps) if older else None})
    context = {
        "rows": rows,
        "draft": editions.draft,
        "may_edit": access.actor_of(request).may(EDIT),
        "nav_current": "rules",
    }
    return render(request, "cadences/versions.html", context)


nav.add("hq", key="rules", label="回访规则", icon="workflow", url="tasks:rules", order=30, permission=VIEW)
