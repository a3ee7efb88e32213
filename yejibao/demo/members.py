"""What stands on a member's card besides what he bought: what he agreed to, an ID number or address of some, what some asked."""

from datetime import datetime, timedelta

from crm.members.models import Member
from crm.members.services import ask_new_owner
from crm.privacy.models import ConsentKind, ConsentRecord, ConsentText, MemberParticulars, MemberRequest
from crm.privacy.services import record_request
from guides.org.actors import actor_for
from guides.org.models import Staff
from yejibao.core.personal import columns, normal_id_number
from yejibao.core.scope import Actor

WITH_CARD, WITH_ADDRESS = 30, 45  # members with a prepaid card's register, with an address for deliveries
STREETS = ("中山路 18 号", "人民路 206 号", "湖滨花园 7 栋", "建设大道 99 号")


def fill_cards(now: datetime) -> None:
    """Write consents of every second member, particulars of some, three requests and a change of guide that waits."""
    members = list(Member.objects.defer("phone", "birth_year").order_by("pk"))
    texts = {one.kind: one for one in ConsentText.objects.order_by("version")}
    ConsentRecord.objects.bulk_create(
        (
            ConsentRecord(
                member=member, kind=kind, text=texts.get(kind), is_given=not member.marketing_opt_out or kind == ConsentKind.PRIVACY,
                channel=ConsentRecord.Channel.STORE if member.pk % 3 else ConsentRecord.Channel.MINI_PROGRAM,
                at=member.registered_at or now,
            )
            for member in members[::2]
            for kind in (ConsentKind.PRIVACY, ConsentKind.MARKETING)
        ),
        batch_size=2000,
    )  # fmt: skip
    MemberParticulars.objects.bulk_create(
        MemberParticulars(
            member=member, changed_at=now, address=STREETS[place % len(STREETS)] if place < WITH_ADDRESS else "",
            **columns(MemberParticulars, "id_number", _id_number(place) if place % 3 == 0 else ""),
        )
        for place, member in enumerate(members[: WITH_CARD + WITH_ADDRESS])
    )  # fmt: skip
    for member, kind in zip(members[3:30:9], MemberRequest.Kind.values, strict=False):
        record_request(member, kind=kind, channel="phone", actor=Actor.system(), now=now - timedelta(days=2))
    _ask_for_another_guide(now)


def _id_number(place: int) -> str:
    """Return a number of nobody, of a district that does not exist, with the check character it would have."""
    head = f"9999001970010{place % 9 + 1}{place:03}"
    return next(found for mark in "0123456789X" if (found := normal_id_number(head + mark)))


def _ask_for_another_guide(now: datetime) -> None:
    manager = Staff.objects.filter(role_assignments__role="store_manager").order_by("pk").first()
    if manager is None or manager.store is None:
        return
    others = Staff.objects.filter(
        role_assignments__role="guide", store__unit__parent__parent=manager.store.unit.parent.parent
    )
    to = others.exclude(store=manager.store).select_related("store").order_by("pk").first()
    member = Member.objects.filter(main_store=manager.store).order_by("pk").first()
    if to and member:
        ask_new_owner(member, to=to, actor=actor_for(manager), reason="会员搬家了，常去那家店", now=now)
