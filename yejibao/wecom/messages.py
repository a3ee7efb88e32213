"""What the app can say to staff, one class a kind, with the platform's limits; and the bytes of message/send.

What the platform would cut is cut here first, with "…", so that nobody reads half a word or half a tag. What it would refuse
raises BadMessage, which names the field. Source: wecom-api §4.1, §4.2.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.conf import settings

DUPLICATE_CHECK_SECONDS = 14_400  # the most the platform allows: the same bytes arrive once in that time
TEXT_BYTES = URL_BYTES = 2048
DESCRIPTION_CHARS = 512
BUTTONS, ROWS, ITEMS = 6, 6, 10
KEY_BYTES, PAGE_BYTES, NUMBER_BYTES = 1024, 1024, 128
_TASK_ID = re.compile(rf"[0-9A-Za-z_@-]{{1,{NUMBER_BYTES}}}")


class BadMessage(ValueError):
    """A message the platform would refuse. `field` is its name there."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.field = name


def trim(text: str, most: int) -> str:
    """Return the text, at most so many characters, the last of them … where it was longer."""
    text = text.strip()
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def trim_bytes(text: str, most: int) -> str:
    """Return the text, at most so many bytes of UTF-8, never with half a character at its end."""
    text = text.strip()
    if len(text.encode()) <= most:
        return text
    return text.encode()[: most - len("…".encode())].decode(errors="ignore").rstrip() + "…"


def address(path: str, number: int) -> str:
    """Return the address of a page of ours that carries a message's number: so no two messages are equal."""
    return f"{settings.PUBLIC_BASE_URL}{path}{'&' if '?' in path else '?'}m={number}"


def can_be_clicked() -> bool:
    """Tell whether cards may have buttons: the platform takes them only from an app that it can call back."""
    return "yejibao" in settings.WECOM_CALLBACKS


class Content(Protocol):
    """One kind of message."""

    @property
    def kind(self) -> str: ...

    def payload(self, number: int) -> dict[str, Any]:
        """Return the part that bears the kind's name, with the message's number in it. Raises BadMessage."""


