"""呼叫总部, votes, meetings and shared files of the demo: solved questions to be found again, some that wait, an open vote."""

from datetime import datetime, time, timedelta

from guides.announcements.audience import Audience
from guides.announcements.choosing import Chosen
from guides.drive import services as drive
from guides.drive.models import DriveFile, DriveFolder
from guides.helpdesk import services as helpdesk
from guides.helpdesk.loading import load_categories
from guides.helpdesk.models import HelpCategory
from guides.meetings import services as meetings
from guides.org.actors import actor_for
from guides.org.models import OrgUnit, Staff, Store
from guides.votes import services as votes
from guides.votes.models import VoteBallot, VoteOption
from yejibao.core import clock, outbox
from yejibao.core.models import OutboxMessage

MINUTE = timedelta(seconds=60)
HEADS = {"hq_merch": "doule", "finance": "zengyan", "customer_service": "pengfang", "sys_admin": "mengfan"}
# who asks, what about, how long ago, the question, who answers after how many minutes, the answer, stars (0: waits for them), kept
ASKED = (
    ("xujing", "stored_value", timedelta(days=6), "顾客要退储值卡，余额1860元，怎么操作？", "zengyan", 18,
     "先核对本人和手机号，在储值页点「申请退卡」，按规则收回赠金，退剩余本金到原支付账户，3 个工作日到账。别承诺当天到。", 5, "储值卡怎么退，余额怎么算"),
    ("huangting", "aftersale", timedelta(days=5), "羽绒服钻绒，买了二十天，能换吗？", "pengfang", 9,
     "30 天内的质量问题可以退换修。拍下钻绒的位置和洗唛，顾客要换就先换，旧件寄回客服中心。", 5, "羽绒服钻绒能退换吗"),
    ("huangyating", "stock_transfer", timedelta(days=4), "顾客要藏青套西180/96A，本店断码，附近哪家有？能今天调吗？", "doule", 22,
     "查库存页看附近门店，有货就电话对方店长锁货，当天 17 点前在系统提调拨单，同城次日到。", 4, "断码的套西怎么从附近的店调货"),
    ("luhaiyan", "price_promo", timedelta(days=2), "26M1这款价签标498，系统398，收银按哪个？", "doule", 12,
     "按系统价 398 收，价签今晚闭店前换好拍照。顾客已按价签付了的，退差价。", 5, "价签和系统价不一样按哪个收"),
    ("panxue", "tool", timedelta(days=1, hours=3), "话术发送失败，一直转圈", "mengfan", 15,
     "退出企业微信重新进一次；还不行看一下手机的网络，或者截图发上来。", 0, ""),
    ("linxiaowen", "member_rule", timedelta(hours=5), "顾客说双倍积分没到账，单号已附", "baijing", 25,
     "会员日的双倍积分次日 10 点统一补，明天上午让顾客再看一下。", 0, "会员日双倍积分什么时候到账"),
)  # fmt: skip
WAITING = (
    ("fangmin", "engineering", timedelta(minutes=12), "射灯坏了五盏，空调也不制冷", True),
    ("chenxiaoling", "display", timedelta(minutes=31), "橱窗道具少了一块背板，能先用旧的吗？", False),
    ("yaoqian", "stock_transfer", timedelta(minutes=6), "46 码的德比鞋本店断了，附近哪家还有？", False),
)
FILES = (
    ("display", "qiushan", "秋冬橱窗主题「暖冬归家」安装图", 6), ("display", "qiushan", "A 区模特成套出样标准", 20),
    ("product", "doule", "羽绒服三个数：绒子含量、充绒量、蓬松度", 12), ("product", "doule", "羊毛西服面料手册", 34),
    ("campaign", "zhoulan", "会员日海报和价签模板", 9), ("policy", "liangbin", "七日退换规则速查", 40),
    ("live", "dongxiao", "直播间背景和开场视频", 3),
)  # fmt: skip


def build(*, now: datetime) -> None:
    """Build it up to now."""
    load_categories()
    drive.load_folders()
    people = {one.wecom_user_id: one for one in Staff.objects.employed().select_related("store")}
    for role, head in HEADS.items():
        if head in people:
            HelpCategory.objects.filter(responder=role).update(duty=people[head])
    if boss := people.get("liangbin"):
        HelpCategory.objects.update(head=boss)
    _questions(people, now)
    _vote(people, now)
    _meetings(people, now)
    _files(people, now)
    # What was told in the days before has arrived then; nobody's phone rings for it today.
    OutboxMessage.objects.filter(kind="notice", due_at__lt=now - timedelta(hours=2), state="pending").update(
        state="sent", sent_at=now
    )
    outbox.drain_events()


