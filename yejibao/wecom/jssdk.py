"""Signatures for the JS-SDK in our pages: `agent` for agentConfig, `corp` for config. Only the ticket differs."""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from yejibao.core.errors import Invalid

from . import gateway
from .gateway import Gateway


class ForeignUrl(Invalid):
    """Asked to sign a page that is not ours."""

    code, title = "wecom.foreign_url", _("不能为其他网站的页面签名")


@dataclass(frozen=True)
class Signature:
    """What the page hands to the SDK."""

    timestamp: int
    nonce: str
    signature: str

    def as_json(self) -> dict[str, object]:
        """Return it with the SDK's names."""
        return {"timestamp": self.timestamp, "nonceStr": self.nonce, "signature": self.signature}


def sign(ticket: str, nonce: str, timestamp: int, url: str) -> str:
    """Return the SHA-1 of the four parts in the platform's order; `url` ends before the `#`."""
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url.partition('#')[0]}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def signature(
    url: str, kind: Literal["agent", "corp"] = "agent", *, also: str = "", door: Gateway | None = None
) -> Signature:
    """Sign one of our own pages, or one of the origin `also`. Raises ForeignUrl, or GatewayError without a ticket."""
    _must_be_ours(url, also)
    door = door or gateway.default()
    return _signed(door.get_agent_ticket() if kind == "agent" else door.get_corp_ticket(), url)


def signatures_at_hand(url: str, *, also: str = "", door: Gateway | None = None) -> dict[str, Signature]:
    """Sign a page while it is made, by kind, so that it need not ask: with tickets that are here, without any call."""
    _must_be_ours(url, also)
    door = door or gateway.default()
    tickets = {kind: door.ticket_at_hand(kind) for kind in ("corp", "agent")}
    return {kind: _signed(ticket, url) for kind, ticket in tickets.items() if ticket}


def _must_be_ours(url: str, also: str) -> None:
    if _origin(url) not in {_origin(one) for one in (settings.PUBLIC_BASE_URL, also) if one}:
        raise ForeignUrl()


def _signed(ticket: str, url: str) -> Signature:
    # The platform compares with its own time, so this is the machine's clock even where the product's is turned.
    nonce, timestamp = secrets.token_hex(8), int(time.time())
    return Signature(timestamp, nonce, sign(ticket, nonce, timestamp, url))


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ("", "", None)
    if parts.username is not None or parts.password is not None or parts.scheme not in ("http", "https"):
        return ("", "", None)
    default = 443 if parts.scheme == "https" else 80
    return (parts.scheme, (parts.hostname or "").casefold(), port or default)