def request_bytes(content: Content, *, to: str, number: int) -> bytes:
    """Return the request of message/send to one person, the same bytes for the same facts. Raises BadMessage."""
    body = {
        "touser": to,
        "msgtype": content.kind,
        "agentid": settings.WECOM_AGENT_ID,
        content.kind: content.payload(number),
        "enable_duplicate_check": 1,
        "duplicate_check_interval": DUPLICATE_CHECK_SECONDS,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


# ---------------------------------------------------------------- text, text card


@dataclass(frozen=True)
class Text:
    """Plain words with one link under them, which carries the number."""

    words: str
    path: str
    link: str = "去看看"
    kind = "text"

    def payload(self, number: int) -> dict[str, Any]:
        if not self.words.strip():
            raise BadMessage("text.content", "empty")
        link = f'\n<a href="{_url(address(self.path, number), "text.content")}">{_plain(self.link)}</a>'
        return {"content": trim_bytes(_plain(self.words), TEXT_BYTES - len(link.encode())) + link}


@dataclass(frozen=True)
class TextCard:
    """A title, lines of text and one way on. `highlight` is the line that stands out; it is never cut away."""

    title: str
    lines: Sequence[str]
    path: str
    button: str = "详情"
    highlight: str = ""
    kind = "textcard"

    def payload(self, number: int) -> dict[str, Any]:
        loud = f'<div class="highlight">{_plain(trim(self.highlight, 60))}</div>' if self.highlight else ""
        description = trim("<br>".join(map(_plain, self.lines)), DESCRIPTION_CHARS - len(loud) - len("<br>"))
        description = re.sub(r"<b?r?…$", "…", description)  # a tag that was cut
        if not self.title.strip() or not (description or loud):
            raise BadMessage("textcard", "title and description must not be empty")
        return {
            "title": trim(self.title, 128),
            "description": description + ("<br>" if description and loud else "") + loud,
            "url": _url(address(self.path, number), "textcard.url"),
            "btntxt": trim(self.button, 4),
        }


# ---------------------------------------------------------------- template card with buttons


@dataclass(frozen=True)
class Button:
    """A button of a card: calls us back with `key`, or opens `path`."""

    text: str
    key: str = ""
    path: str = ""
    style: int = 1  # 1 blue, 2 grey-blue, 3 red, 4 grey

    def payload(self, number: int) -> dict[str, Any]:
        if bool(self.key) == bool(self.path):
            raise BadMessage("button_list", "a button has a key or leads somewhere")
        if len(self.key.encode()) > KEY_BYTES:
            raise BadMessage("button_list.key", f"more than {KEY_BYTES} bytes")
        act = (
            {"type": 0, "key": self.key}
            if self.key
            else {"type": 1, "url": _url(address(self.path, number), "button_list.url")}
        )
        return {"text": trim(self.text, 10), "style": self.style} | act


@dataclass(frozen=True)
class ButtonCard:
    """A card whose buttons call us back. `task_id` is used once: it comes back with each click.

    `done` is for update_template_card: the words of the one button that is left, dead.
    """

    title: str
    text: str
    path: str
    task_id: str
    buttons: Sequence[Button]
    note: str = ""  # under the title: until when, or what came of a press
    rows: Sequence[tuple[str, str]] = field(default_factory=tuple)
    source: str = ""
    done: str = ""
    kind = "template_card"

    def payload(self, number: int) -> dict[str, Any]:
        if not self.title.strip():
            raise BadMessage("template_card.main_title", "empty")
        if not _TASK_ID.fullmatch(self.task_id):
            raise BadMessage("template_card.task_id", "letters, digits, _ @ -, at most 128 of them")
        keys = [button.key for button in self.buttons if button.key]
        if not 1 <= len(self.buttons) <= BUTTONS or len(set(keys)) < len(keys):
            raise BadMessage("template_card.button_list", f"1 to {BUTTONS} buttons with keys of their own")
        if len(self.rows) > ROWS:
            raise BadMessage("template_card.horizontal_content_list", f"more than {ROWS}")
        body: dict[str, Any] = {
            "card_type": "button_interaction",
            "main_title": {"title": trim(self.title, 36), "desc": trim(self.note, 44)},
            "sub_title_text": trim(self.text, 160),
            "card_action": {"type": 1, "url": _url(address(self.path, number), "template_card.card_action")},
            "task_id": self.task_id,
            "button_list": [button.payload(number) for button in self.buttons],
        }
        if self.source:
            body["source"] = {"desc": trim(self.source, 20)}
        if self.rows:
            body["horizontal_content_list"] = [
                {"keyname": trim(name, 5), "value": trim(value, 30)} for name, value in self.rows
            ]
        if self.done:
            body["replace_text"] = trim(self.done, 10)
        return body


# ---------------------------------------------------------------- mini-program notice


@dataclass(frozen=True)
class MiniProgramNotice:
    """A notice that opens a page of a mini-program which is bound to the app. Never to everybody at once."""

    appid: str
    title: str
    page: str
    description: str = ""
    items: Sequence[tuple[str, str]] = ()
    emphasizes_first: bool = False
    kind = "miniprogram_notice"

    def payload(self, number: int) -> dict[str, Any]:
        page = f"{self.page}{'&' if '?' in self.page else '?'}m={number}"
        if not self.appid:
            raise BadMessage("miniprogram_notice.appid", "empty")
        if len(page.encode()) > PAGE_BYTES:
            raise BadMessage("miniprogram_notice.page", f"more than {PAGE_BYTES} bytes")
        for name, value in (("title", self.title), ("description", self.description)):
            if (value or name == "title") and len(value.strip()) < 4:
                raise BadMessage(f"miniprogram_notice.{name}", "fewer than 4 characters")
        if len(self.items) > ITEMS:
            raise BadMessage("miniprogram_notice.content_item", f"more than {ITEMS}")
        body: dict[str, Any] = {"appid": self.appid, "page": page, "title": trim(self.title, 12)}
        if self.description:
            body["description"] = trim(self.description, 12)
        if self.items:
            body["content_item"] = [{"key": trim(key, 10), "value": trim(value, 30)} for key, value in self.items]
            body["emphasis_first_item"] = self.emphasizes_first
        return body


# ---------------------------------------------------------------- reading back


def title_of(request: Mapping[str, Any]) -> str:
    """Return the title a request bears, the first line of a text; "" where there is none."""
    content = request.get(str(request.get("msgtype")))
    if not isinstance(content, Mapping):
        return ""
    main = content.get("main_title")
    title = main.get("title") if isinstance(main, Mapping) else content.get("title")
    return str(title or str(content.get("content") or "").partition("\n")[0])


def url_of(request: Mapping[str, Any]) -> str:
    """Return where a request leads; its message's number stands at the end."""
    content = request.get(str(request.get("msgtype")))
    if not isinstance(content, Mapping):
        return ""
    action = content.get("card_action")
    found = (action.get("url") if isinstance(action, Mapping) else None) or content.get("url") or content.get("page")
    if not found and (link := re.search(r'href="([^"]*)"', str(content.get("content") or ""))):
        found = link[1]
    return str(found or "")


def _plain(text: str) -> str:
    """Return a text in which nothing is taken for one of the platform's tags: names come from members."""
    return text.replace("<", "＜").replace(">", "＞")


def _url(url: str, name: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise BadMessage(name, "no scheme")
    if len(url.encode()) > URL_BYTES:
        raise BadMessage(name, f"more than {URL_BYTES} bytes")
    return url
