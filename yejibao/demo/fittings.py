"""Made to measure in the demo: one who comes today, one who waits to confirm, one in the making and late, one ready, one who has it.

Every step goes through the product's own services, each at its own moment.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from crm.members.models import Member
from crm.tailoring import queries, services
from crm.tailoring.models import Fitting
from crm.tailoring.rules import rules
from crm.tailoring.services import GarmentOrder, Taken
from guides.notices.models import Notification
from guides.org.actors import actor_for
from yejibao.core import clock
from yejibao.core.models import OutboxMessage
from yejibao.core.scope import Actor

TYPED = {
    "height": "174", "neck": "40.5", "shoulder": "46", "chest": "101", "waist": "91", "belly": "95", "hip": "102", "sleeve": "59.5",
    "arm": "34", "wrist": "18", "back_length": "73", "trouser_waist": "92", "trouser_length": "102", "thigh": "61", "hem": "19",
}  # fmt: skip
# garment, fabric, styles, works, yuan, how many days ago he came, how far it got
STORIES: Sequence[tuple[str, str, tuple[str, ...], tuple[str, ...], int, int, str]] = (
    ("", "", (), (), 0, 0, "booked"),
    ("", "", (), (), 0, -2, "booked"),
    ("shirt", "白色牛津纺 80 支", ("标准领", "法式袖"), ("绣名字",), 880, 1, "measured"),
    ("suit", "藏青斜纹 120 支", ("单排两扣", "平驳领", "双开衩"), ("真袖衩", "手工锁眼"), 5800, 12, "late"),
    ("coat", "驼色羊绒呢", ("双排六扣", "戗驳领"), ("加内袋",), 6800, 30, "ready"),
    ("trousers", "深灰法兰绒", ("单褶", "卷边"), (), 1280, 40, "collected"),
)


def build(*, now: datetime) -> None:
    """Let some members of the guides on show be measured, once."""
    if Fitting.objects.exists():
        return
    members = _members()
    for member, story in zip(members, STORIES, strict=False):
        _play(member, *story, now=now)
    # What happened then was told then.
    OutboxMessage.objects.filter(
        kind="notice", subject__contains=":fitting:", due_at__lt=now - timedelta(hours=2)
    ).delete()
    Notification.objects.filter(key__startswith="fitting:", at__lt=now - timedelta(days=1)).update(
        read_at=now, message=None
    )


def _members() -> list[Member]:
    """Return dear customers of the guides, one on show first."""
    active = Member.objects.filter(
        status=Member.Status.ACTIVE, owner_guide__state="active", owner_guide__store__isnull=False
    )
    return list(
        active.select_related("owner_guide__store").order_by("owner_guide_id", "-spend_365_fen", "pk")[: len(STORIES)]
    )


def _play(
    member: Member, garment: str, fabric: str, styles: tuple[str, ...], works: tuple[str, ...], yuan: int, days: int, until: str, *, now: datetime
) -> None:  # fmt: skip
    guide = member.owner_guide
    if guide is None or guide.store is None:
        return
    he, she = Actor(kind="member", member_id=member.pk, name=member.name), actor_for(guide)
    came = clock.local_moment(clock.local_day(now) - timedelta(days=days), time(15))
    booked = min(now, came) - timedelta(days=2)
    with clock.travelled(booked):
        slots = [
            slot
            for day in queries.bookable(guide.store, now=booked, for_member=True)
            for slot in day.slots
            if slot.is_free
        ]
        slot = min(slots, key=lambda one: abs(one.starts_at - came), default=None)
        if slot is None:
            return
        held = services.book_fitting(
            member, store=guide.store, starts_at=slot.starts_at, wish="想做一套正式场合穿的", actor=he, now=booked
        )
    if until == "booked":
        return
    at = slot.starts_at + timedelta(minutes=25)
    taken = Taken({key: TYPED[key] for key in rules().garments[garment].needs}, "左肩略低")
    order = GarmentOrder(
        garment, fabric, styles, works, price_fen=yuan * 100, deposit_fen=yuan * 30, deposit_slip="到店刷卡"
    )
    with clock.travelled(at):
        held = services.measure_member(held, taken, order, actor=she, now=at, is_sure=True)
    if until == "measured":
        return
    soon = at + timedelta(minutes=20)
    with clock.travelled(soon):
        held = services.confirm_by_member(held, seen=services.mark_of(held), actor=he, now=soon)
        first = services.default_promise(held, now=soon)
        held = services.start_making(held, promised_on=first, actor=she, now=soon)
    if until == "late":
        later = min(now, soon + timedelta(days=8))
        with clock.travelled(later):
            services.delay_making(
                held, promised_on=first + timedelta(days=4), reason="里布缺货，补到就开工", actor=she, now=later
            )
        return
    done = min(now, soon + timedelta(days=26))
    with clock.travelled(done):
        held = services.mark_ready(held, actor=she, now=done)
    if until == "collected":
        fetched = min(now, done + timedelta(days=3))
        with clock.travelled(fetched):
            services.hand_over(held, actor=she, now=fetched)
