"""A screen is a shell; each room hangs its panel on it.

    @panel("sidebar", order=30)
    def tags_panel(request, *, member, **_): return "sidebar/tags.html", {...}     # or None: nothing to show

The shell calls `render("sidebar", request, member=...)` and imports no room. A panel that breaks shows its own error
state and never takes the page with it.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

log = logging.getLogger("yejibao.panels")

Answer = tuple[str, dict[str, Any]] | None


@dataclass(frozen=True)
class Panel:
    slot: str
    name: str
    order: int
    build: Callable[..., Answer]


_slots: dict[str, dict[str, Panel]] = defaultdict(dict)


def panel(slot: str, *, order: int, name: str = "") -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Hang a function on a slot. `order` runs from top to bottom; `name` addresses the panel alone for htmx."""

    def register(build: Callable[..., Answer]) -> Callable[..., Answer]:
        key = name or build.__name__
        _slots[slot][key] = Panel(slot, key, order, build)
        return build

    return register


def render(slot: str, request: HttpRequest, **context: Any) -> list[SafeString]:
    """Render all panels of a slot, in order, in this request."""
    return [
        html for one in sorted(_slots[slot].values(), key=lambda p: p.order) if (html := _render(one, request, context))
    ]


def render_one(slot: str, name: str, request: HttpRequest, **context: Any) -> SafeString:
    """Render one panel alone, as htmx refreshes it. Raises KeyError for an unknown name."""
    return _render(_slots[slot][name], request, context)


def _render(one: Panel, request: HttpRequest, context: dict[str, Any]) -> SafeString:
    try:
        # A failing query must not poison the other panels; outside a transaction it cannot.
        with transaction.atomic() if connection.in_atomic_block else nullcontext():
            answer = one.build(request, **context)
        if answer is None:
            return SafeString("")
        template, facts = answer
        return render_to_string(template, context | facts, request=request)
    except Exception:
        log.exception("panel %s/%s failed", one.slot, one.name)
        return render_to_string("components/panel_error.html", {"panel": one}, request=request)
