"""What ends soon is told in time: to the member's own guide in her message centre; the member reads it on his own pages."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.urls import reverse

from crm.benefits.rules import levels
from guides.notices.services import Notice, tell_each
from yejibao.core import clock

COUPON_DAYS = 5  # task_types.yaml coupon_expiring: 5 days before, worth 30 yuan or more
COUPON_WORTH_FEN = 3_000
LEVEL_DAYS = 30
POINTS_TOLD = ((12, 1), (12, 20))  # points end with the year: a month before, and once more

_COUPONS = """
    SELECT m.owner_guide_id, count(DISTINCT m.id)
    FROM crm_coupon c JOIN crm_member m ON m.id = c.member_id
    JOIN crm_couponbatch b ON b.id = c.batch_id JOIN crm_coupontemplate t ON t.id = b.template_id
    WHERE c.state = 'usable' AND c.valid_until >= %(since)s AND c.valid_until < %(until)s
          AND coalesce(t.amount_fen, t.cap_fen) >= %(worth)s AND m.status = 'active' AND m.owner_guide_id IS NOT NULL
    GROUP BY m.owner_guide_id ORDER BY m.owner_guide_id
"""
_POINTS = """
    SELECT m.owner_guide_id, count(DISTINCT m.id)
    FROM crm_pointslot l JOIN crm_member m ON m.id = l.member_id
    WHERE l.left_points > 0 AND l.expires_on = %(ends_on)s AND m.status = 'active' AND m.owner_guide_id IS NOT NULL
    GROUP BY m.owner_guide_id ORDER BY m.owner_guide_id
"""
_LEVELS = """
    SELECT m.owner_guide_id, count(*)
    FROM crm_member m JOIN unnest(%(levels)s::text[], %(floors)s::bigint[]) AS l(key, floor) ON l.key = m.member_level
    WHERE m.level_valid_until = %(ends_on)s AND m.spend_180_fen < l.floor AND m.status = 'active'
          AND m.owner_guide_id IS NOT NULL
    GROUP BY m.owner_guide_id ORDER BY m.owner_guide_id
"""


def tell_of_endings(*, now: datetime) -> dict[str, int]:
    """Tell each guide of how many of her members coupons, points or a level end soon; each day's once. Daily in the morning."""
    today = clock.local_day(now)
    last = today + timedelta(days=COUPON_DAYS)
    ends = {
        "since": clock.local_moment(last, time()) + timedelta(microseconds=1),
        "until": clock.local_moment(last + timedelta(days=1), time()) + timedelta(microseconds=1),
        "worth": COUPON_WORTH_FEN,
    }
    told = _tell(_COUPONS, ends, f"coupons-end:{last}", f"{{}} 位会员的券 {last:%-m-%-d} 到期", "提醒他用掉", now=now)
    level_ends = today + timedelta(days=LEVEL_DAYS)
    facts: dict[str, Any] = {
        "ends_on": level_ends, "levels": [one.key for one in levels()], "floors": [one.min_fen for one in levels()],
    }  # fmt: skip
    told += _tell(
        _LEVELS,
        facts,
        f"levels-end:{level_ends}",
        f"{{}} 位会员 {level_ends:%-m-%-d} 要降级",
        "现在买一件就能保住",
        now=now,
    )
    if (today.month, today.day) in POINTS_TOLD:
        ends_on = date(today.year, 12, 31)
        told += _tell(
            _POINTS,
            {"ends_on": ends_on},
            f"points-end:{today}",
            "{} 位会员的积分年底到期",
            "12-31 前能抵现或换券",
            now=now,
        )
    return {"guides_told": told}


def _tell(sql: str, facts: dict[str, Any], key: str, title: str, text: str, *, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, facts)
        rows = cursor.fetchall()
    url = reverse("crm:members")
    return tell_each([(guide, Notice("member", key, title.format(count), url, text)) for guide, count in rows], now=now)
