"""What forms of the room say, as the services take it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.http import QueryDict

from yejibao.core import clock, desk
from yejibao.core.errors import Invalid
from yejibao.core.money import fen_of

from .rules import rules
from .services import GarmentOrder, Taken


def read_slot(text: str) -> datetime:
    """Return the moment a chosen slot begins. Raises Invalid."""
    try:
        return clock.parse_iso(text[:40])
    except ValueError:
        raise Invalid(errors=[{"field": "slot", "code": "required", "message": "选一个时间"}]) from None


def read_day(text: str | None, *, name: str = "promised_on") -> date:
    """Return the day of a date field. Raises Invalid."""
    if (day := desk.day(text)) is None:
        raise Invalid(errors=[{"field": name, "code": "required", "message": "选一天"}])
    return day


def _fen(text: str) -> int:
    """Return the fen of a field in yuan, 0 for none; −1 for what is no amount, which no rule lets pass."""
    plain = text.strip().replace("，", "").removeprefix("¥")
    try:
        return fen_of(plain) if plain else 0
    except ValueError:
        return -1


def read_taken(given: QueryDict | Mapping[str, Any]) -> Taken:
    typed = {key: str(given.get(f"m-{key}", ""))[:12] for key in rules().measures}
    return Taken({key: text for key, text in typed.items() if text.strip()}, str(given.get("measure_note", "")))


def read_order(given: QueryDict) -> GarmentOrder:
    quantity = given.get("quantity", "1").strip()
    return GarmentOrder(
        garment=given.get("garment", "")[:16], fabric=given.get("fabric", "")[:80], styles=given.getlist("styles")[:9],
        works=given.getlist("works")[:9], quantity=int(quantity) if quantity.isascii() and quantity.isdecimal() and len(quantity) < 3 else 0,
        price_fen=_fen(given.get("price", "")), deposit_fen=_fen(given.get("deposit", "")),
        deposit_slip=given.get("deposit_slip", "")[:80], note=given.get("note", ""),
    )  # fmt: skip
