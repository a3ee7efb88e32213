"""A member from somewhere else than the till: his guide opens the card, or he himself."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from guides.org.models import Staff
from yejibao.core import audit
from yejibao.core.errors import Conflict, Invalid
from yejibao.core.personal import columns
from yejibao.core.scope import Actor

from .identities import note_identities

NAME_UP_TO = 32


class CardClosed(Conflict):
    code, title = "member.card_closed", _("这位的会员卡已经注销或合并了，找店长看一下")


@transaction.atomic
def register_member(
    *,
    member_no: str,
    name: str,
    phone: str,
    gender: str,
    owner: Staff,
    channel: str,
    actor: Actor,
    now: datetime,
    salutation: str = "",
) -> Member:
    """Return the member of this number, opened now for `owner` if there is none. Twice is like once.

    `phone` is in its normal form, or empty; that nobody else has it is the caller's to see to; `salutation`
    empty is 姓 + 先生 / 女士. Raises Invalid or CardClosed.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= NAME_UP_TO:
        raise Invalid(_("写一下怎么称呼他"), errors=[{"field": "name", "code": "required", "message": "写一下名字"}])
    held = Member.objects.filter(member_no=member_no).first()
    if held is None:
        try:
            with transaction.atomic():  # the number is unique: of two taps at once one opens the card
                held = Member.objects.create(
                    member_no=member_no,
                    name=name,
                    salutation=salutation,
                    gender=gender if gender in ("m", "f", "u") else "u",
                    **columns(Member, "phone", phone),
                    owner_guide=owner,
                    main_store=owner.store,
                    join_channel=channel,
                    registered_at=now,
                )
        except IntegrityError:
            held = Member.objects.get(member_no=member_no)
        else:
            note_identities([held.pk], now=now, source="guide")
            audit.record(actor, "member.registered", held, after={"owner_guide": owner.pk, "channel": channel})
    if held.status != Member.Status.ACTIVE:
        raise CardClosed()
    return held


@transaction.atomic
def register_visitor(*, member_no: str, name: str, phone: str, channel: str, now: datetime) -> Member:
    """Return the member of this number, opened now by himself if there is none. Twice is like once.

    He has no guide yet: the first who adds him as a friend, or sells to him, becomes his. `phone` is in its normal form.
    Raises CardClosed.
    """
    name = " ".join(name.split())[:NAME_UP_TO] or str(_("新会员"))
    facts = {"name": name, "gender": "u", "join_channel": channel, "registered_at": now}
    facts |= columns(Member, "phone", phone) | ({} if name != _("新会员") else {"salutation": str(_("贵宾"))})
    held, is_new = Member.objects.get_or_create(member_no=member_no, defaults=facts)
    if held.status != Member.Status.ACTIVE:
        raise CardClosed()
    if is_new:
        note_identities([held.pk], now=now, source=channel)
        audit.record(
            Actor(kind="member", member_id=held.pk, name="会员"), "member.registered", held, after={"channel": channel}
        )
    return held
