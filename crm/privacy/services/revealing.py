"""A number in full: by a tap with a reason, and every tap is on record and counted."""

from collections.abc import Callable
from datetime import date, datetime

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.aftersale.models import Ticket
from crm.members.models import Member
from crm.privacy.models import MemberParticulars, MemberRequest
from guides.notices.services import Notice, tell
from guides.org import matrix
from guides.org.models import RoleAssignment, Staff
from yejibao.core import audit, limits, words
from yejibao.core.clock import local_day
from yejibao.core.errors import Forbidden, Invalid, NotFound, TooMany
from yejibao.core.scope import Actor

_SHARE = limits.CLASSES["reveal"]
PER_MINUTE, ALARM_PER_DAY, STOP_PER_DAY = _SHARE.per_minute, _SHARE.alarm_at, _SHARE.per_day
# Who may see a number at all; some only of members with an unfinished ticket (access_matrix.yaml).
MAY = matrix.holders("member.reveal")
BY_TICKET = matrix.leaders("member.reveal", "ticket")
TOLD_AT_HQ = ("hq_crm", "sys_admin")
REASONS = {  # what pages offer; other words are fine
    "phone": ("电话回访", "约到店", "改衣、取衣通知", "售后处理", "核对会员资料"),
    "id_number": ("办卡核对本人", "退卡核对本人", "核对会员资料"),
    "address": ("寄送商品", "上门取件", "核对会员资料"),
    "birth_year": ("核对本人", "核对会员资料"),
}
_READ: dict[str, Callable[[Member], str]] = {
    "phone": lambda member: member.phone,
    "birth_year": lambda member: member.birth_year,
    "id_number": lambda member: _particulars(member).id_number,
    "address": lambda member: _particulars(member).address,
}


class NoPhone(NotFound):
    code, title = "member.no_phone", _("这位会员没有留这一项")


class NoTicket(Forbidden):
    code, title = "perm.member.reveal", _("这位会员没有在办的售后，不能看号码")


class RecordedHimself(Forbidden):
    code, title = "perm.member.reveal", _("这件是你登记的，看号码换一位同事")


class RevealsUsedUp(TooMany):
    code, title = "member.reveals_used_up", _("今天看号码的次数用完了")


def reveal_phone(member: Member, *, actor: Actor, reason: str, now: datetime) -> str:
    """Return a member's full phone number; see `reveal`."""
    return reveal(member, "phone", actor=actor, reason=reason, now=now)


def reveal(member: Member, what: str, *, actor: Actor, reason: str, now: datetime) -> str:
    """Return one particular of a member in full (phone, birth_year, id_number, address), counted and on record.

    Raises NotFound, Forbidden, NoTicket, Invalid, NoPhone, TooMany (10 a minute), RevealsUsedUp (100 a day).
    """
    if not actor.may("member.view_card") or not actor.has_role(*MAY):
        raise Forbidden(permission="member.reveal")
    # Who answers a member's request about his own data calls him back, ticket or not; recording one opens no number by itself.
    recorders = _recorders(member) if actor.has_role(*MemberRequest.HANDLED_BY) else set()
    is_asked, is_his_own = bool(recorders - {actor.staff_id}), actor.staff_id in recorders
    if not is_asked and not Member.objects.visible_to(actor).filter(pk=member.pk).exists():
        raise RecordedHimself() if is_his_own else NotFound()
    if not reason.strip():
        raise Invalid(_("请写明为什么要看号码"))
    if needs_ticket(actor) and not is_asked and not Ticket.objects.unfinished().filter(member_id=member.pk).exists():
        raise RecordedHimself() if is_his_own else NoTicket()
    held = Member.objects.only("phone", "birth_year").get(pk=member.pk)
    text = _READ[what](held)
    if not text:
        raise NoPhone()
    note_look(held, what, actor=actor, reason=reason, now=now)
    return text


