"""打卡 of the platform: typed calls of the family `checkin` on a gateway. Source: wecom-api.md §7.1.

All raise GatewayError and nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .errors import GatewayError
from .gateway import Gateway

PEOPLE_A_CALL = 100
LONGEST = timedelta(days=30)
ALL_KINDS = 3
NOT_IN_CONTACTS = 301021  # one such person fails the whole call
API = "checkin/getcheckindata"
ON_DUTY, OFF_DUTY = "上班打卡", "下班打卡"
# exception_type, as the platform words it
WRONG_TIME, WRONG_PLACE, MISSED, WRONG_WIFI, OTHER_DEVICE = "时间异常", "地点异常", "未打卡", "wifi异常", "非常用设备"


@dataclass(frozen=True)
class CheckIn:
    """One press in the platform's own 打卡. `userid` is lower-cased; place and photos are not taken over."""

    userid: str
    kind: str  # 上班打卡, 下班打卡, 外出打卡 …
    exceptions: tuple[str, ...]
    at: datetime
    key: str  # the same again for the same press

    @property
    def is_press(self) -> bool:
        """Tell whether somebody pressed at all: a missed one is a row too."""
        return MISSED not in self.exceptions

    @property
    def is_in_place(self) -> bool:
        return WRONG_PLACE not in self.exceptions and WRONG_WIFI not in self.exceptions


def list_check_ins(door: Gateway, userids: Sequence[str], *, start: datetime, end: datetime) -> list[CheckIn]:
    """Return the presses of up to 100 people over up to 30 days. Raises ValueError for more than one call can carry."""
    if not 0 < len(userids) <= PEOPLE_A_CALL or not timedelta() < end - start <= LONGEST:
        raise ValueError("at most 100 people and 30 days a call")
    body = {
        "opencheckindatatype": ALL_KINDS, "starttime": int(start.timestamp()), "endtime": int(end.timestamp()),
        "useridlist": list(userids),
    }  # fmt: skip
    return [_read(row) for row in door.post(API, body).get("checkindata") or ()]


def known_check_ins(
    door: Gateway, userids: Sequence[str], *, start: datetime, end: datetime
) -> tuple[list[CheckIn], list[str]]:
    """Return the presses of those the platform knows, and who it does not: a call one of them failed is halved."""
    try:
        return list_check_ins(door, userids, start=start, end=end), []
    except GatewayError as error:
        if error.code != NOT_IN_CONTACTS:
            raise
    if len(userids) == 1:
        return [], list(userids)
    middle = len(userids) // 2
    found, unknown = known_check_ins(door, userids[:middle], start=start, end=end)
    more, others = known_check_ins(door, userids[middle:], start=start, end=end)
    return found + more, unknown + others


def in_calls(userids: Sequence[str]) -> Iterable[Sequence[str]]:
    """Yield as many people at a time as one call carries."""
    return (userids[at : at + PEOPLE_A_CALL] for at in range(0, len(userids), PEOPLE_A_CALL))


def _read(row: dict[str, object]) -> CheckIn:
    userid, kind, second = (
        str(row.get("userid", "")).casefold(),
        str(row.get("checkin_type", "")),
        int(str(row.get("checkin_time") or 0)),
    )
    told = tuple(part for part in str(row.get("exception_type") or "").split(";") if part)
    return CheckIn(userid, kind, told, datetime.fromtimestamp(second, UTC), f"wecom:{userid}:{kind}:{second}")
