"""回调收件箱: the latest entries one by one, and the replay by number, time, kind and state. The act is the inbox's own."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from yejibao.core import access, clock, hx, idempotency, words
from yejibao.core.errors import Invalid, NotFound
from yejibao.wecom.inbox import queries, services
from yejibao.wecom.inbox.models import InboxEntry
from yejibao.wecom.inbox.registry import known_kinds

from .inbox import ROLES, kind_words, number

State = InboxEntry.State
REPLAYABLE = (State.PARKED, State.UNHANDLED, State.DONE)
UNREADABLE = "-"  # how an address names the kind of what could not be read, which is ""


def _kind_choices(*chosen: str) -> list[tuple[str, str]]:
    """Return the kinds we know, those without a reader only if chosen; by their words."""
    known = sorted((kind_words(kind), kind) for kind in {*known_kinds(), *(one for one in chosen if one)})
    return [(kind, f"{name}（{kind}）") for name, kind in known] + [(UNREADABLE, kind_words(""))]


def _kind_of(facts: QueryDict) -> str | None:
    """Return the kind asked for, None for any."""
    text = facts.get("kind", "").strip()[:80]
    return None if not text else "" if text == UNREADABLE else text


@never_cache
@require_GET
@access.roles(*ROLES)
def entries(request: HttpRequest) -> HttpResponse:
    """The latest entries: number, kind, when, state. No text, nobody's name."""
    kind, state = _kind_of(request.GET), request.GET.get("state", "")
    if state and state not in State.values:
        raise NotFound()
    found = queries.list_entries(kind=kind, state=state, before=number(request.GET, "before"))
    narrowed = {name: value for name in ("kind", "state") if (value := request.GET.get(name, "").strip())}
    replay_range: dict[str, Any] = {}
    if found.entries:
        replay_range = narrowed | {"first": found.entries[-1].pk, "last": found.entries[0].pk}
        if state not in REPLAYABLE:
            replay_range.pop("state", None)
    context = {
        "lines": [(entry, kind_words(entry.kind), _may_be_replayed(entry)) for entry in found.entries],
        "kinds": _kind_choices(kind or ""), "kind": request.GET.get("kind", "").strip(), "state": state, "states": State.choices,
        "replay_url": f"{reverse('cockpit:inbox-replay')}?{urlencode(replay_range)}" if replay_range else "",
        "next_url": f"{request.path}?{urlencode(narrowed | {'before': found.before})}" if found.before else "",
        "is_cut": found.is_cut, "first": found.entries[-1].pk if found.entries else 0,
        "last": found.entries[0].pk if found.entries else 0, "nav_current": "inbox",
    }  # fmt: skip
    return render(request, "cockpit/inbox_entries.html", context)


def _may_be_replayed(entry: InboxEntry) -> bool:
    return entry.state in REPLAYABLE and bool(getattr(entry, "has_text", False))  # annotated by the query


# ---------------------------------------------------------------- replay


@dataclass
class _Asked:
    """What the form says. `error` is what a person has to put right before anything is counted."""

    first: int = 0
    last: int = 0
    since: str = ""
    until: str = ""
    kind: str | None = None
    states: list[str] = field(default_factory=list)
    error: str = ""
    moments: dict[str, datetime | None] = field(default_factory=dict)

    @classmethod
    def read(cls, facts: QueryDict) -> "_Asked":
        states = [state for state in facts.getlist("state") if state in REPLAYABLE]
        asked = cls(
            number(facts, "first") or 0, number(facts, "last") or 0, facts.get("since", "").strip(),
            facts.get("until", "").strip(), _kind_of(facts), states or [State.PARKED, State.UNHANDLED],
        )  # fmt: skip
        for name, text in (("since", asked.since), ("until", asked.until)):
            try:
                asked.moments[name] = clock.parse_iso(text) if text else None
            except (ValueError, OverflowError):
                asked.moments[name], asked.error = None, "看不懂的时间，请重新选"
        if asked.first and not asked.last and not (asked.since or asked.until):
            asked.last = asked.first  # one entry
        return asked

    @property
    def is_empty(self) -> bool:
        return not (self.first or self.last or self.since or self.until)

    @property
    def wanted(self) -> queries.Wanted:
        return queries.Wanted(
            self.first or 1, self.last or queries.EVERY_ID, self.moments["since"], self.moments["until"],
            () if self.kind is None else (self.kind,), tuple(self.states),
        )  # fmt: skip


@never_cache
@require_http_methods(["GET", "POST"])
@access.roles(*ROLES)
def replay(request: HttpRequest) -> HttpResponse:
    """重放 by numbers or time, narrowed by kind and state: first what it would touch, then the button that does it."""
    facts = request.POST if request.method == "POST" else request.GET
    asked = _Asked.read(facts)
    actor = access.actor_of(request)
    kind = facts.get("kind", "").strip()
    context: dict[str, Any] = {
        "asked": asked, "error": asked.error, "nav_current": "inbox", "kind": kind,
        "kinds": _kind_choices(asked.kind or ""),
        "choices": [(state.value, state.label, state in asked.states) for state in REPLAYABLE],
    }  # fmt: skip
    if request.method == "GET":
        if not asked.is_empty and not asked.error:
            counts = queries.would_replay(asked.wanted)
            context["count"] = counts.pop("replay", 0)
            context["left_out"] = [(queries.LEFT_OUT[key], count) for key, count in sorted(counts.items())]
        return render(request, "cockpit/inbox_replay.html", context, status=422 if asked.error else 200)

    def work() -> dict[str, Any]:
        wanted = asked.wanted
        return {
            "count": services.replay(
                first=wanted.first, last=wanted.last, actor=actor, now=clock.now(), kinds=wanted.kinds,
                states=wanted.states, since=wanted.since, until=wanted.until,
            )
        }  # fmt: skip

    body = {"first": asked.first, "last": asked.last, "since": asked.since, "until": asked.until, "kind": kind,
            "states": asked.states}  # fmt: skip
    try:
        if asked.error or asked.is_empty:
            message = asked.error or "说清要重放哪一段：编号或时间"
            raise Invalid(errors=[{"field": "first", "code": "range", "message": message}])
        answer, _ = idempotency.once(request, body, work)
    except Invalid as refusal:
        context["error"] = refusal.errors[0]["message"]
        return render(request, "cockpit/inbox_replay.html", context, status=422)
    hx.flash(request, f"{words.count(answer['count'])} 条重新处理" if answer["count"] else "这一段没有可以重放的")
    return HttpResponseRedirect(reverse("cockpit:inbox"))
