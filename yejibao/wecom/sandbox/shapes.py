"""What the platform takes as a message, kind by kind: what it refuses, and what it silently cuts.

Source: wecom-api §4.1, §4.2. The platform names 42027 to 42051 for wrong fields of a card and says little of which is
which: the order here is ours.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from .state import App, Refusal, State

MESSAGE_TYPES = frozenset(
    {
        "text", "image", "voice", "video", "file", "textcard", "news", "mpnews", "markdown", "miniprogram_notice",
        "template_card",
    }
)  # fmt: skip
INTERACTIVE_CARDS = frozenset({"button_interaction", "vote_interaction", "multiple_interaction"})
CARDS = INTERACTIVE_CARDS | {"text_notice", "news_notice"}
OWN = "yejibao"
_TASK_ID = re.compile(r"[0-9A-Za-z_@-]{1,128}")

# What is cut: the path of a field, how much of it stays, and whether that counts bytes. [] stands for each of a list.
CUTS: dict[str, Sequence[tuple[str, int, bool]]] = {
    "text": [("content", 2048, True)],
    "markdown": [("content", 2048, True)],
    "textcard": [("title", 128, False), ("description", 512, False), ("btntxt", 4, False)],
    "template_card": [
        ("source.desc", 20, False), ("main_title.title", 36, False), ("main_title.desc", 44, False),
        ("sub_title_text", 160, False), ("emphasis_content.title", 14, False), ("emphasis_content.desc", 22, False),
        ("horizontal_content_list[].keyname", 5, False), ("horizontal_content_list[].value", 30, False),
        ("jump_list[].title", 18, False), ("button_list[].text", 10, False), ("replace_text", 10, False),
        ("submit_button.text", 10, False),
    ],
    "miniprogram_notice": [
        ("title", 12, False), ("description", 12, False), ("content_item[].key", 10, False),
        ("content_item[].value", 30, False),
    ],
}  # fmt: skip


def check_content(state: State, app: App, kind: str, content: Any, *, to_all: bool = False) -> None:
    """Raise the Refusal a message's content earns."""
    if not isinstance(content, dict):
        raise Refusal(40063, f"some parameters are empty: {kind}")
    if kind in ("text", "markdown") and not content.get("content"):
        raise Refusal(44004, "empty content")
    if kind == "textcard":
        if not all(content.get(key) for key in ("title", "description", "url")):
            raise Refusal(40063, "some parameters are empty: title, description or url")
        _check_url(content["url"], 40058)
    if kind == "miniprogram_notice":
        _check_notice(content, to_all)
    if kind == "template_card":
        check_card(content)
        if content["card_type"] in INTERACTIVE_CARDS and not state.callbacks.receivers.get(OWN):
            raise Refusal(43012, "require callback url")


def check_card(card: dict[str, Any]) -> None:
    """Raise the Refusal a template card earns."""
    kind = card.get("card_type")
    if kind not in CARDS:
        raise Refusal(42027, "invalid card_type")
    action = card.get("card_action") or {}
    if kind in ("text_notice", "news_notice") and not action.get("type"):
        raise Refusal(42031, "card_action missing")
    if action.get("type") == 1 and not 0 < len(str(action.get("url") or "").encode()) <= 2048:
        raise Refusal(42032, "invalid card_action.url")
    if kind == "text_notice" and not ((card.get("main_title") or {}).get("title") or card.get("sub_title_text")):
        raise Refusal(42029, "main_title.title or sub_title_text missing")
    task_id = card.get("task_id")
    if not task_id:
        if kind in INTERACTIVE_CARDS or card.get("action_menu"):
            raise Refusal(42030, "task_id missing")
    elif not isinstance(task_id, str) or not _TASK_ID.fullmatch(task_id):
        raise Refusal(42016, "invalid task_id")
    if len(card.get("horizontal_content_list") or ()) > 6:
        raise Refusal(42033, "too many horizontal_content_list")
    if any(not row.get("keyname") for row in card.get("horizontal_content_list") or ()):
        raise Refusal(42034, "horizontal_content_list.keyname missing")
    if len(card.get("jump_list") or ()) > 3:
        raise Refusal(42035, "too many jump_list")
    if kind == "button_interaction":
        _check_buttons(card)


def _check_buttons(card: dict[str, Any]) -> None:
    if not (card.get("main_title") or {}).get("title"):
        raise Refusal(42029, "main_title.title missing")
    buttons = card.get("button_list") or []
    if not 1 <= len(buttons) <= 6:
        raise Refusal(42036, "1 to 6 of button_list")
    keys = []
    for button in buttons:
        if not button.get("text"):
            raise Refusal(42037, "button_list.text missing")
        if button.get("type", 0) == 1:
            _check_url(button.get("url"), 42039)
            continue
        key = button.get("key")
        if not key or len(str(key).encode()) > 1024:
            raise Refusal(42038, "invalid button_list.key")
        keys.append(key)
    if len(set(keys)) < len(keys):
        raise Refusal(42017, "button_list.key is not unique")


def _check_notice(content: dict[str, Any], to_all: bool) -> None:
    if to_all:
        raise Refusal(40058, "miniprogram_notice not to @all")
    if not content.get("appid"):
        raise Refusal(90200, "appid missing")
    if len(str(content.get("page") or "").encode()) > 1024:
        raise Refusal(90205, "invalid page")
    if len(str(content.get("title") or "")) < 4:
        raise Refusal(90201, "invalid title")
    items = content.get("content_item") or []
    if len(items) > 10:
        raise Refusal(90202, "too many content_item")
    if any(not item.get("key") or not item.get("value") for item in items):
        raise Refusal(90203, "content_item key or value missing")


def _check_url(url: Any, code: int) -> None:
    if not str(url or "").startswith(("http://", "https://")) or len(str(url).encode()) > 2048:
        raise Refusal(code, "invalid url")


def cut_fields(kind: str, content: dict[str, Any]) -> list[str]:
    """Return the fields the platform cuts: it says nothing of it."""
    return [
        path
        for path, most, in_bytes in CUTS.get(kind, ())
        for value in _values(content, path.split("."))
        if len(value.encode() if in_bytes else value) > most
    ]


def _values(part: Any, path: Sequence[str]) -> Iterator[str]:
    if not path:
        if isinstance(part, str):
            yield part
    elif isinstance(part, dict):
        name = path[0].removesuffix("[]")
        found = part.get(name)
        for one in found or () if path[0].endswith("[]") else [found]:
            yield from _values(one, path[1:])
