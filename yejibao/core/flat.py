"""Pieces of pages drawn flat: in Python, without the template engine, where a page is opened all day long.

    f'<a href="{address("crm:member-tags", member.public_id)}">{yjb.icon("tag")}</a>'
    f'<form method="post" action="…">{token_field(request)}…</form>'

Whoever draws flat escapes what people wrote himself (`html.escape`).
"""

from functools import cache
from uuid import UUID

from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils.safestring import SafeString

# What no address has by itself, by the type of the argument that stands in its place.
_STAND_INS: dict[type, int | str | UUID] = {
    int: 739184, str: "the-word-of-this-place", UUID: UUID("7f3b1c52-9d0e-4a86-b1f4-2c6e8a905d17"),
}  # fmt: skip


def address(view: str, *arguments: int | str | UUID) -> str:
    """Return what `{% url %}` gives, for numbers, ids and words of our own: looked up once, put together each time."""
    return _pattern(view, tuple([type(one) for one in arguments])).format(*arguments)


@cache
def _pattern(view: str, kinds: tuple[type, ...]) -> str:
    found = reverse(view, args=[_STAND_INS[kind] for kind in kinds])
    for kind in kinds:
        found = found.replace(str(_STAND_INS[kind]), "{}", 1)
    return found


def token(request: HttpRequest) -> str:
    """Return the CSRF token of this answer: each new one is hidden anew, and a page has several forms."""
    known: str | None = getattr(request, "form_token", None)
    if known is None:
        known = request.form_token = get_token(request)  # type: ignore[attr-defined]
    return known


def token_field(request: HttpRequest) -> str:
    """Return what `{% csrf_token %}` gives."""
    return f'<input type="hidden" name="csrfmiddlewaretoken" value="{token(request)}">'


def section(key: str, title: str, *, link: str = "", words: str = "", body: str = "") -> SafeString:
    """Return a section of a page with its title, a link beside it and what stands below."""
    beside = (
        f'<a class="fs14 link" style="min-height:44px;display:inline-flex;align-items:center" href="{link}">{words}</a>'
        if link
        else ""
    )
    return SafeString(
        f'<section class="sec" id="{key}"><div class="sec-h"><h2>{title}</h2>{beside}</div>{body}</section>'
    )
