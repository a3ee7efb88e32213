"""实名登记: taken at the first top-up of a named card, used again at later ones, kept for years (reliability-security §5)."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.wallet.errors import RealNameNeeded, TooYoung
from crm.wallet.models import CardHolder
from crm.wallet.queries import years_at
from crm.wallet.rules import Rules
from yejibao.core import audit, personal
from yejibao.core.clock import local_day
from yejibao.core.scope import Actor

_NAME = re.compile(r"[\u4e00-\u9fff·]{2,20}|[A-Za-z][A-Za-z .'-]{1,39}")


@dataclass(frozen=True)
class RealName:
    """What a member says of himself for the register; nothing of it is normalised or checked yet."""

    name: str
    id_number: str
    contact: str


def check_real_name(given: RealName, *, rules: Rules, day: date) -> RealName:
    """Return what was given in its normal form. Raises RealNameNeeded naming every field, or TooYoung."""
    name, number = given.name.strip(), personal.normal_id_number(given.id_number)
    contact = personal.normal_phone(given.contact)
    born = _born(number)
    errors = [
        {"field": field, "code": "invalid", "message": str(said)}
        for field, is_right, said in (
            ("name", _NAME.fullmatch(name), _("请填身份证上的姓名")),
            ("id_number", number and born and born <= day, _("身份证号不对，请核对 18 位")),
            ("contact", contact, _("请填能联系到您的手机号")),
        )
        if not is_right
    ]
    if errors:
        raise RealNameNeeded(_("请按提示修改后再提交"), errors=errors)
    assert born is not None
    if years_at(born, day) < rules.adult_years:
        raise TooYoung(_("未满 18 周岁，不能充值。"))
    return RealName(name, number, contact)


def check_age(member: Member, *, rules: Rules, day: date) -> None:
    """Refuse who is known to be under age, by the register or by the birthday he gave. Raises TooYoung."""
    holder = CardHolder.objects.filter(member=member).first()
    born = _born(holder.id_number) if holder else _said_birthday(member)
    if born and years_at(born, day) < rules.adult_years:
        raise TooYoung(_("未满 18 周岁，不能充值。"))


def register(member: Member, given: RealName | None, *, actor: Actor, rules: Rules, now: datetime) -> CardHolder:
    """Return the register's row of a member, made from what he gave if he has none; kept so many years from today.

    Raises RealNameNeeded without either.
    """
    day = local_day(now)
    keep_until = _years_on(day, rules.register_years)
    holder = CardHolder.objects.select_for_update().filter(member=member).first()
    if holder is not None:
        if holder.keep_until < keep_until:
            holder.keep_until = keep_until
            holder.save(update_fields=["keep_until"])
        return holder
    if given is None:
        raise RealNameNeeded(_("第一次充值要登记姓名、身份证号和联系电话"))
    right = check_real_name(given, rules=rules, day=day)
    facts: dict[str, Any] = {"name": right.name, "contact": right.contact}
    holder = CardHolder.objects.create(
        member=member, recorded_at=now, keep_until=keep_until, **facts, **personal.columns(CardHolder, "id_number", right.id_number)
    )  # fmt: skip
    audit.record(actor, "wallet.holder_recorded", holder, after={"member": member.pk, "id_last4": right.id_number[-4:]})
    return holder


def _born(id_number: str) -> date | None:
    try:
        return date(int(id_number[6:10]), int(id_number[10:12]), int(id_number[12:14]))
    except ValueError:
        return None


def _said_birthday(member: Member) -> date | None:
    try:
        return date(int(member.birth_year or 0), member.birth_month or 1, min(member.birth_day or 1, 28))
    except ValueError:
        return None


def _years_on(day: date, years: int) -> date:
    return day.replace(year=day.year + years, day=28 if (day.month, day.day) == (2, 29) else day.day)
