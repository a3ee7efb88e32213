"""The numbers of clocking in. The first three of reliability-security §9 are fixed; the rest is the brand's to set."""

from yejibao.core import tunables

ACCURACY_MOST = 200.0  # metres; a fix that knows less is no fix
ACCURACY_FORGIVEN = 100.0  # of a distance, so much is put down to the phone
FIX_AGE_MOST = 60.0  # seconds
NONCE_SECONDS = 90
FASTEST_KMH = 150.0
CONSENT_VERSION = "2026-11"

OPENS_BEFORE = tunables.number(
    "clock-opens", group="考勤", name="上班前多久可以打卡", unit="分钟", default=30, least=0, most=180,
    why="9:30 的班，9:00 起可以打",
)  # fmt: skip
GRACE = tunables.number(
    "clock-grace", group="考勤", name="晚几分钟不算迟到", unit="分钟", default=0, least=0, most=30,
    why="门店排队等电梯的商场可以放宽几分钟",
)  # fmt: skip
RADIUS = tunables.number(
    "clock-radius", group="考勤", name="离门店多远算在店里", unit="米", default=300, least=50, most=1000,
    why="商场里定位会漂；门店自己设了半径的按门店的",
)  # fmt: skip
CORRECTION_DAYS = tunables.number(
    "clock-correction-days", group="考勤", name="几天之内可以补卡", unit="天", default=7, least=1, most=31,
    why="月底关账前要补完",
)  # fmt: skip
NUDGE_AFTER = tunables.number(
    "clock-nudge", group="考勤", name="上班后多久提醒还没打卡", unit="分钟", default=10, least=1, most=120,
    why="一天只提醒一次，请假和休息的不提醒",
)  # fmt: skip
PLATFORM_EVERY = tunables.number(
    "clock-platform", group="考勤", name="隔多久取企业微信的打卡记录", unit="分钟（0 不取）", default=0, least=0, most=240,
    why="公司在用企业微信自带打卡的才开；开之前先看上线体检里的打卡授权",
)  # fmt: skip