@transaction.atomic
def note_look(member: Member, what: str, *, actor: Actor, reason: str, now: datetime, **facts: str | int) -> None:
    """Count a look at something of a member's in full and write it down, before it is shown; who may look has been asked.

    For rooms that keep something of him beside his card: what they show stands in the same lists and under the same ceilings.
    Raises Invalid without a reason, TooMany (10 a minute), RevealsUsedUp (100 a day).
    """
    if not reason.strip():
        raise Invalid(_("请写明为什么要看号码"))
    count_look(actor, now=now)
    action = "member.phone_revealed" if what == "phone" else "member.revealed"
    told = facts if what == "phone" else {"field": what, **facts}
    audit.record(actor, action, member, after=told or None, reason=reason)


def needs_ticket(actor: Actor) -> bool:
    """Tell whether the actor's roles open numbers only of members with an unfinished ticket."""
    return not actor.has_role(*(role for role in MAY if role not in BY_TICKET))


def _recorders(member: Member) -> set[int | None]:
    """Return who recorded what a member asks and nobody finished; None: he himself, signed in."""
    return set(MemberRequest.objects.unfinished().filter(member=member).values_list("asked_by_id", flat=True))


def _particulars(member: Member) -> MemberParticulars:
    return MemberParticulars.objects.filter(member=member).first() or MemberParticulars()


def count_look(actor: Actor, *, now: datetime) -> None:
    """Count one look at what is a member's in full. Raises TooMany (10 a minute), RevealsUsedUp (100 a day)."""
    if actor.staff_id is None:
        return
    limits.hit("reveal", str(actor.staff_id), per_minute=PER_MINUTE)
    _count(actor, now)


def _count(actor: Actor, now: datetime) -> None:
    """Count one look of the day. The statement itself refuses the one too many, however many taps come at once."""
    day = local_day(now)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO crm_revealday AS t (staff_id, day, taps) VALUES (%s, %s, 1) "
            "ON CONFLICT (day, staff_id) DO UPDATE SET taps = t.taps + 1 WHERE t.taps < %s RETURNING taps",
            [actor.staff_id, day, STOP_PER_DAY],
        )
        row = cursor.fetchone()
    if row is None:
        raise RevealsUsedUp(
            _("一天最多看 %(count)d 个号码，明天再看。真有要紧的事，找店长或总部客服。") % {"count": STOP_PER_DAY},
            retry_after=3600,
        )
    if row[0] in (ALARM_PER_DAY + 1, STOP_PER_DAY):
        _alarm(actor, taps=row[0], day=day, now=now)


def _alarm(actor: Actor, *, taps: int, day: date, now: datetime) -> None:
    """Tell her manager and HQ: one notification a day and person, the later number in place of the earlier."""
    person = Staff.objects.select_related("store").get(pk=actor.staff_id)
    where = f"{person.store.short_name} · " if person.store else ""
    text = f"{where}{person.name}，{words.short_day(day, now)}看了 {taps} 个完整号码"
    at_hq = Staff.objects.filter(
        pk__in=RoleAssignment.objects.filter(RoleAssignment.in_force(day), role__in=TOLD_AT_HQ).values("staff_id")
    )
    managers = Staff.objects.filter(
        pk__in=RoleAssignment.objects.filter(
            RoleAssignment.in_force(day), role="store_manager", unit_id=person.store.unit_id if person.store else None
        ).values("staff_id")
    ).exclude(pk=person.pk)
    key = f"reveals:{person.pk}:{day}"
    title = "看号码的次数不寻常" if taps < STOP_PER_DAY else "看号码的次数用完，已停到明天"
    tell(at_hq, Notice("member", key, title, "/hq/privacy/reveals/", text), now=now)
    tell(managers, Notice("member", key, title, "/m/reveals/", text), now=now)
    audit.record(actor, "member.reveals_alarm", "guides.Staff", resource_id=str(person.pk), after={"taps": taps})
