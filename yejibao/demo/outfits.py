"""搭配 of the demo: guides' ideas adopted, refused and waiting, a changed day, and weeks that members were sent."""

from datetime import datetime, timedelta
from typing import Any

from crm.catalogue.models import StyleColor
from crm.catalogue.outfits import services
from crm.catalogue.outfits.models import LookShare
from crm.members.models import FriendLink, Member
from guides.org.actors import actor_for
from guides.org.models import Staff
from yejibao.core import clock

STYLIST = "aimei"
# who, how long ago, the words, the pieces, what became of it: adopted, why not, or "" while it waits
IDEAS: tuple[tuple[str, timedelta, dict[str, Any], tuple[str, ...], str], ...] = (
    ("linxiaowen", timedelta(days=9),
     {"name": "藏青夹克配卡其裤", "season": "秋", "occasion": "通勤", "reason": "藏青压得住卡其，去客户那儿和接孩子都不用换；店里试一个成一个",
      "body_tip": "个子不高的裤脚收到踝上一指", "pitch": "一件夹克三条裤子轮着穿"},
     ("25FJK503-NV", "26SCS205-WH", "26SKZ903-KH", "26SXZ952-BR", "26SPS971-BR"), "adopted"),
    ("huangting", timedelta(days=6),
     {"name": "灰大衣配藏青针织", "season": "冬", "occasion": "商务", "reason": "炭灰大衣里头换藏青半高领，不系领带也正式，年会前后最好卖",
      "body_tip": "", "pitch": "进门脱了大衣，里面照样体面"},
     ("25WDY602-CG", "25FZZ401-NV", "26SKZ902-CG", "25WXZ955-BK"), "adopted"),
    ("xujing", timedelta(days=4),
     {"name": "绿夹克配酒红衬衫", "season": "秋", "occasion": "休闲", "reason": "撞色年轻人喜欢，橱窗里回头的多", "body_tip": "", "pitch": ""},
     ("25FJK504-GN", "25FCS203-WR", "26SKZ903-KH", "26SXZ953-WH"), "三个有彩色一起太跳，留绿和卡其，衬衫换白的再投"),
    ("linxiaowen", timedelta(hours=5),
     {"name": "羽绒配灰针织", "season": "冬", "occasion": "休闲", "reason": "周末带娃，羽绒一脱里头是针织，暖和又不臃肿；加绒裤零下也不怕",
      "body_tip": "肚子大的羽绒敞开穿", "pitch": "接孩子、买菜、吃饭一套走完"},
     ("25WYR704-GN", "25FZZ405-GY", "25WKZ906-NV", "25WXZ955-BK"), ""),
)  # fmt: skip


def build(*, now: datetime) -> None:
    """Build it up to now."""
    people = {one.wecom_user_id: one for one in Staff.objects.employed().select_related("store")}
    styles = dict(StyleColor.objects.values_list("sku_code", "pk"))
    if stylist := people.get(STYLIST):
        _ideas(people, styles, stylist, now)
    if guide := people.get("linxiaowen"):
        _sent(guide, now)


def _ideas(people: dict[str, Staff], styles: dict[str, int], stylist: Staff, now: datetime) -> None:
    judge = actor_for(stylist)
    for userid, ago, words, codes, outcome in IDEAS:
        if userid not in people or any(code not in styles for code in codes):
            continue
        at = now - ago
        idea = services.propose(words, [styles[code] for code in codes], actor=actor_for(people[userid]), now=at)
        if outcome == "adopted":
            services.adopt(idea, actor=judge, now=at + timedelta(hours=20))
        elif outcome:
            services.refuse(idea, why=outcome, actor=judge, now=at + timedelta(hours=20))


def _sent(guide: Staff, now: datetime) -> None:
    """Two members were sent their week; one opened it and liked it."""
    friends = FriendLink.objects.filter(guide=guide, state=FriendLink.State.FRIEND, member__do_not_contact=False)
    members = Member.objects.filter(pk__in=friends.values("member_id"), purchase_count__gte=3).order_by("pk")[:2]
    for place, member in enumerate(members):
        at = now - timedelta(days=1, hours=place)
        words = f"{member.called}，这周七天穿什么我给您排好了，家里那几件都用上了，点开看。"
        share, _text = services.share_look(
            member, starts_on=clock.local_day(at), day=None, words=words, actor=actor_for(guide), now=at
        )
        services.note_sent(share, actor=actor_for(guide), now=at)
        if place == 0:
            LookShare.objects.filter(pk=share.pk).update(
                opened_at=at + timedelta(minutes=7), liked_at=at + timedelta(minutes=9)
            )
