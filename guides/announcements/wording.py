"""The text of an announcement as HTML and as plain words. Few marks, and everything a person wrote is escaped first.

**粗体**, lines that begin with `- ` or `1. `, `## 小标题`, and addresses that begin with http. Nothing else means anything,
so no tag gets through and no sanitiser has to catch one.
"""

import re
from html import escape

from django.utils.safestring import SafeString, mark_safe

CHARS_A_MINUTE = 400
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_LINK = re.compile(r"https?://[^\s<>\"'，。；！？、（）【】“”]+")
_BULLET, _NUMBER, _HEAD = (
    re.compile(r"^\s*[-*•]\s+"),
    re.compile(r"^\s*\d{1,2}[.、)）]\s*"),
    re.compile(r"^\s*#{1,3}\s+"),
)


def html_of(body: str) -> SafeString:
    """Return the text as paragraphs, lists and headings."""
    parts: list[str] = []
    lines: list[str] = []
    kind = ""

    def end() -> None:
        if not lines:
            return
        match kind:
            case "ul" | "ol":
                parts.append(f"<{kind}>" + "".join(f"<li>{one}</li>" for one in lines) + f"</{kind}>")
            case _:
                parts.append("<p>" + "<br>".join(lines) + "</p>")
        lines.clear()

    for line in body.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line.strip():
            end()
            kind = ""
            continue
        if _HEAD.match(line):
            end()
            kind = ""
            parts.append(f"<h3>{_inline(_HEAD.sub('', line))}</h3>")
            continue
        now = "ul" if _BULLET.match(line) else "ol" if _NUMBER.match(line) else "p"
        if now != kind:
            end()
        kind = now
        lines.append(_inline((_BULLET if now == "ul" else _NUMBER).sub("", line) if now != "p" else line.strip()))
    end()
    return mark_safe("".join(parts))


def _inline(text: str) -> str:
    out, place = [], 0
    for found in _LINK.finditer(text):
        url = found[0].rstrip(".,;:!?)")
        out.append(escape(text[place : found.start()]))
        out.append(f'<a href="{escape(url)}" rel="noopener noreferrer" target="_blank">{escape(url)}</a>')
        place = found.start() + len(url)
    out.append(escape(text[place:]))
    return _BOLD.sub(r"<b>\1</b>", "".join(out))


def plain_of(body: str, most: int = 120) -> str:
    """Return the beginning of the text without its marks, for cards and lists."""
    text = _BOLD.sub(r"\1", body)
    lines = (_HEAD.sub("", line).strip() for line in text.replace("\r", "").split("\n"))
    words = " ".join(line for line in lines if line)
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def minutes_to_read(body: str) -> int:
    """Return about how many minutes reading takes, at least one."""
    return max(1, round(len(body) / CHARS_A_MINUTE))
