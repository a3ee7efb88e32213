"""The vocabulary of scripts: which variables, contexts and requirements exist, and what a text may not say.

The domain files are the source; this module adds only the short Chinese labels that guides see.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from tasks.cadences.loading import read_book

VARIABLE = re.compile(r"\{([^{}]*)\}")
BRACKET = re.compile(r"\[([^\[\]]*)\]")
LABEL = re.compile(r"〔([^〔〕]*)〕")
EMOJI = re.compile("[\U0001f1e6-\U0001faff\u2600-\u27bf]")
RESERVED = "⟦⟧"  # marks of what was filled in; they never stand in a text
SERVICE_LINKS = {"survey_link"}  # lead to a question about what he bought, not to something to buy

# What stands where a value will be, while nobody is chosen yet, and on the buttons of the guide's own wording.
VARIABLE_LABELS = {
    "member_name": "称呼", "guide_name": "我的名字", "store_name": "店名", "brand_name": "品牌",
    "store_address": "店址", "item_name": "货品", "item_color": "颜色", "size": "尺码", "days_since": "天数",
    "last_item_name": "上次买的", "new_item_name": "新到货品", "outfit_name": "穿搭", "outfit_link": "穿搭链接",
    "coupon_title": "券名", "coupon_end_date": "券到期日", "points": "积分", "points_expire_date": "积分到期日",
    "points_expiring": "到期积分", "level_name": "等级", "next_level_name": "下一等级",
    "next_level_gap": "差多少元", "balance": "储值余额", "live_title": "直播", "live_time": "开播时间",
    "live_link": "直播链接", "event_name": "活动", "event_date": "活动日期", "visit_time": "约好时间",
    "holiday_name": "节日", "pickup_date": "取衣日", "ticket_item": "送来的衣服", "alteration_item": "修改处",
    "old_guide_name": "原导购", "referral_gift": "推荐礼", "city": "城市", "course_title": "课程",
    "announcement_title": "公告", "survey_link": "评价链接",
}  # fmt: skip
PRODUCT_LABELS = {
    "suit_wool": "西服", "shirt": "衬衫", "polo": "POLO", "tshirt": "T恤", "knit": "针织", "down": "羽绒",
    "leather": "皮衣", "coat": "大衣", "trousers": "裤装", "jacket": "夹克", "shoes": "鞋", "accessory": "配饰",
}  # fmt: skip
BUYER_LABELS = {
    "first": "首购", "repeat": "复购", "loyal": "持续复购", "vip": "VIP", "gift": "送礼",
    "stored_value": "储值客人",
}  # fmt: skip
MISSING = {
    "coupon": "现在没有券", "points": "积分还少，不提", "balance": "没有储值余额", "event": "近期没有活动",
    "new_item": "没有合他码的新品", "outfit": "还没给他搭好", "level_gap": "离升级还远", "survey": "没有等他评的",
}  # fmt: skip
NODE_LABELS = {
    "m30": "30 分钟回访", "d3": "3 天回访", "d30": "30 天回访", "d60": "60 天回访", "d90": "90 天回访",
}  # fmt: skip
TONE_LABELS = {"warm": "亲切", "expert": "专业", "brief": "简短", "mine": "我的"}
BRIEF_UP_TO = 70  # characters

# Chips of the library: what a guide looks for, and the kinds behind it.
TOPICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "3369": ("3369 回访", ("followup_m30", "followup_d3", "followup_d30", "followup_d60", "followup_d90")),
    "birthday": ("生日", ("birthday_pre", "birthday_day")),
    "benefit": ("券和积分", ("coupon_expiring", "points_expiring", "member_day", "level_upgrade_near", "level_upgraded",
                             "level_keep", "stored_value_reminder", "stored_value_offer")),
    "live": ("直播", ("live_invite", "live_coupon", "live_day_reminder", "live_group_warmup", "live_nonbuyer_r1",
                      "live_nonbuyer_r2", "live_nonbuyer_r3")),
    "aftersale": ("售后", ("aftersale_first_response", "aftersale_care", "pickup_reminder", "fitting_progress", "survey_low_score")),
    "holiday": ("节日换季", ("holiday_greeting", "season_care")),
    "visit": ("约到店", ("visit_invite", "visit_reminder", "event_invite", "event_noshow", "stock_arrival",
                         "tryon_followup")),
    "new": ("新好友", ("welcome_new_friend", "new_member_nurture", "account_link", "friend_recover", "tag_completion",
                       "handover_intro", "ai_call_lead")),
    "arrival": ("上新活动", ("new_arrival", "campaign_push", "cart_unpaid", "browse_no_buy", "wardrobe_renewal")),
    "wake": ("好久没来", ("dormant_warning", "dormant_wake", "churn_warning", "churn_recall", "rfm_downgrade_care")),
    "vip": ("VIP", ("vip_care",)),
    "community": ("社群朋友圈", ("moments_post", "community_sop", "referral_invite")),
}  # fmt: skip


@cache
def variables() -> dict[str, str]:
    """Return each variable a script may use with its fallback."""
    return {name: str(about["fallback"]) for name, about in read_book("followup_3369")["variables"].items()}


@cache
def link_variables() -> frozenset[str]:
    return frozenset(name for name in variables() if name.endswith("_link"))


@cache
def contexts() -> dict[str, tuple[str, ...]]:
    """Return the words each context key may hold."""
    book: dict[str, Any] = read_book("followup_3369")["contexts"]
    return {key: tuple(words) for key, words in book.items()}


@cache
def requirements() -> frozenset[str]:
    return frozenset(read_book("followup_3369")["requirements"])


@cache
def forbidden_words() -> tuple[str, ...]:
    return tuple(str(word) for word in read_book("scripts")["forbidden_words"])


@cache
def kind_names() -> dict[str, str]:
    """Return the Chinese name of each task kind."""
    return {kind["key"]: kind["name"] for kind in read_book("task_types")["task_types"]}


@cache
def labels_to_variables() -> dict[str, str]:
    return {label: name for name, label in VARIABLE_LABELS.items()}


def used_variables(text: str) -> frozenset[str]:
    return frozenset(VARIABLE.findall(text))


def faults_of(text: str) -> list[str]:
    """Return what keeps a script's text from being published, in words for whoever wrote it; empty if nothing does."""
    faults = [f"认不得变量「{name}」" for name in sorted(used_variables(text) - set(variables()))]
    rest = BRACKET.sub("", text)
    if any(mark in rest for mark in "[]"):
        faults.append("方括号没有成对")
    faults += [
        f"方括号「{part}」里没有链接" for part in BRACKET.findall(text) if not used_variables(part) & link_variables()
    ]
    if used_variables(rest) & link_variables():
        faults.append("链接要放在方括号里，没有链接时整段省去")
    if any(mark in VARIABLE.sub("", text) for mark in "{}"):
        faults.append("花括号没有成对")
    return faults + unsaid(text)


