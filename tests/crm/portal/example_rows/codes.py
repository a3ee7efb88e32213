"""The code of his guide, ready to be scanned, and what it gives a newcomer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crm.friends.models import ContactWay
from crm.portal.guide_api import TOKEN
from tests.factories.benefits import make_batch, make_template

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    ContactWay.objects.create(
        kind="guide", name="晓雯", guide=it.org.guide, token=TOKEN, state="ready", created_at=it.now, picture=b"\x89PNG", qr_url="x"
    )  # fmt: skip
    make_batch(make_template("新好友礼"), ways=["welcome"])


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {}
