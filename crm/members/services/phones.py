"""A phone number in full: by a tap with a reason, and every tap is on record."""

import logging
from datetime import datetime, time, timedelta

from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from yejibao.core import audit
from yejibao.core.clock import local_day, local_moment
from yejibao.core.errors import Forbidden, Invalid, NotFound, TooMany
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

log = logging.getLogger("yejibao.members")

ACTION = "member.phone_revealed"
PER_MINUTE, ALARM_PER_DAY, STOP_PER_DAY = 10, 50, 100  # reliability-security §11


class NoPhone(NotFound):
    code, title = "member.no_phone", _("这位会员没有留手机号")


def reveal_phone(member: Member, *, actor: Actor, reason: str, now: datetime) -> str:
    """Return a member's full phone number and leave an audit row. Raises NotFound, Forbidden, TooMany, Invalid, NoPhone."""
    if not actor.may("member.view_card"):
        raise Forbidden()
    if not Member.objects.visible_to(actor).filter(pk=member.pk).exists():
        raise NotFound()
    if not reason.strip():
        raise Invalid(_("请写明为什么要看号码"))
    if not member.phone:
        raise NoPhone()
    taps = AuditEntry.objects.filter(actor_id=actor.staff_id, action=ACTION)
    today = taps.filter(at__gte=local_moment(local_day(now), time())).count()
    if today >= STOP_PER_DAY or taps.filter(at__gt=now - timedelta(minutes=1)).count() >= PER_MINUTE:
        raise TooMany(_("查看号码太频繁，请稍后再试"), retry_after=60)
    if today >= ALARM_PER_DAY:
        log.warning("staff %s revealed %s phones today", actor.staff_id, today + 1)
    audit.record(actor, ACTION, member, reason=reason)
    return member.phone
