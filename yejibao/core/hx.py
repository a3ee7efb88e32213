"""The ten lines of htmx a view needs, and the toast that both htmx answers and plain redirects can carry.

What the browser does with them is in static/js/app.js.
"""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

UNDO_SECONDS = 5  # 10 in care mode: the page decides


def is_htmx(request: HttpRequest) -> bool:
    """Tell whether htmx asks, who wants a fragment and no page."""
    return request.headers.get("HX-Request") == "true"


def wants_page(request: HttpRequest) -> bool:
    """Tell whether a person's browser opens what comes back; a script of a page asks for JSON and says it itself."""
    return "text/html" in request.headers.get("Accept", "")


def trigger(response: HttpResponse, event: str, facts: Any = None) -> HttpResponse:
    """Let the page hear an event after the swap; several calls add up."""
    events: dict[str, Any] = json.loads(response.headers.get("HX-Trigger", "{}"))
    events[event] = facts
    response["HX-Trigger"] = json.dumps(events)  # escapes to ASCII, as a header must be
    return response


def toast(
    response: HttpResponse, text: str, *, undo: str = "", target: str = "", swap: str = "outerHTML"
) -> HttpResponse:
    """Say in one sentence what happened. `undo` is the URL that takes it back; its answer replaces `target`."""
    facts = {"text": str(text), "undo": undo, "swap": swap}
    if target:  # htmx fires the event at a `target`, and stumbles over an empty one
        facts["target"] = target
    return trigger(response, "toast", facts)


def flash(request: HttpRequest, text: str, *, undo: str = "") -> None:
    """Say it on the next page instead: for answers that redirect."""
    messages.success(request, str(text), extra_tags=undo)


def close_sheet(response: HttpResponse) -> HttpResponse:
    """Close the sheet the request came from."""
    return trigger(response, "closeSheet")


def redirect(url: str) -> HttpResponse:
    """Send the whole page elsewhere, not the fragment."""
    response = HttpResponse(status=204)
    response["HX-Redirect"] = url
    return response
