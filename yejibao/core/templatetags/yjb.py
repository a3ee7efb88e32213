"""Filters and tags every page shares: `core.words`, `core.drawing`, navigation, and small pieces of markup.

A builtin of the template engine: no `{% load %}` needed.
"""

import re
import uuid
from collections.abc import Iterable
from datetime import datetime
from functools import cache

from django import template
from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.templatetags.static import static
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from yejibao.core import clock, drawing, nav, personal, words

register = template.Library()

for say in (
    words.yuan, words.yuan_exact, words.wan, words.count, words.pct,
    words.short_day, words.clock_time, words.short_moment, words.ago, words.weekday, words.long_day, words.greeting,
    words.minutes_words, words.due_words, words.urgency, words.tone, words.due_class, words.role_name,
):  # fmt: skip
    register.filter(say)


@register.simple_tag
def countdown(due_at: datetime | None, now: datetime | None = None, extra: str = "") -> SafeString:
    """The deadline in its colour. The last two hours tick in the browser; `extra` adds classes, such as `end`."""
    if due_at is None:
        return SafeString("")
    now = now or clock.now()
    seconds = int((due_at - now).total_seconds())
    colour, text = words.due_class(due_at, now), words.due_words(due_at, now)
    classes = f"due {colour} {escape(extra)}"
    if seconds < words.SOON.total_seconds():
        inner = f'{icon("timer", "i-14")}<span data-due="{seconds}">{text}</span>'
        return SafeString(f'<span class="{classes}">{inner}</span>')
    return SafeString(f'<span class="{classes}" data-due="{seconds}">{text}</span>')


# ---------------------------------------------------------------- people


@register.filter
def mask_phone(phone: str | None) -> str:
    """`138****2075`"""
    return personal.mask_phone(phone or "")


@register.filter
def mask_mobiles(text: str | None) -> str:
    """A card number, whose digits may be a phone."""
    return personal.mask_mobiles(text or "")


@register.filter
def mask_name(name: str | None) -> str:
    """`王**`"""
    return personal.mask_name(name or "")


@register.filter
def surname(name: str | None) -> str:
    """The one character an avatar shows."""
    return (name or "").strip()[:1] or "客"


@register.filter
def avatar_class(pk: int | None) -> str:
    """`a1`…`a6`, always the same for the same person."""
    return f"a{(pk or 0) % 6 + 1}"


@register.simple_tag
def avatar(name: str | None, pk: int | None = None, size: str = "") -> SafeString:
    """The surname on cloth. Decoration: the name stands beside it."""
    return SafeString(f'<span class="av {avatar_class(pk)} {size}" aria-hidden="true">{escape(surname(name))}</span>')


TIERS = {
    "core": ("核心", "core"),
    "potential": ("潜力", "pot"),
    "common": ("普通", "reg"),
    "lapsed": ("一年未买", "non"),
    "unconsumed": ("未消费", "non"),
}


@register.simple_tag
@cache
def tier(key: str | None) -> SafeString:
    """The 631 label. For staff only: never on a member's page."""
    if key not in TIERS:
        return SafeString("")
    label, style = TIERS[key]
    return format_html('<span class="tier {}">{}</span>', style, label)


# ---------------------------------------------------------------- pieces of markup


@cache
def _sprite() -> str:
    return static("icons.svg")


@register.simple_tag
@cache
def icon(name: str, classes: str = "") -> SafeString:
    """A Lucide icon of the sprite. Without a word beside it, the control needs an aria-label."""
    return format_html(
        '<svg class="i {}" aria-hidden="true"><use href="{}#i-{}"></use></svg>', classes, _sprite(), name
    )


@register.simple_tag(takes_context=True)
def nonce(context: template.Context) -> str:
    """The CSP nonce of this response, for the rare inline script."""
    return str(getattr(context.get("request"), "csp_nonce", ""))


@register.simple_tag(takes_context=True)
def nav_entries(context: template.Context, area: str) -> list[nav.Entry]:
    """The places of a navigation; `nav_current` in the context names the current one."""
    request: HttpRequest | None = context.get("request")
    return nav.entries(area, request, current=context.get("nav_current") or "") if request else []


@register.simple_tag(takes_context=True)
def tabbar(context: template.Context, area: str) -> SafeString:
    """The navigation at the foot of a phone's page; none where there is but one place."""
    places = nav_entries(context, area)
    if len(places) < 2:
        return SafeString("")
    return SafeString(
        f'<nav class="tabbar" aria-label="主导航"><div class="in">\n{"".join([_tab(one) for one in places])}</div></nav>'
    )


def _tab(place: nav.Entry) -> str:
    count = f'<span class="cnt{"" if place.loud else " q"}">{place.count}</span>' if place.count else ""
    current = ' aria-current="page"' if place.current else ""
    return f'<a href="{place.href}"{current}>{icon(place.icon, "i-24")}{escape(place.label)}{count}</a>\n'


@register.simple_tag(takes_context=True)
def flashes(context: template.Context) -> list[dict[str, str]]:
    """What the page before left to say."""
    request: HttpRequest | None = context.get("request")
    if request is None or not hasattr(request, "_messages"):
        return []
    return [{"text": str(one.message), "undo": one.extra_tags or ""} for one in get_messages(request)]


@register.simple_tag
def idem_field() -> SafeString:
    """A hidden `idempotency_key`, made before the first try: a form sent twice counts once."""
    return SafeString(f'<input type="hidden" name="idempotency_key" value="{uuid.uuid4()}">')


@register.simple_tag
def live(url: str, mark: str, seconds: int = 5) -> SafeString:
    """The attributes of a part that others change while one looks at it (core/live.py)."""
    return format_html(
        'data-live="{}" data-mark="{}" hx-get="{}" hx-trigger="live" hx-swap="innerHTML"', seconds, mark, url
    )


