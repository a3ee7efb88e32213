"""生日券 (models.yaml member_level): given by the house 15 days before a birthday, good until 15 days after."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from crm.benefits.models import Coupon, CouponBatch, CouponTemplate
from crm.benefits.rules import LevelRule, levels
from guides.org.models import OrgUnit
from yejibao.core import clock
from yejibao.core.scope import Actor

from .coupons import issue

DAYS = 15  # task_types.yaml birthday_pre: valid 15 days before to 15 days after
AT_ONCE = 5_000

# Whose birthday falls on one of these days and who has not had this year's yet. Lunar birthdays are not among them: the
# house has no lunar calendar.
_WHO = """
    SELECT m.id FROM crm_member m
    WHERE m.birth_month = %(month)s AND m.birth_day = ANY(%(days)s) AND m.birthday_calendar = 'solar'
          AND m.status = 'active' AND NOT m.is_test AND m.member_level = %(level)s
          AND NOT EXISTS (SELECT 1 FROM crm_coupon c WHERE c.member_id = m.id AND c.way = 'birthday' AND c.key = %(key)s)
    ORDER BY m.id LIMIT %(most)s
"""


def give_birthday_coupons(*, now: datetime, budget: timedelta = timedelta(seconds=200)) -> dict[str, int]:
    """Give this year's coupon to everybody whose birthday comes within 15 days; nightly. A night that was missed is made up.

    Nobody has two for one birthday, also where his level changes in between.
    """
    today = clock.local_day(now)
    deadline = clock.monotonic() + budget.total_seconds()
    given = 0
    for birthday in (today + timedelta(days=ahead) for ahead in range(DAYS, -1, -1)):
        for level in levels():
            batch = house_batch(level, birthday.year, now=now)
            while clock.monotonic() < deadline:
                ids = _who(birthday, level)
                if not ids:
                    break
                given += issue(
                    batch, ids, issuer=None, actor=Actor.system(), now=now, key=key_of(birthday.year),
                    way=Coupon.Way.BIRTHDAY, valid=_valid(birthday),
                )  # fmt: skip
    return {"birthday_coupons": given}


def key_of(year: int) -> str:
    return f"birthday:{year}"


def house_batch(level: LevelRule, year: int, *, now: datetime) -> CouponBatch:
    """Return the batch of a level's birthday coupons of a year, made when it is first wanted. It has no end of stock."""
    name = f"生日券 {level.key} {year}"
    found = CouponBatch.objects.filter(name=name, made_by=None).select_related("template", "unit").first()
    if found is not None:
        return found
    house = OrgUnit.objects.get(level=OrgUnit.Level.HQ)
    template, _new = CouponTemplate.objects.get_or_create(
        name=f"{level.birthday_coupon_fen // 100} 元生日券",
        made_by=None,
        defaults={
            "kind": CouponTemplate.Kind.AMOUNT,
            "amount_fen": level.birthday_coupon_fen,
            "validity": CouponTemplate.Validity.DAYS,
            "valid_days": 2 * DAYS + 1,
            "notes": "生日前后 15 天可用",
            "unit": house,
            "made_at": now,
        },
    )
    batch, _new = CouponBatch.objects.get_or_create(
        name=name,
        made_by=None,
        defaults={
            "template": template,
            "unit": house,
            "state": CouponBatch.State.RUNNING,
            "ways": [CouponBatch.Way.BIRTHDAY],
            "opens_at": clock.local_moment(date(year - 1, 12, 1), time()),
            "closes_at": clock.local_moment(date(year + 1, 1, 1), time()),
            "made_at": now,
            "started_at": now,
        },
    )
    return batch


def _valid(birthday: date) -> tuple[datetime, datetime]:
    first, after = birthday - timedelta(days=DAYS), birthday + timedelta(days=DAYS + 1)
    return clock.local_moment(first, time()), clock.local_moment(after, time())


def _who(birthday: date, level: LevelRule) -> list[int]:
    is_leap_short = (birthday.month, birthday.day) == (2, 28) and (birthday + timedelta(days=1)).day == 1
    days = [28, 29] if is_leap_short else [birthday.day]
    values: dict[str, Any] = {
        "month": birthday.month, "days": days, "level": level.key, "key": key_of(birthday.year), "most": AT_ONCE,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_WHO, values)
        return [pk for (pk,) in cursor.fetchall()]