def unsaid(text: str) -> list[str]:
    """Return what nobody may say, HQ or guide."""
    faults = [f"不能说「{word}」" for word in forbidden_words() if word in text]
    if len(EMOJI.findall(text)) > 1:
        faults.append("表情最多一个")
    if any(mark in text for mark in RESERVED):
        faults.append("不能用 ⟦ 或 ⟧")
    if not text.strip():
        faults.append("还没写内容")
    return faults


def is_service(text: str, requires: Iterable[str]) -> bool:
    """Tell whether a text may go to a member who opted out of marketing: it brings no coupon and no link to buy by."""
    names = used_variables(text)
    return not (names & link_variables() - SERVICE_LINKS) and "coupon" not in requires and "coupon_title" not in names


def with_labels(text: str, known: Mapping[str, str] | None = None) -> str:
    """Show a text while nobody is chosen: 〔称呼〕 where a value will stand that is not `known` yet, brackets gone."""
    known = known or {}
    return VARIABLE.sub(
        lambda found: known.get(found[1]) or f"〔{VARIABLE_LABELS.get(found[1], found[1])}〕", BRACKET.sub(r"\1", text)
    )


def tone_of(text: str, product: str) -> str:
    """Sort a text by what it is: about one kind of garment (expert), short (brief), else warm."""
    if product != "any":
        return "expert"
    return "brief" if len(text) <= BRIEF_UP_TO else "warm"
