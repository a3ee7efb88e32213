"""Fittings for tests, each brought where it is by the services."""

from datetime import datetime, timedelta
from typing import Any

from crm.members.models import Member
from crm.tailoring import services
from crm.tailoring.models import Fitting
from crm.tailoring.rules import rules
from crm.tailoring.services import GarmentOrder, Taken
from guides.org.actors import actor_for
from guides.org.models import Store
from tests.factories.portal import as_member
from yejibao.core import clock
from yejibao.core.clock import parse_iso

TYPED = {
    "height": "176", "neck": "40", "shoulder": "46.5", "chest": "98", "waist": "86", "belly": "90", "hip": "99", "sleeve": "60.5",
    "arm": "33", "wrist": "17.5", "back_length": "74", "trouser_waist": "88", "trouser_length": "104", "thigh": "60", "hem": "18.5",
}  # fmt: skip
SUIT = GarmentOrder(
    garment="suit", fabric="藏青斜纹 120 支", styles=("平驳领", "双开衩"), works=("绣名字",), price_fen=580000, deposit_fen=100000,
    deposit_slip="261121-000007",
)  # fmt: skip
STATES = ("booked", "measured", "confirmed", "making", "ready", "collected")


def taken(garment: str = "suit", **changed: str) -> Taken:
    """Return what is typed for a garment, with some of it otherwise."""
    return Taken({key: TYPED[key] for key in rules().garments[garment].needs} | changed)


def make_fitting(
    member: Member, *, state: str = "booked", starts_at: datetime | str = "2026-11-24 14:00", store: Store | None = None, **facts: Any
) -> Fitting:  # fmt: skip
    """Return a member's fitting in a state, booked by himself at the moment the clock shows; other columns by name."""
    now = clock.now()
    moment = parse_iso(starts_at) if isinstance(starts_at, str) else starts_at
    place = store or member.main_store
    assert place is not None
    held = services.book_fitting(member, store=place, starts_at=moment, actor=as_member(member), now=now)
    wanted = STATES.index(state)
    guide = actor_for(member.owner_guide) if member.owner_guide else None
    steps = [
        lambda: services.measure_member(held, taken(), SUIT, actor=guide, now=now, is_sure=True),
        lambda: services.confirm_by_member(held, seen=_seen(held), actor=as_member(member), now=now),
        lambda: services.start_making(
            held, promised_on=clock.local_day(now) + timedelta(days=25), actor=guide, now=now
        ),
        lambda: services.mark_ready(held, actor=guide, now=now),
        lambda: services.hand_over(held, actor=guide, now=now),
    ]
    for step in steps[:wanted]:
        step()
    if facts:
        Fitting.objects.filter(pk=held.pk).update(**facts)
    return Fitting.objects.get(pk=held.pk)


def _seen(held: Fitting) -> str:
    return services.mark_of(Fitting.objects.get(pk=held.pk))
