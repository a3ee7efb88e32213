"""Where two people wait for each other: a small part of a page is asked for again while somebody looks, 304 while it is the same.

    held = ...
    mark = live.mark(held, held.steps.count())
    return live.answer(request, mark, lambda: render(request, "room/part.html" if hx.is_htmx(request) else "room/page.html", facts))

and around the part `<div id="lines" {% live url mark %}>{% include "room/part.html" %}</div>`. What changes elsewhere on the
page comes with the part as `hx-swap-oob`. static/js/live.js asks every five seconds, slower when nothing happens, not at all
while the page is hidden or offline. Chosen over SSE: an open stream holds a worker thread, a 304 costs two or three reads.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified


def mark(*parts: Any) -> str:
    """Return a short mark of what a part shows. Rows count with all their columns, the rest as it is written."""
    facts = [_columns(part) if isinstance(part, Model) else part for part in parts]
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()[:20]


def answer(request: HttpRequest, mark: str, build: Callable[[], HttpResponse]) -> HttpResponse:
    """Answer 304 to a page that has this mark already, else what `build` makes of it."""
    had = request.headers.get("If-None-Match", "").removeprefix("W/").strip('"')  # a proxy that packs makes it weak
    response = HttpResponseNotModified() if had == mark else build()
    response["ETag"] = f'"{mark}"'
    return response


def _columns(row: Model) -> list[Any]:
    return [row._meta.label, *(getattr(row, field.attname) for field in row._meta.concrete_fields)]
