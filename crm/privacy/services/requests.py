"""A member asks for a copy, a correction or to be forgotten: recorded, identity checked, answered within 15 days."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.aftersale.models import Ticket
from crm.events import MemberChanged
from crm.members.models import Member, MemberIdentity
from crm.members.services import lock_members, move_phones
from crm.privacy.models import ConsentRecord, MemberRequest
from crm.wallet.queries import balance_of
from guides.notices.services import Notice, tell
from guides.org.models import Staff
from yejibao.core import audit, limits, outbox
from yejibao.core.clock import local_day
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound
from yejibao.core.personal import blind_indexes, columns, mask_name, mask_phone, normal_phone
from yejibao.core.scope import Actor

from .revealing import count_look

ANSWERED_WITHIN = timedelta(days=15)  # reliability-security §10
CARDS_SHOWN = 20  # of one phone
COPIED_AGAIN_WITHIN = timedelta(hours=24)
# What a member may have corrected, by itself; a birthday comes as a whole.
CORRECTED = ("name", "salutation", "gender", "phone", "birth_month", "birth_day", "birth_year", "birthday_calendar")
CORRECTED_NAMES = {
    "name": _("姓名"), "salutation": _("称呼"), "gender": _("性别"), "phone": _("手机号"), "birth_month": _("生日"),
    "birth_day": _("生日"), "birth_year": _("生日"), "birthday_calendar": _("生日"),
}  # fmt: skip
State, Kind = MemberRequest.State, MemberRequest.Kind


class AlreadyAsked(Conflict):
    code, title = "member_request.open", _("已经提过同样的要求，还没办完")


class NotChecked(Conflict):
    code, title = "member_request.not_checked", _("先核实是不是本人")


class NeedsAnother(Forbidden):
    code, title = "perm.member_request.second_person", _("删除要换一位同事来定，登记和核实的人不能自己定")


class TicketsOpen(Conflict):
    code, title = "member_request.tickets_open", _("他还有没办完的售后，办完再删")


class MoneyLeft(Conflict):
    code, title = "member_request.money_left", _("他的储值卡里还有钱，先退卡再删")


class CopyIsOver(Conflict):
    code, title = "member_request.copy_is_over", _("再下载只在办结后一天里，由办结的人来；他还要一份就另登记一件")


class PhoneTaken(Conflict):
    code, title = "member.phone_taken", _("这个手机号已经是另一位会员的，先合并再改")


def found_members(public_ids: Collection[str], *, actor: Actor) -> list[Member]:
    """Return the cards of an earlier find, by what stands in its form. Raises Forbidden; NotFound unless all are there."""
    _may(actor)
    try:
        keys = {UUID(one) for one in public_ids}
    except ValueError:
        raise NotFound() from None
    living = Member.objects.filter(public_id__in=keys, status=Member.Status.ACTIVE).select_related("main_store")
    found = list(living.order_by("pk")[:CARDS_SHOWN])
    if len(found) != len(keys):
        raise NotFound()
    return found


def find_members(words: str, *, actor: Actor) -> list[Member]:
    """Return the cards of a whole card number or phone, whoever's they are: who calls has no ticket and no guide there.

    Of one phone these may be several: what he asks is about all he has, so he is asked about each.

    Raises Forbidden; TooMany beyond 60 a minute.
    """
    if not actor.has_role(*MemberRequest.HANDLED_BY):
        raise Forbidden(permission="member.request")
    limits.hit("search", str(actor.staff_id))
    words = words.strip()
    phone = normal_phone(words)
    condition = Q(member_no=words) if not phone else Q(phone_index__in=blind_indexes(phone, purpose="phone"))
    living = Member.objects.filter(status=Member.Status.ACTIVE).select_related("main_store")
    return list(living.filter(condition).order_by("pk")[:CARDS_SHOWN]) if words else []


@transaction.atomic
def record_request(
    member: Member, *, kind: str, channel: str, actor: Actor, now: datetime, wish: str = ""
) -> MemberRequest:
    """Note what a member asks; due in 15 days. Raises AlreadyAsked while the same is open."""
    if kind not in Kind.values or channel not in ConsentRecord.Channel.values:
        raise Invalid(_("选一下他要什么、从哪里提的"))
    if not actor.is_system and actor.member_id != member.pk:
        _may(actor)
    try:
        with transaction.atomic():
            request = MemberRequest.objects.create(
                member=member, kind=kind, channel=channel, wish=wish.strip()[:500], asked_at=now,
                due_on=local_day(now) + ANSWERED_WITHIN, asked_by_id=actor.staff_id,
            )  # fmt: skip
    except IntegrityError:
        raise AlreadyAsked() from None
    audit.record(actor, "member_request.recorded", request, after={"kind": kind, "member": member.pk})
    return request


@transaction.atomic
def ask_himself(member: Member, *, kind: str, actor: Actor, now: datetime, wish: str = "") -> MemberRequest:
    """Note what a member asks on his own phone: being signed in there he has proved who he is. Raises AlreadyAsked."""
    if actor.member_id != member.pk:
        raise NotFound()
    channel = ConsentRecord.Channel.MINI_PROGRAM
    if kind == Kind.CORRECT and not wish.strip():
        raise Invalid(errors=[{"field": "wish", "code": "required", "message": "写一下哪里不对、应该是什么"}])
    request = record_request(member, kind=kind, channel=channel, actor=actor, now=now, wish=wish)
    proof = MemberRequest.Proof.SIGNED_IN
    request.move_to(State.CHECKED, proof=proof, checked_at=now)
    audit.record(actor, "member_request.identity_checked", request, after={"proof": proof})
    return request


@transaction.atomic
def record_requests(
    members: Collection[Member], *, kind: str, channel: str, actor: Actor, now: datetime, wish: str = ""
) -> list[MemberRequest]:
    """Note the same of several cards of one person, all or none. Raises AlreadyAsked, naming the card."""
    made = []
    for member in members:
        try:
            made.append(record_request(member, kind=kind, channel=channel, actor=actor, now=now, wish=wish))
        except AlreadyAsked:
            if len(members) == 1:
                raise
            said = _("卡号尾 %(card)s 提过同样的要求，还没办完：去掉这张再登记") % {"card": member.member_no[-4:]}
            raise AlreadyAsked(said) from None
    return made


@transaction.atomic
def confirm_identity(request: MemberRequest, *, proof: str, actor: Actor, now: datetime) -> MemberRequest:
    """Note how it was made sure that it is he who asks; for a copy by another person than who recorded it."""
    if proof not in MemberRequest.Proof.values:
        raise Invalid(_("选一下怎么核实的"))
    _may(actor)
    if not may_check(request, actor):
        raise NeedsAnother(_("给一份是他的全部信息，登记和核实要两个人"))
    request.move_to(State.CHECKED, proof=proof, checked_at=now, checked_by_id=actor.staff_id)
    audit.record(actor, "member_request.identity_checked", request, after={"proof": proof})
    return request


@transaction.atomic
def refuse_request(request: MemberRequest, *, reason: str, actor: Actor, now: datetime) -> MemberRequest:
    """Say no, with a reason that he is told; his words are not kept longer."""
    _may(actor)
    if len(reason.strip()) < 5:
        raise Invalid(_("写明为什么不能办，要告诉会员"))
    request.move_to(
        State.REFUSED, answer=reason.strip()[:200], done_at=now, decided_at=now, decided_by_id=actor.staff_id
    )
    _over(request, "member_request.refused", actor, reason=reason)
    return request


@transaction.atomic
def withdraw_request(request: MemberRequest, *, actor: Actor, now: datetime) -> MemberRequest:
    """He thought better of it; a deletion can be taken back until the night it happens."""
    if not actor.is_system and actor.member_id != request.member_id:
        _may(actor)
    request.move_to(State.WITHDRAWN, done_at=now)
    _over(request, "member_request.withdrawn", actor)
    return request


@transaction.atomic
def approve_deletion(request: MemberRequest, *, actor: Actor, now: datetime) -> MemberRequest:
    """Let the night's run forget him. By somebody who neither recorded nor checked it: it cannot be undone.

    Raises NotChecked, NeedsAnother, TicketsOpen, MoneyLeft.
    """
    _may(actor)
    if request.kind != Kind.DELETE or request.state != State.CHECKED:
        raise NotChecked()
    if actor.staff_id in (request.asked_by_id, request.checked_by_id):
        raise NeedsAnother()
    if Ticket.objects.unfinished().filter(_cards_of(request.member_id)).exists():
        raise TicketsOpen()
    if balance_of(request.member_id).total_fen:
        raise MoneyLeft()
    request.move_to(State.APPROVED, decided_at=now, decided_by_id=actor.staff_id)
    audit.record(actor, "member_request.deletion_approved", request, after={"member": request.member_id})
    return request


@transaction.atomic
def correct_member(request: MemberRequest, values: Mapping[str, Any], *, actor: Actor, now: datetime) -> Member:
    """Write what he had corrected, close the request and tell his guide. A phone takes another person than who recorded it.

    Raises Invalid, NotChecked, NeedsAnother, PhoneTaken.
    """
    _may(actor)
    if request.kind != Kind.CORRECT or request.state != State.CHECKED:
        raise NotChecked()
    wanted = {name: values[name] for name in CORRECTED if name in values}
    if not wanted or (extra := values.keys() - set(CORRECTED)):
        raise Invalid(_("写明要改成什么") if not wanted else _("这些不在这里改：%s") % sorted(extra))
    if "phone" in wanted and not actor.is_system and actor.staff_id == (request.asked_by_id or request.checked_by_id):
        raise NeedsAnother(_("改手机号要换一位同事，登记的人不能自己改"))
    lock_members([request.member_id])
    member = Member.objects.get(pk=request.member_id)
    before = _trace(member, wanted)
    if "name" in wanted and not str(wanted["name"]).strip():
        raise Invalid(_("名字不能空"), errors=[{"field": "name", "code": "required", "message": "写一下名字"}])
    if "phone" in wanted:
        wanted |= _new_phone(member, str(wanted.pop("phone")))
    Member.objects.filter(pk=member.pk).update(**wanted)
    if "phone" in wanted:
        move_phones({member.pk: member.phone_index}, now=now, source="hq")
    request.move_to(State.DONE, done_at=now, decided_at=now, decided_by_id=actor.staff_id, answer="已按本人说的改好")
    _over(request, "member_request.corrected", actor, fields=sorted(wanted.keys() & set(CORRECTED)))
    corrected = Member.objects.get(pk=member.pk)
    audit.record(actor, "member.corrected", member, before=before, after=_trace(corrected, before))
    outbox.publish(MemberChanged(member.pk, "corrected"))
    _tell_guide(corrected, before, now=now)
    return corrected


def _trace(member: Member, names: Collection[str]) -> dict[str, Any]:
    """Return what the trail keeps of these fields: masked, enough to see that they changed and into what kind of thing."""
    shown = {
        "name": mask_name(member.name),
        "phone": mask_phone(member.phone),
        "birth_month": "*",
        "birth_day": "*",
        "birth_year": "*",
    }
    return {name: shown.get(name, getattr(member, name)) for name in CORRECTED if name in names}


def _tell_guide(member: Member, changed: Collection[str], *, now: datetime) -> None:
    names = dict.fromkeys(CORRECTED_NAMES[name] for name in changed)
    notice = Notice(
        "member", f"corrected:{member.pk}:{local_day(now)}", f"{mask_name(member.name)}的资料改了",
        f"/g/members/{member.public_id}/", f"总部照他本人说的改了：{'、'.join(map(str, names))}",
    )  # fmt: skip
    tell(Staff.objects.filter(pk=member.owner_guide_id), notice, now=now)


def _new_phone(member: Member, typed: str) -> dict[str, str]:
    phone = normal_phone(typed) if typed.strip() else ""
    if typed.strip() and not phone:
        raise Invalid(_("手机号不对"), errors=[{"field": "phone", "code": "invalid", "message": "手机号不对"}])
    fresh = columns(Member, "phone", phone)
    found = blind_indexes(phone, purpose="phone")
    others = MemberIdentity.objects.filter(kind=MemberIdentity.Kind.PHONE, value__in=found).exclude(member=member)
    same = Member.objects.filter(phone_index__in=found, status=Member.Status.ACTIVE).exclude(pk=member.pk)
    if phone and (others.exists() or same.exists()):
        raise PhoneTaken()
    return fresh


@transaction.atomic
def hand_over_copy(request: MemberRequest, *, actor: Actor, now: datetime) -> MemberRequest:
    """Close a request for a copy as its file is handed out; each file that leaves is on record and counts as a look.

    Raises NotChecked, CopyIsOver, TooMany, RevealsUsedUp.
    """
    _may(actor)
    if request.kind != Kind.COPY or request.state not in (State.CHECKED, State.DONE):
        raise NotChecked()
    if request.state == State.DONE and not may_copy_again(request, actor, now=now):
        raise CopyIsOver()
    count_look(actor, now=now)
    if request.state == State.CHECKED:
        request.move_to(State.DONE, done_at=now, decided_at=now, decided_by_id=actor.staff_id, answer="已交给本人一份")
        _over(request, "member_request.copied", actor)
    audit.record(
        actor, "member.copy_taken", "crm.Member", resource_id=str(request.member_id), reason=f"会员要求 {request.pk}"
    )
    return request


@transaction.atomic
def take_own_copy(member: Member, *, actor: Actor, now: datetime) -> MemberRequest:
    """He takes his copy himself: recorded and closed in one, or the request of his that waits is closed by it.

    That it is he at the phone at this moment is the caller's to make sure of: what leaves is all there is of him. Raises
    NotFound, TooMany beyond five a day.
    """
    if actor.member_id != member.pk:
        raise NotFound()
    limits.hit("export", actor.key)
    lock_members([member.pk])
    waiting = MemberRequest.objects.filter(member=member, kind=Kind.COPY).unfinished().first()
    request = waiting or ask_himself(member, kind=Kind.COPY, actor=actor, now=now)
    if request.state == State.ASKED:
        request.move_to(State.CHECKED, proof=MemberRequest.Proof.SIGNED_IN, checked_at=now)
    request.move_to(State.DONE, done_at=now, decided_at=now, answer="本人在小程序里取走一份")
    _over(request, "member_request.copied", actor)
    reason = f"会员要求 {request.pk}"
    audit.record(actor, "member.copy_taken", "crm.Member", resource_id=str(member.pk), reason=reason)
    return request


def _cards_of(member_id: int) -> Q:
    """Return the condition for what is of a card, or of one that was merged into it."""
    return Q(member_id=member_id) | Q(member__merged_into_id=member_id)


def may_check(request: MemberRequest, actor: Actor) -> bool:
    """Tell whether the actor may confirm the identity: a copy holds everything, so two people stand behind it."""
    return request.kind != Kind.COPY or actor.staff_id is None or actor.staff_id != request.asked_by_id


def may_copy_again(request: MemberRequest, actor: Actor, *, now: datetime) -> bool:
    """Tell whether the actor may download a finished copy once more: who closed it, within a day (the download failed)."""
    is_fresh = request.done_at is not None and now - request.done_at <= COPIED_AGAIN_WITHIN
    return request.state == State.DONE and is_fresh and actor.staff_id == request.decided_by_id


def _over(
    request: MemberRequest, action: str, actor: Actor, *, reason: str = "", fields: list[str] | None = None
) -> None:
    MemberRequest.objects.filter(pk=request.pk).update(wish="")
    request.wish = ""
    audit.record(actor, action, request, after={"member": request.member_id, "fields": fields or []}, reason=reason)


def _may(actor: Actor) -> None:
    if not actor.has_role(*MemberRequest.HANDLED_BY):
        raise Forbidden(permission="member.request")


def read_request(pk: int, *, actor: Actor) -> MemberRequest:
    """Return a request the actor may work on. Raises NotFound."""
    people = ("member__main_store", "asked_by", "checked_by", "decided_by")
    found = MemberRequest.objects.visible_to(actor).select_related(*people).filter(pk=pk).first()
    if found is None:
        raise NotFound()
    return found
