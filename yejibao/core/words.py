"""How figures, moments and deadlines are written for people: on pages, in pushes, in exports.

Everything answers `—` to None, so that a figure without data says so. `now` defaults to the product's clock.
"""

import math
from datetime import date, datetime, timedelta

from . import clock, money

NOTHING = "—"
SOON = timedelta(hours=2)  # 马上办: overdue or due within this
WEEKDAYS = "一二三四五六日"

# ---------------------------------------------------------------- money and figures


def yuan(fen: int | None) -> str:
    """`¥1,234`: fen in, whole yuan out."""
    return money.yuan(fen)


def yuan_exact(fen: int | None) -> str:
    """`¥1,234.50`, for payments."""
    return money.yuan(fen, cents=True)


def wan(fen: int | None) -> str:
    """`¥12.8 万` from 100,000 yuan on, whole yuan below."""
    if fen is None or abs(fen) < 10_000_000:
        return money.yuan(fen)
    return f"{'-' if fen < 0 else ''}¥{_in_wan(abs(fen) / 100)}"


def count(number: int | None) -> str:
    """`1,234`, and `12.3 万` from 100,000 on."""
    if number is None:
        return NOTHING
    return f"{number:,}" if abs(number) < 100_000 else _in_wan(number)


def _in_wan(number: float) -> str:
    return f"{number / 10_000:,.1f}".removesuffix(".0") + " 万"


def pct(share: float | None, digits: int = 0) -> str:
    """`78%` of 0.784; `|pct:1` gives `78.4%`."""
    return NOTHING if share is None else f"{share * 100:.{int(digits)}f}%"


# ---------------------------------------------------------------- days and moments


def _day(value: date | datetime) -> date:
    return clock.local_day(value) if isinstance(value, datetime) else value


def short_day(value: date | datetime | None, now: datetime | None = None) -> str:
    """今天, 明天, 昨天, `11-24`, or `2025-11-24` in another year."""
    if value is None:
        return NOTHING
    day, today = _day(value), clock.local_day(now or clock.now())
    near = {0: "今天", 1: "明天", -1: "昨天"}.get((day - today).days)
    if near:
        return near
    return f"{day.month}-{day.day:02d}" if day.year == today.year else f"{day.year}-{day.month}-{day.day:02d}"


def clock_time(moment: datetime | None) -> str:
    """`9:05`, Shanghai, 24 hours."""
    if moment is None:
        return NOTHING
    local = moment.astimezone(clock.SHANGHAI)
    return f"{local.hour}:{local.minute:02d}"


def short_moment(moment: datetime | None, now: datetime | None = None) -> str:
    """`今天 9:58`, `11-24 15:00`."""
    return NOTHING if moment is None else f"{short_day(moment, now)} {clock_time(moment)}"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """刚刚, `12 分钟前`, `3 小时前`, `2 天前`; the day itself after a week."""
    if moment is None:
        return NOTHING
    minutes = int(((now or clock.now()) - moment).total_seconds() // 60)
    if minutes < 1:
        return "刚刚"
    if minutes < 60:
        return f"{minutes} 分钟前"
    if minutes < 24 * 60:
        return f"{minutes // 60} 小时前"
    if minutes < 7 * 24 * 60:
        return f"{minutes // (24 * 60)} 天前"
    return short_day(moment, now)


def weekday(value: date | datetime | None) -> str:
    """周六"""
    return NOTHING if value is None else f"周{WEEKDAYS[_day(value).weekday()]}"


def long_day(value: date | datetime | None) -> str:
    """`11 月 21 日 周六`"""
    if value is None:
        return NOTHING
    day = _day(value)
    return f"{day.month} 月 {day.day} 日 {weekday(day)}"


def greeting(moment: datetime) -> str:
    """早上好, 中午好, 下午好, 晚上好."""
    hour = moment.astimezone(clock.SHANGHAI).hour
    for until, words in ((5, "夜深了"), (11, "早上好"), (13, "中午好"), (18, "下午好")):
        if hour < until:
            return words
    return "晚上好"


def minutes_words(minutes: int | None) -> str:
    """`18 分`, `1 时 20 分`, `2 天 3 时`."""
    if minutes is None:
        return NOTHING
    days, rest = divmod(int(minutes), 24 * 60)
    hours, left = divmod(rest, 60)
    if days:
        return f"{days} 天 {hours} 时" if hours else f"{days} 天"
    if hours:
        return f"{hours} 时 {left} 分" if left else f"{hours} 时"
    return f"{left} 分"


# ---------------------------------------------------------------- deadlines


def due_words(due_at: datetime | None, now: datetime | None = None) -> str:
    """剩 18 分, 剩 1 时 20 分, 超 2 天, 今天 22:00 前, 明天 10:00 前, 周日前, 11-24 前. app.js says the same words."""
    if due_at is None:
        return ""
    now = now or clock.now()
    left = due_at - now
    if left <= timedelta(0):
        return f"超 {_overdue_words(int(-left.total_seconds() // 60))}"
    if left < SOON:
        return f"剩 {minutes_words(math.ceil(left.total_seconds() / 60))}"
    last = due_at - timedelta(seconds=1)  # due at midnight is the end of the day before
    day, today = clock.local_day(last), clock.local_day(now)
    at = f" {clock_time(due_at)} 前" if clock.local_day(due_at) == day else "内"
    if day == today:
        return f"今天{at}"
    if (day - today).days == 1:
        return f"明天{at}"
    if day.isocalendar()[:2] == today.isocalendar()[:2]:
        return f"{weekday(day)}前"
    return f"{short_day(day, now)} 前"


def _overdue_words(minutes: int) -> str:
    if minutes < 60:
        return f"{max(1, minutes)} 分"
    if minutes < 24 * 60:
        return f"{minutes // 60} 时"
    return f"{minutes // (24 * 60)} 天"


def urgency(due_at: datetime | None, now: datetime | None = None) -> str:
    """`now` (马上办), `today` (今天内) or `week` (本周): also the class of the task card."""
    if due_at is None:
        return "week"
    now = now or clock.now()
    if due_at - now < SOON:
        return "now"
    return "today" if clock.local_day(due_at - timedelta(seconds=1)) == clock.local_day(now) else "week"


def tone(level: str) -> str:
    """The tag colour of an urgency."""
    return {"now": "red", "today": "amber"}.get(level, "")


def due_class(due_at: datetime | None, now: datetime | None = None) -> str:
    """The text colour of a deadline."""
    return {"now": "c-red", "today": "c-amber"}.get(urgency(due_at, now), "muted")


# ---------------------------------------------------------------- roles, as org_and_roles.yaml calls them

ROLES = {
    "guide": "导购", "store_manager": "店长", "area_supervisor": "区域督导", "region_manager": "大区经理",
    "branch_manager": "分公司总经理", "branch_member_manager": "分公司会员经理", "hq_operator": "总部会员运营",
    "hq_crm": "CRM部", "hq_retail": "零售部", "hq_merch": "商品部", "hq_visual": "陈列部", "hq_space": "空间部",
    "hq_engineering": "工程部", "hq_franchise": "特许经销部", "hq_training": "培训部", "stylist": "搭配师",
    "live_operator": "直播与社群运营", "customer_service": "客服售后", "dealer": "经销商", "finance": "财务",
    "executive": "公司管理层", "sys_admin": "系统管理员",
}  # fmt: skip


def role_name(key: str | None) -> str:
    """店长 for `store_manager`."""
    return ROLES.get(key or "", "")
