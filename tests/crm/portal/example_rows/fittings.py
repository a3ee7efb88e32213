"""He has an appointment on Tuesday; a shirt he was measured for yesterday waits for his word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from crm.portal.fitting_api import A_LINE, BOOKED, MEASURED, STORE
from crm.tailoring import services
from crm.tailoring.models import Fitting, MemberMeasure
from guides.org.models import Store
from yejibao.core.clock import parse_iso

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    Store.objects.filter(pk=it.org.store.pk).update(code=STORE, address_short="中山路 1 号")
    it.org.store.refresh_from_db()
    yesterday = it.now - timedelta(days=1)
    measure = MemberMeasure.objects.create(
        member=it.member, store=it.org.store, by=it.org.guide, taken_at=yesterday, values={A_LINE["key"]: 965}
    )
    Fitting.objects.create(
        public_id=MEASURED, member=it.member, store=it.org.store, guide=it.org.guide, channel="member", state="measured",
        starts_at=yesterday, ends_at=yesterday + timedelta(hours=1), booked_at=yesterday, measure=measure, garment="shirt",
        fabric="藏青斜纹", price_fen=98000,
    )  # fmt: skip
    held = services.book_fitting(
        it.member,
        store=it.org.store,
        starts_at=parse_iso("2026-11-24 14:00"),
        wish="一套婚礼穿的西服",
        actor=it.actor,
        now=it.now,
    )
    Fitting.objects.filter(pk=held.pk).update(public_id=BOOKED)


def _free(it: ExampleWorld) -> None:
    """Call the appointment off: he has one at a time."""
    services.cancel_fitting(Fitting.objects.get(public_id=BOOKED), actor=it.actor, now=it.now)


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {"member_fitting_book": _free}
