"""Small pictures as inline SVG, drawn by the server: charts without a script, goods without a photo."""

import math
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from .words import NOTHING

# ---------------------------------------------------------------- charts, drawn here: no script, no library


def ring(
    content: str, percent: float | None, size: int = 104, width: int = 9, marker: float | None = None, label: str = ""
) -> SafeString:
    """The ring of the dark block. `marker` is the white tick: how much of the time has gone."""
    radius = (size - width) / 2 - 2
    around, middle = 2 * math.pi * radius, size / 2
    done = max(0.0, min(percent or 0, 100))
    ticks = []
    for step in range(40):
        angle = step / 40 * 2 * math.pi
        outer = radius - width / 2 - 1.5
        inner = outer - (4 if step % 10 == 0 else 2)
        ticks.append(_ray(middle, angle, outer, inner))
    dial = format_html_join(
        "",
        '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="currentColor" stroke-opacity=".35" stroke-width=".8"/>',
        ticks,
    )
    tick = SafeString("")
    if marker is not None:
        tick = format_html(
            '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="#fff" stroke-width="2.4"/>',
            *_ray(middle, max(0, min(marker, 100)) / 50 * math.pi, radius - width / 2 - 2, radius + width / 2 + 2),
        )
    return format_html(
        '<div class="ring" role="img" aria-label="{label}">'
        '<svg width="{size}" height="{size}" viewBox="0 0 {size} {size}" aria-hidden="true">'
        '<circle cx="{mid}" cy="{mid}" r="{r}" fill="none" stroke="rgba(255,255,255,.14)" stroke-width="{w}"/>'
        '<circle cx="{mid}" cy="{mid}" r="{r}" fill="none" stroke="var(--hero-camel)" stroke-width="{w}"'
        ' stroke-dasharray="{on} {around}"/>{dial}{tick}</svg><div class="in">{content}</div></div>',
        label=label or (NOTHING if percent is None else f"{percent:.0f}%"), size=size, mid=f"{middle:g}",
        r=f"{radius:g}", w=width, on=f"{around * done / 100:.1f}", around=f"{around:.1f}", dial=dial, tick=tick,
        content=content,
    )  # fmt: skip


def _ray(middle: float, angle: float, start: float, end: float) -> tuple[str, str, str, str]:
    return tuple(  # type: ignore[return-value]
        f"{middle + length * turn(angle):.1f}" for length in (start, end) for turn in (math.cos, math.sin)
    )


def sparkline(
    values: Sequence[float | None],
    width: int = 64,
    height: int = 28,
    color: str = "var(--c1)",
    label: str = "",
    floor: float | None = None,
) -> SafeString:
    """A small line that ends in a dot; gaps are left out. `floor` is the value at the bottom edge."""
    known = [(place, value) for place, value in enumerate(values or []) if value is not None]
    if len(known) < 2:
        return SafeString("")
    figures = [value for _, value in known]
    low = min(figures) * 0.6 if floor is None else floor
    span = (max(figures) * 1.08 - low) or 1
    pad = 4
    step = (width - 2 * pad) / (len(values) - 1)
    points = [(pad + place * step, height - pad - (value - low) / span * (height - 2 * pad)) for place, value in known]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ground = height - pad
    role = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html(
        '<svg class="spark" width="{w}" height="{h}" viewBox="0 0 {w} {h}" {role}>'
        '<polygon points="{x0},{g} {line} {x1},{g}" fill="{c}" opacity=".09"/>'
        '<polyline points="{line}" fill="none" stroke="{c}" stroke-width="2" stroke-linejoin="round"'
        ' stroke-linecap="round"/><circle cx="{x1}" cy="{y1}" r="3.2" fill="{c}"/></svg>',
        w=width, h=height, role=role, line=line, c=color, g=f"{ground:.1f}",
        x0=f"{points[0][0]:.1f}", x1=f"{points[-1][0]:.1f}", y1=f"{points[-1][1]:.1f}",
    )  # fmt: skip


