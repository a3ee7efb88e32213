"""What pages of the back office share: one command with its refusal on the page, and a guard for two editors at once.

answer, refusal = desk.attempt(request, content, work)      # refusal: show it, keep what was typed
desk.must_be_as_seen(store, desk.seen(store, FACTS), posted)     # raises Stale in one clear sentence
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import date, time
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.dateparse import parse_date, parse_time
from django.utils.translation import gettext_lazy as _

from . import hx, idempotency
from .errors import DomainError, Invalid, NotFound, Stale

SHOWN = (409, 412, 422)  # what a person can put right on the page he is on


def attempt(
    request: HttpRequest, content: Any, work: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any], DomainError | None]:
    """Run a command once per key; return its answer, or the refusal the page has to show. Other errors go on."""
    try:
        answer, _replayed = idempotency.once(request, content, work)
    except DomainError as refusal:
        if refusal.status not in SHOWN:
            raise
        return {}, refusal
    return answer, None


def posted(post: QueryDict) -> dict[str, list[Any]]:
    """Return what was typed, without what every form carries: the content of its command."""
    return {name: values for name, values in post.lists() if name not in ("csrfmiddlewaretoken", "idempotency_key")}


def sentence(refusal: DomainError) -> str:
    """Return what to say of a refusal in one sentence."""
    first = refusal.errors[0]["message"] if refusal.errors else ""
    return str(first or refusal.detail or refusal.title)


def done(request: HttpRequest, said: str, to: str) -> HttpResponse:
    """Go to a page that says what was done."""
    hx.flash(request, said)
    return hx.redirect(to) if hx.is_htmx(request) else HttpResponseRedirect(to)


def seen(row: Model, fields: Sequence[str]) -> str:
    """Return a short mark of these values, for a hidden field: it changes when anybody changes one of them."""
    text = json.dumps([str(getattr(row, name)) for name in fields], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def must_be_as_seen(row: Model, fields: Sequence[str], mark: str) -> None:
    """Raise Stale when a locked row is no longer what its editor saw."""
    if mark != seen(row, fields):
        raise Stale(_("刚刚有人改过这里。下面是最新的内容，看过再改。"))


def number(text: str | None, *, empty: int | None = None) -> int | None:
    """Return the positive number a field or an address holds; `empty` for none. Raises NotFound for anything else."""
    text = (text or "").strip()
    if not text:
        return empty
    if not (text.isascii() and text.isdecimal() and len(text) < 18):
        raise NotFound()
    return int(text)


def chosen(text: str | None) -> int:
    """Return the id a form field holds, 0 where there is none: what is chosen is looked up, so nothing is found then."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0


def day(text: str | None) -> date | None:
    """Return the day a field or an address holds; None where it holds none, or one no calendar has."""
    try:
        return parse_date((text or "").strip()[:10])
    except ValueError:
        return None


def hour(text: str | None) -> time | None:
    """Return the time of day a field holds; None where it holds none."""
    try:
        return parse_time((text or "").strip()[:8])
    except ValueError:
        return None


def needs_reason(reason: str) -> str:
    """Return a reason without its blanks. Raises Invalid where there is none."""
    reason = reason.strip()[:255]
    if not reason:
        raise Invalid(errors=[{"field": "reason", "code": "required", "message": "写一句为什么"}])
    return reason
