"""The texts members agree to, and a request of his that is not answered yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crm.privacy.loading import load_texts
from crm.privacy.services import ask_himself

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    load_texts(now=it.now)


def _asked(it: ExampleWorld) -> None:
    ask_himself(it.member, kind="copy", actor=it.actor, now=it.now)


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {
    "member_data_requests": _asked, "member_data_request_withdraw": _asked,
}  # fmt: skip