def bars(
    series: Sequence[Any],
    labels: Sequence[str] = (),
    colors: str = "var(--c1) var(--c5) var(--c2) var(--c3)",
    height: int = 118,
    width: int = 370,
    stacked: bool = False,
    figures: bool = True,
    line: float | None = None,
    label: str = "",
) -> SafeString:
    """Bars side by side or stacked. `series` is a list of numbers, or one list a colour; `line` draws a limit.

    Figures stand over the first series only, where there is room for them.
    """
    rows: list[list[float]] = [
        [float(value or 0) for value in row]
        for row in (series if series and isinstance(series[0], list | tuple) else [series or []])
    ]
    columns = max((len(row) for row in rows), default=0)
    if not columns:
        return SafeString("")
    paints = colors.split()
    head, foot = (16, 18) if labels else (16, 4)
    tops = [sum(row[at] for row in rows if at < len(row)) if stacked else max(row[at] for row in rows if at < len(row))
            for at in range(columns)]  # fmt: skip
    scale = (height - head - foot) / (max([*tops, line or 0]) or 1)
    slot = width / columns
    bar = slot * (0.72 if stacked or len(rows) == 1 else 0.72 / len(rows))
    every = max(1, math.ceil(columns * 34 / width))
    ground = height - foot
    parts: list[SafeString] = []
    for at in range(columns):
        left, base = slot * at + slot * 0.14, float(ground)
        for number, row in enumerate(rows):
            value = row[at] if at < len(row) else 0
            tall = value * scale
            x, y = (left, base - tall) if stacked else (left + number * bar, ground - tall)
            if value:
                parts.append(format_html(
                    '<rect x="{}" y="{}" width="{}" height="{}" rx="1.5" style="fill:{}"/>',
                    f"{x:.1f}", f"{y:.1f}", f"{bar - (0 if stacked or len(rows) == 1 else 1.5):.1f}", f"{tall:.1f}",
                    paints[number % len(paints)],
                ))  # fmt: skip
            if stacked and value:
                base -= tall + 1
            if figures and number == 0 and not stacked and columns <= 14 and value:
                parts.append(_text(x + bar / 2, y - 4, f"{value:,.0f}", "v"))
        if labels and at < len(labels) and at % every == 0:
            parts.append(_text(slot * (at + 0.5), height - 3, labels[at]))
    parts.append(format_html(
        '<line x1="0" x2="{}" y1="{y}" y2="{y}" style="stroke:var(--line-2)"/>', width, y=f"{ground + 0.5:.1f}"
    ))  # fmt: skip
    if line is not None:
        parts.append(format_html(
            '<line x1="0" x2="{}" y1="{y}" y2="{y}" stroke-dasharray="4 4" style="stroke:var(--red)"/>',
            width, y=f"{ground - line * scale:.1f}",
        ))  # fmt: skip
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        width, height, label or _spoken(rows, labels), format_html_join("", "{}", ((part,) for part in parts)),
    )  # fmt: skip


def _text(x: float, y: float, words: str, classes: str = "") -> SafeString:
    return format_html(
        '<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>', classes, f"{x:.1f}", f"{y:.1f}", words
    )


def _spoken(rows: list[list[float]], labels: Sequence[str]) -> str:
    return "，".join(f"{labels[at] if at < len(labels) else at + 1} {value:g}" for at, value in enumerate(rows[0]))


# ---------------------------------------------------------------- goods without a photo

SILHOUETTES = {  # category_l2, else category_l1 of the catalogue → symbol, pattern
    "羊毛大衣": ("coat", "herr"), "风衣": ("coat", ""), "大衣": ("coat", "herr"),
    "休闲夹克": ("jacket", ""), "商务夹克": ("mao", ""), "夹克": ("jacket", ""), "皮衣": ("jacket", ""),
    "羽绒服": ("down", ""), "羽绒": ("down", ""),
    "休闲衬衫": ("shirt", "check"), "商务衬衫": ("shirt", ""), "衬衫": ("shirt", ""),
    "POLO": ("polo", ""), "圆领T恤": ("polo", ""), "T恤POLO": ("polo", ""),
    "羊绒衫": ("knit", "cable"), "针织衫": ("knit", ""), "针织": ("knit", ""),
    "休闲裤": ("pants", "cord"), "牛仔裤": ("jean", ""), "西裤": ("pants", ""), "裤装": ("pants", ""),
    "单西": ("blazer", "check"), "套西": ("blazer", ""), "西服": ("blazer", ""),
    "围巾": ("scarf", ""), "领带": ("scarf", ""), "腰带": ("belt", ""), "袜内衣": ("sock", ""), "配饰": ("belt", ""),
    "休闲鞋": ("shoes", ""), "皮鞋": ("shoes", ""), "鞋": ("shoes", ""),
}  # fmt: skip
CLOTH = {
    "藏青": "#26344D", "黑": "#23272E", "灰": "#6B7078", "炭灰": "#3D4148", "白": "#F5F3EE", "米": "#DCCFB6",
    "棕": "#6D4A2F", "卡其": "#8A6F4D", "绿": "#3A5A4C", "蓝": "#35506F", "酒红": "#7C2F2F",
}  # fmt: skip


def garment(
    category: str | None, color: str | None = "", width: int = 44, height: int = 0, name: str = ""
) -> SafeString:
    """The silhouette in its cloth, for goods without a photo. The page needs `garment_sprite` once."""
    shape, pattern = SILHOUETTES.get(category or "", ("bag", ""))
    cloth, woven = CLOTH.get(color or "", "#6B7078"), f"url(#p-{pattern})" if pattern else "none"
    said = escape(f"{name or category or '货品'} {color or ''}".strip())
    return SafeString(
        f'<span class="sw-p" style="width:{width}px;height:{height or width}px" role="img" aria-label="{said}">'
        f'<svg class="gm" viewBox="0 0 100 120" style="color:{cloth};--pat:{woven}"><use href="#g-{shape}"></use></svg></span>'
    )


def garment_sprite() -> SafeString:
    """The silhouettes themselves. Inline, because cloth patterns do not resolve through another file."""
    return _garments()


@cache
def _garments() -> SafeString:
    text = (Path(settings.BASE_DIR) / "static" / "garments.svg").read_text(encoding="utf-8")
    return mark_safe(text[text.index("<svg") :])