@register.filter
def script_marks(text: str | None) -> SafeString:
    """Show a rendered script: what stands between ⟦ and ⟧ was filled in for the guide and is marked."""
    html = str(escape(text or "")).replace("⟦", "<mark>").replace("⟧", "</mark>")
    return mark_safe(html.replace("\r\n", "\n").replace("\n", "<br>"))


@register.filter
def highlight(text: str | None, needle: str | None) -> SafeString:
    """Mark the words searched for."""
    wanted = [re.escape(word) for word in (needle or "").split()]
    if not wanted:
        return escape(text or "")
    pieces = re.split(f"({'|'.join(wanted)})", text or "", flags=re.IGNORECASE)
    return format_html_join("", "{}", ((_marked(piece) if at % 2 else piece,) for at, piece in enumerate(pieces)))


def _marked(piece: str) -> SafeString:
    return format_html('<mark class="k">{}</mark>', piece)


@register.filter
def times(number: int) -> range:
    """Repeat: `{% for one in 3|times %}`."""
    return range(int(number))


@register.simple_tag
def tape(done: int, total: int, label: str = "") -> SafeString:
    """The tape measure: how much of the day's list is done."""
    share = 100 * done / total if total else 0
    said = escape(label or f"已完成 {done} 件，共 {total} 件")
    return SafeString(
        f'<div class="tape" role="progressbar" aria-valuenow="{done:d}" aria-valuemin="0" aria-valuemax="{total:d}" '
        f'aria-label="{said}"><i style="width:{min(share, 100):.1f}%"></i></div>'
    )


@register.simple_tag
def progress(value: float | None, total: float = 100, classes: str = "", label: str = "") -> SafeString:
    """A bar; `classes` colours it (camel, green, red) or makes it taller (lg)."""
    value = value or 0
    share = 100 * value / total if total else 0
    return format_html(
        '<div class="pb {}" role="progressbar" aria-valuenow="{}" aria-valuemin="0" aria-valuemax="{}" aria-label="{}">'
        '<i style="width:{}%"></i></div>',
        classes, f"{value:g}", f"{total:g}", label or f"{share:.0f}%", f"{max(0.0, min(share, 100)):.1f}",
    )  # fmt: skip


@register.simple_tag
def trail(steps: Iterable[dict[str, str]], label: str = "回访节点") -> SafeString:
    """The nodes of a rhythm. A step has `label`, maybe `note` and `state` (done, on, skip)."""
    spoken = {"done": "，已完成", "on": "，现在", "skip": "，跳过"}
    inner = "".join(
        [
            f'<li class="{escape(state)}">{escape(step["label"])}'
            + (f'<br><span class="n">{escape(note)}</span>' if (note := step.get("note")) else "")
            + f'<span class="sr">{spoken.get(state, "")}</span></li>'
            for step in steps
            for state in (step.get("state", ""),)
        ]
    )
    return SafeString(f'<ol class="nodes" aria-label="{escape(label)}">{inner}</ol>')


@register.simple_tag
def heat_cell(
    rate: float | None,
    overdue: int = 0,
    url: str = "",
    name: str = "",
    node: str = "",
    selected: bool = False,
    sign: str = "",
) -> SafeString:
    """One field of the board: the darker, the more is done; below 60% with something overdue it turns red and outlined.

    Shades skip the middle, where neither dark nor white figures can be read. The link opens the names in the sheet.
    """
    if rate is None:
        return SafeString('<span class="c na">–</span>')
    low, high = rate < 0.6 and overdue > 0, rate >= 0.75
    alpha = 0 if low else (0.78 + (rate - 0.75) * 0.88 if high else 0.06 + max(0.0, rate) * 0.56)
    style = ("low" if low else "w" if high else "") + (" sel" if selected else "")
    figure = f"{rate * 100:.0f}{sign}"
    late = format_html("<small>超时 {}</small>", overdue) if overdue else SafeString("")
    spoken = f"{name} {node} 完成 {rate * 100:.0f}%，超时 {overdue} 件".strip()
    if not url:
        return format_html(
            '<span class="c {}" style="--a:{}" aria-label="{}">{}{}</span>', style, f"{alpha:.2f}", spoken, figure, late
        )
    return format_html(
        '<a class="c {}" style="--a:{}" href="{}" hx-get="{}" hx-target="#sheet-body" data-sheet="{}" aria-label="{}">'
        "{}{}</a>",
        style, f"{alpha:.2f}", url, url, " · ".join(filter(None, [name, node])), spoken, figure, late,
    )  # fmt: skip


@register.simple_block_tag
def sheet(content: str, key: str, title: str = "") -> SafeString:
    """A sheet that waits in the page; `data-open="#key"` brings it up."""
    head = SafeString("")
    if title:
        head = format_html(
            '<div class="sheet-h"><h2 class="fs20 serif grow" id="{}-t">{}</h2>'
            '<button type="button" class="ib" data-close aria-label="关闭">{}</button></div>',
            key, title, icon("x", "i-22"),
        )  # fmt: skip
    return format_html(
        '<div class="sheet-host" id="{0}" hidden><div class="sheet-mask" data-close></div>'
        '<div class="sheet" role="dialog" aria-modal="true" tabindex="-1" aria-labelledby="{0}-t">{1}{2}</div></div>',
        key, head, content,
    )  # fmt: skip


# ---------------------------------------------------------------- drawings

register.simple_block_tag(drawing.ring)
for draw in (drawing.sparkline, drawing.bars, drawing.garment, drawing.garment_sprite):
    register.simple_tag(draw)