def _questions(people: dict[str, Staff], now: datetime) -> None:
    for asker, category, ago, text, answerer, minutes, said, stars, kept in ASKED:
        if asker not in people or answerer not in people:
            continue
        at = now - ago
        by, hq = actor_for(people[asker]), actor_for(people[answerer])
        call = helpdesk.ask(text, category=category, actor=by, now=at)
        at += timedelta(minutes=minutes)
        helpdesk.answer(call, said, actor=hq, now=at, seen=2**62, keep_as=(kept, said) if kept else None)
        if stars:
            helpdesk.rate(call, stars, actor=by, now=at + timedelta(minutes=7))
    for asker, category, ago, text, urgent in WAITING:
        if asker in people:
            helpdesk.ask(text, category=category, actor=actor_for(people[asker]), now=now - ago, is_urgent=urgent)


def _vote(people: dict[str, Staff], now: datetime) -> None:
    author = people.get("liangbin")
    if author is None:
        return
    to = Chosen(
        Audience(roles=["guide", "store_manager"]), "全公司 · 导购、店长", OrgUnit.objects.get(level=OrgUnit.Level.HQ)
    )
    vote = votes.open_vote(
        title="下季橱窗主题你选哪一个", text="四个主题都能落地，选大家最想卖的那个。",
        options=["从容商务", "东方新韵", "轻装出行", "暖冬归家"], most_choices=1, is_anonymous=False, shows_at_once=True,
        deadline_at=now + timedelta(hours=50), chosen=to, actor=actor_for(author), now=now - timedelta(hours=22),
    )  # fmt: skip
    votes.hand_out(now=now - timedelta(hours=22), budget=MINUTE)
    options = list(VoteOption.objects.filter(vote=vote).order_by("place").values_list("pk", flat=True))
    ballots = VoteBallot.objects.filter(vote=vote).select_related("staff").order_by("staff_id")
    for number, ballot in enumerate(ballots):
        if number % 3 and ballot.staff.wecom_user_id != "linxiaowen":
            votes.cast(vote, [options[(number * 7 + number // 5) % 4]], actor=actor_for(ballot.staff), now=now)


def _meetings(people: dict[str, Staff], now: datetime) -> None:
    manager, trainer = people.get("chenguodong"), people.get("luoqing")
    morning = clock.local_moment(clock.local_day(now) + timedelta(days=1), time(9, 40))
    store = Store.objects.filter(pk=manager.store_id).select_related("unit").first() if manager else None
    if manager and store:
        to = Chosen(Audience(units=[store.unit_id]), f"{store.unit.name} · 所有人", store.unit)
        meetings.plan_meeting(
            title="早会·会员周报", text="看上周回访和复购，说说今天约了谁。", starts_at=morning, minutes=20, place="店里",
            link="", on_platform=False, needs_sign_in=True, chosen=to, actor=actor_for(manager), now=now - timedelta(hours=2),
        )  # fmt: skip
    if trainer:
        to = Chosen(Audience(roles=["guide"]), "全公司 · 导购", OrgUnit.objects.get(level=OrgUnit.Level.HQ))
        meetings.plan_meeting(
            title="冬装上新线上培训", text="面料、版型、三套搭配，听完有五道题。", starts_at=morning + timedelta(hours=5, minutes=20),
            minutes=60, place="", link="", on_platform=True, needs_sign_in=True, chosen=to, actor=actor_for(trainer),
            now=now - timedelta(hours=1),
        )  # fmt: skip
    meetings.tell_attendees(now=now, budget=MINUTE)


def _files(people: dict[str, Staff], now: datetime) -> None:
    folders = {one.key: one for one in DriveFolder.objects.all()}
    for number, (folder, by, name, days) in enumerate(FILES):
        if by in people:
            file = drive.put_file(
                folders[folder], name=name, note="", link=f"https://drive.weixin.qq.com/s?k=yj{number:04}",
                actor=actor_for(people[by]), now=now - timedelta(days=days),
            )  # fmt: skip
            DriveFile.objects.filter(pk=file.pk).update(opened_count=31 - days // 2, forwarded_count=number)
