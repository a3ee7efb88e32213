"""What looks odd about a press: shown to whoever leads the store, judged by no machine (reliability-security §9)."""

from datetime import date, datetime, timedelta

from . import geo, rules
from .fencing import Fix
from .keeping import opened
from .models import ClockPunch

SAME_SPOT_DAYS, SAME_ACCURACY_DAYS = 2, 5  # earlier days on which it was exactly so
LOOK_BACK = timedelta(days=14)
MOVED_METRES = 1_000  # below, a bad fix alone looks like speed
WORDS = {
    "same_spot": "坐标和前几天分毫不差",
    "same_accuracy": "定位精度连着几天一样",
    "round_accuracy": "定位精度是整数",
    "too_fast": "和上一次隔得太远，赶不过来",
    "same_phone": "这台手机今天给别人打过卡",
    "device": "企业微信说不是常用设备",
    "wrong_time": "企业微信说时间不对",
    "elsewhere": "企业微信说不在打卡地点",
    "old_photo": "照片以前用过",
    "photo_time": "照片不是当时拍的",
}


def of_press(
    fix: Fix | None, *, staff_id: int, spot: str, device: str, at: datetime, day: date, point: geo.Point | None
) -> list[str]:
    """Return the flags of a press, in a fixed order. Reads at most three statements."""
    found = []
    if fix is not None and point is not None:
        before = ClockPunch.objects.filter(staff_id=staff_id, at__gte=at - LOOK_BACK, at__lt=at)
        earlier = list(before.filter(way=ClockPunch.Way.PLACE).exclude(day=day).order_by("-at", "-pk")[:60])
        if spot and len({one.day for one in earlier if one.place_index == spot}) >= SAME_SPOT_DAYS:
            found.append("same_spot")
        if fix.accuracy_m <= 0 or fix.accuracy_m % 10 == 0:
            found.append("round_accuracy")
        elif len({one.day for one in earlier if one.accuracy_m == fix.accuracy_m}) >= SAME_ACCURACY_DAYS:
            found.append("same_accuracy")
        last = before.filter(place__isnull=False, is_coarse=False).order_by("-at", "-pk").first()
        if last is not None and (was := opened(last.place)) is not None and too_fast(was, point, at - last.at):
            found.append("too_fast")
    if device and ClockPunch.objects.filter(day=day, device_index=device).exclude(staff_id=staff_id).exists():
        found.append("same_phone")
    return found


def too_fast(one: geo.Point, other: geo.Point, between: timedelta) -> bool:
    """Tell whether nobody gets from one place to the other in that time."""
    moved = geo.metres(one, other)
    hours = max(between.total_seconds(), 1.0) / 3600
    return moved > MOVED_METRES and moved / 1000 / hours > rules.FASTEST_KMH
