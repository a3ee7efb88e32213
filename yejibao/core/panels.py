"""A screen is a shell; each room hangs its panel on it.

    @panel("sidebar", order=30)
    def more_panel(request, *, member, **_): return "sidebar/more.html", {...}     # or None: nothing to show

A panel of a page that is opened all day draws itself and returns the HTML (core/flat). The shell calls `render("sidebar", request, member=...)` and imports no room. A panel that breaks shows its own error
state and never takes the page with it. What a panel reads it may say beforehand (`reads`, core/together); the shell then
fetches it for all of them at once: `together.fetch(request, panels.reads("sidebar", request))`.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest
from django.template import RequestContext
from django.template.loader import get_template
from django.utils.safestring import SafeString

from . import together, waiting

log = logging.getLogger("yejibao.panels")

Answer = tuple[str, dict[str, Any]] | SafeString | None


@dataclass(frozen=True)
class Panel:
    slot: str
    name: str
    order: int
    build: Callable[..., Answer]
    waits: str = ""  # of core/waiting: built only where something waits
    reads: tuple[together.Read[Any], ...] = ()


_slots: dict[str, dict[str, Panel]] = defaultdict(dict)


def panel(
    slot: str, *, order: int, name: str = "", waits: str = "", reads: tuple[together.Read[Any], ...] = ()
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Hang a function on a slot. `order` runs from top to bottom; `name` addresses the panel alone for htmx.

    A panel that `waits` for something (core/waiting) is not asked where nothing waits. `reads` is what it reads.
    """

    def register(build: Callable[..., Answer]) -> Callable[..., Answer]:
        key = name or build.__name__
        _slots[slot][key] = Panel(slot, key, order, build, waits, reads)
        return build

    return register


def reads(*slots: str) -> list[together.Read[Any]]:
    """Return what all panels of these slots read."""
    return [one for slot in slots for hung in _slots[slot].values() for one in hung.reads]


def render(slot: str, request: HttpRequest, **context: Any) -> list[SafeString]:
    """Render all panels of a slot, in order, in this request."""
    hung = sorted(_slots[slot].values(), key=lambda p: p.order)
    with _Sheet(request, context) as sheet:
        return [html for one in hung if (html := _render(one, sheet))]


def render_one(slot: str, name: str, request: HttpRequest, **context: Any) -> SafeString:
    """Render one panel alone, as htmx refreshes it. Raises KeyError for an unknown name."""
    with _Sheet(request, context) as sheet:
        return _render(_slots[slot][name], sheet)


class _Sheet(ExitStack):
    """What all panels of a slot are drawn on: the context processors run once, not once a panel."""

    def __init__(self, request: HttpRequest, context: dict[str, Any]) -> None:
        super().__init__()
        self.request, self.context = request, context
        self.is_in_transaction = connection.in_atomic_block
        self._drawn: RequestContext | None = None

    def draw(self, name: str, facts: dict[str, Any]) -> SafeString:
        template = get_template(name).template  # type: ignore[attr-defined]
        if self._drawn is None:
            self._drawn = RequestContext(self.request)
            self._drawn.push(self.context)
            self.enter_context(self._drawn.bind_template(template))
        with self._drawn.push(facts):
            return template.render(self._drawn)  # type: ignore[no-any-return]


def _render(one: Panel, sheet: _Sheet) -> SafeString:
    if one.waits and not waiting.of(sheet.request, one.waits):
        return SafeString("")
    try:
        # A failing query must not poison the other panels; outside a transaction it cannot.
        with transaction.atomic() if sheet.is_in_transaction else nullcontext():
            answer = one.build(sheet.request, **sheet.context)
        if isinstance(answer, SafeString):
            return answer
        return sheet.draw(*answer) if answer else SafeString("")
    except Exception:
        log.exception("panel %s/%s failed", one.slot, one.name)
        return sheet.draw("components/panel_error.html", {"panel": one})
