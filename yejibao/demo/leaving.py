"""排班, 请假 and 工作日志 of the demo: two 班次, a leave that waits and one that was approved, yesterday's logs with a word on them."""

from datetime import date, datetime, time, timedelta

from guides.attendance import leave
from guides.attendance.holiday_services import seed_holidays
from guides.attendance.leave import Wish
from guides.attendance.models import Shift, ShiftTime
from guides.org.actors import actor_for
from guides.org.models import Staff
from guides.worklog.models import WorkLog
from guides.worklog.queries import writers_on
from guides.worklog.services import comment, save_log
from yejibao.core import clock

STORES = ("NJ001", "NJ002")  # whose logs of yesterday one reads
NOT_WRITTEN, LATE = "guoyuhang", "mali"
DAYS = (
    ("王先生的大衣下摆改短，他很满意，答应周末带太太来", "试了两件嫌贵，等会员日", "王先生、李女士、周先生"),
    ("3 天回访打通了两个老顾客，都说合身", "没有他要的尺码，已请邻店调", "赵先生、郑先生、韩先生"),
    ("第一次用穿搭推荐，一单三件", "客人只是陪朋友来的", "孙先生、吴先生、许女士"),
    ("帮同事接待了一位外地顾客，加了好友", "价格再想想", "何先生、高先生、郭先生"),
)
WORD = "那位等会员日的，明天先发条消息问问他要不要留货。"


def build(*, now: datetime) -> None:
    """Build it up to now. Safe to run once; the world is built anew or not at all."""
    today = clock.local_day(now)
    seed_holidays(today=today)
    _times(today)
    _leaves(today, now)
    _logs(today - timedelta(days=1))


def _times(today: date) -> None:
    """Two 班次, taken in turns from tomorrow on in the first store."""
    early = ShiftTime.objects.create(name="早班", short="早", starts_at=time(9, 30), ends_at=time(18, 0), place=1)
    late = ShiftTime.objects.create(name="晚班", short="晚", starts_at=time(13, 30), ends_at=time(22, 0), place=2)
    people = list(Staff.objects.employed().filter(store__code=STORES[0]).order_by("pk"))
    days = [today + timedelta(days=number) for number in range(1, 14)]
    resting = set(Shift.objects.filter(staff__in=people, day__in=days).values_list("staff_id", "day"))
    Shift.objects.bulk_create(
        Shift(staff=person, day=day, kind=Shift.Kind.WORK, time=early if (place + day.toordinal()) % 2 else late)
        for place, person in enumerate(people)
        for day in days
        if (person.pk, day) not in resting
    )


def _leaves(today: date, now: datetime) -> None:
    people = {one.wecom_user_id: one for one in Staff.objects.employed().select_related("store")}
    soon, next_week = today + timedelta(days=2), today + timedelta(days=7)
    wishes = (
        ("mali", Wish("personal", soon, soon + timedelta(days=1), "孩子学校开家长会", backup=people.get("xujing"))),
        ("fangmin", Wish("annual", next_week, next_week + timedelta(days=2), "回老家看父母")),
        (
            "tangli",
            Wish("annual", next_week, next_week + timedelta(days=4), "和家人出去几天", backup=people.get("shenjia")),
        ),
    )
    for userid, wish in wishes:
        if (person := people.get(userid)) and person.store_id:
            request = leave.ask_leave(person, wish, actor=actor_for(person), now=now)
            if userid == "tangli" and (head := people.get("chenguodong")):
                leave.approve_leave(request, actor=actor_for(head), now=now, answer="好好休息")


def _logs(day: date) -> None:
    """What most of two stores handed in yesterday evening; the manager has read one and said a word."""
    at = clock.local_moment(day, time(21, 20))
    people = list(writers_on(day).filter(store__code__in=STORES).select_related("store").order_by("pk"))
    for number, person in enumerate(people):
        if person.wecom_user_id == NOT_WRITTEN:
            continue
        said = DAYS[number % len(DAYS)]
        moment = at + timedelta(minutes=95 if person.wecom_user_id == LATE else number * 3)
        answers = {"q1": said[0], "q2": said[1], "q3": said[2]}
        save_log(person, day, answers, actor=actor_for(person), now=moment, hand_in=True)
    head = Staff.objects.filter(wecom_user_id="chenguodong").first()
    log = WorkLog.objects.filter(store__code=STORES[0], day=day).exclude(staff=head).order_by("pk").first()
    if head and log:
        comment(log, WORD, actor=actor_for(head), now=at + timedelta(minutes=30))
