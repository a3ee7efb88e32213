"""An app message as the WeCom-like client shows it, with what the platform cuts cut."""

import re
from typing import Any

LINK = re.compile(r'<a href="([^"]*)">(.*?)</a>', re.DOTALL)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return title, text (the platform's few tags inside), where it leads, and the buttons of a card as it stands now."""
    body = row["request"]
    kind = body["msgtype"]
    seen = {
        "seq": row["seq"], "at": row["at"], "recalled": row["recalled"], "changed": row.get("changed", 0),
        "title": "", "text": "", "url": "", "button": "", "buttons": [], "grey": row.get("grey", ""),
    }  # fmt: skip
    return seen | SHOWN.get(kind, _other)(row.get("card") or body[kind])


def _text(content: dict[str, Any]) -> dict[str, Any]:
    words = str(content.get("content", ""))
    link = LINK.search(words)
    plain = LINK.sub("", words).strip()
    return {"text": plain.replace("\n", "<br>"), "url": link[1] if link else "", "button": link[2] if link else ""}


def _text_card(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": content["title"][:128], "text": content["description"][:512], "url": content["url"],
        "button": content.get("btntxt") or "详情",
    }  # fmt: skip


def _template_card(card: dict[str, Any]) -> dict[str, Any]:
    main = card.get("main_title") or {}
    lines = [main.get("desc", ""), str(card.get("sub_title_text", "")).replace("\n", "<br>")]
    lines += [f"{pair.get('keyname', '')} {pair.get('value', '')}" for pair in card.get("horizontal_content_list", ())]
    buttons = [
        {
            "text": one.get("text", ""),
            "key": one.get("key", ""),
            "url": one.get("url", ""),
            "style": one.get("style", 1),
        }
        for one in card.get("button_list", ())
    ]
    url = (card.get("card_action") or {}).get("url", "")
    text = "<br>".join(filter(None, lines))
    return {
        "title": main.get("title", ""),
        "text": text,
        "url": url,
        "button": "" if buttons else "详情",
        "buttons": buttons,
    }


def _notice(content: dict[str, Any]) -> dict[str, Any]:
    lines = [content.get("description", "")]
    lines += [f"{one.get('key', '')} {one.get('value', '')}" for one in content.get("content_item", ())]
    return {"title": content.get("title", ""), "text": "<br>".join(filter(None, lines)), "button": "小程序"}


def _other(content: dict[str, Any]) -> dict[str, Any]:
    return {"text": content.get("content") or "[这里看不到这种消息]"}


SHOWN = {"text": _text, "textcard": _text_card, "template_card": _template_card, "miniprogram_notice": _notice}
