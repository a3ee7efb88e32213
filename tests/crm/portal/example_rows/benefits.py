"""Points, a level that rose, coupons he has, may claim and may exchange points for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from crm.benefits.models import LevelChange
from crm.portal.card_api import CLAIM, EXCHANGE
from tests.factories.benefits import give_points, make_batch, make_coupon, make_template

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    give_points(it.member, 8420)
    LevelChange.objects.create(
        member=it.member, from_level="V3", to_level="V4", reason="upgrade", spend_180_fen=646000, at=it.now
    )
    make_coupon(it.member, make_batch(make_template("大衣满减券")))
    make_batch(make_template("双十一券"), public_id=CLAIM, ways=["claim"])
    make_batch(make_template("积分换券"), public_id=EXCHANGE, ways=["points"], points_price=500)


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {}
