"""The rules in words: what HQ reads about a step, made from its columns. Names come from the domain file."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .loading import read_book
from .models import CadenceStep, CadenceVersion
from .publishing import BUYERS, step_label

CHAINS = {
    "serving_guide": ("成交导购", "专属导购", "值班导购", "店长"),
    "owner_guide": ("专属导购", "代办人", "店长"),
}
ANCHORS = {"serving_guide": "付款后", "owner_guide": "购买（快递按签收）后"}
NATURES = {"service": "服务类，退订营销后照常", "mixed": "退订营销的会员不做", "marketing": "退订营销的会员不做"}
CHANNELS = {"wecom_message": "企微消息", "manual_call": "电话", "in_store": "当面", "mini_program": "小程序"}
LOST = {
    "call": "删了好友：同意接电话的改打电话，其他跳过",
    "skip": "删了好友：跳过",
    "call_if_valued": "删了好友：核心和潜力会员、同意接电话的改打电话，其他跳过",
}
NEVER = ("returned_full", "repurchased", "do_not_contact")  # end a cycle or a step wherever it stands
REQUIRES = {
    "coupon": "要有券", "points": "要有积分", "balance": "要有储值", "event": "要有活动", "new_item": "要有合码新品",
    "outfit": "要有穿搭", "level_gap": "差一点升级",
}  # fmt: skip


@cache
def _names(part: str) -> dict[str, str]:
    return {key: about["name"] for key, about in read_book("followup_3369")[part].items()}


@cache
def priority_names() -> dict[int, str]:
    """Return 1 立即 … 5 可选."""
    return {int(level): name for level, name in read_book("followup_3369")["priority_scale"].items()}


def priority_words(level: int) -> str:
    return f"{level} {priority_names().get(level, '')}".strip()


@cache
def skip_words() -> dict[str, str]:
    words: dict[str, str] = read_book("followup_3369")["skip_reasons_ui"]
    return words


@cache
def hours() -> tuple[str, str]:
    """Return the brand's business hours."""
    about = read_book("followup_3369")["definitions"]["business_hours"]
    return about["open"], about["close"]


# ---------------------------------------------------------------- one step


@dataclass(frozen=True)
class StepWords:
    """A step as the page prints it."""

    step: CadenceStep

    @property
    def mark(self) -> str:
        """What stands in the circle of the trail: 30′, 3, 30."""
        return f"{self.step.key[1:]}′" if self.step.offset_minutes is not None else self.step.key[1:]

    @property
    def label(self) -> str:
        return step_label(self.step.key)

    @property
    def aim(self) -> str:
        """Return the name without its days: 穿着回访."""
        return self.step.name.removeprefix(self.label.replace(" ", "")) or self.step.name

    @property
    def window(self) -> str:
        """Return the window in one line."""
        step, (_, close) = self.step, hours()
        if step.offset_minutes is not None:
            return f"付款后 {step.offset_minutes} 分钟内，当天 {close} 失效"
        due = "当天" if step.due_day == step.open_day else f"第 {step.due_day} 天"
        return f"第 {step.open_day} 天打开，{due} {close} 截止，第 {step.expire_day} 天失效"

    @property
    def short_window(self) -> str:
        """Return the window for the card."""
        step = self.step
        if step.offset_minutes is not None:
            return f"窗口 {step.offset_minutes} 分钟"
        days = f"第 {step.open_day} 天" if step.open_day == step.due_day else f"第 {step.open_day}–{step.due_day} 天"
        return f"{days}，第 {step.expire_day} 天失效"

    @property
    def anchor(self) -> str:
        return "付款后" if self.step.offset_minutes is not None else ANCHORS["owner_guide"]

    @property
    def chain(self) -> tuple[str, ...]:
        return CHAINS[self.step.assignee]

    @property
    def evidence(self) -> list[str]:
        return [_names("evidence_kinds").get(kind, kind) for kind in self.step.evidence_any_of]

    @property
    def outcomes(self) -> list[str]:
        return [_names("outcomes").get(one, one) for one in self.step.outcome_chips]

    @property
    def channels(self) -> list[str]:
        return [CHANNELS.get(one, one) for one in self.step.channels]

    @property
    def nature(self) -> str:
        return NATURES[self.step.nature]

    @property
    def buyers(self) -> list[str]:
        """Return who gets the step, by purchases so far; empty where everybody does."""
        given = [str(name) for key, name in BUYERS.items() if key in self.step.buyers]
        return [] if len(given) == len(BUYERS) else given

    @property
    def priority(self) -> str:
        return priority_words(self.step.priority)

    @property
    def exceptions(self) -> list[str]:
        return [
            f"{BUYERS[buyer]}：{priority_words(level)}"
            for buyer, level in self.step.priority_by_buyer.items()
            if buyer in BUYERS
        ]

    @property
    def reminders(self) -> list[str]:
        return [moment_words(item, self.step) for item in self.step.reminders]

    @property
    def escalation(self) -> list[str]:
        return [
            f"{moment_words(item, self.step)} {'推给店长' if item['how'] == 'push' else '列进店长每日清单'}"
            for item in self.step.escalation
        ]

    @property
    def lost(self) -> str:
        return LOST.get(self.step.friend_lost, "")

    @property
    def stops(self) -> list[str]:
        """Return the reasons that keep this step from opening, beside the locks."""
        reasons = [skip_words()[key] for key in ("returned_full", "repurchased")]
        if self.step.nature != "service":
            reasons.append(skip_words()["unsubscribed"])
        if self.step.held_by_ticket:
            reasons.append(skip_words()["complaint_open"])
        return [*reasons, skip_words()["no_channel"]]

    @property
    def extras(self) -> list[str]:
        step, found = self.step, []
        if step.rest_day_grace:
            found.append(f"导购当天休息，顺延 {step.rest_day_grace} 天")
        if step.may_wait_for_return:
            found.append("导购请假，失效前能回来就等他")
        if step.always_shown:
            found.append("不占每天的件数上限")
        if step.weekly_cap_exempt:
            found.append("不算进 7 天打扰上限")
        return found


def moment_words(item: Mapping[str, Any], step: CadenceStep) -> str:
    """Return when a reminder or escalation comes: 截止前 10 分钟, 第 32 天 18:00."""
    if "from" in item:
        edge = {"due": "截止", "expire": "失效"}[item["from"]]
        minutes = int(item["minutes"])
        return f"{edge}{'前' if minutes < 0 else '后'} {abs(minutes)} 分钟" if minutes else f"{edge}时"
    if item["day"] == "due":
        return f"截止当天 {item['time']}"
    return f"第 {item['day']} 天 {item['time']}"


# ---------------------------------------------------------------- what outranks every rule


@dataclass(frozen=True)
class Lock:
    name: str
    text: str


def locks(version: CadenceVersion) -> list[Lock]:
    """Return what no edit of a step can overrule."""
    caps = version.rules["caps"]
    start, end = hours()
    return [
        Lock("免打扰", f"{end} 到次日 {start} 不发，门店营业时间更短的按门店"),
        Lock(
            "打扰上限",
            f"一位会员一天 {caps['member_per_day']} 次，7 天 {caps['member_per_7_days']} 次，"
            f"30 天营销 {caps['member_marketing_per_30_days']} 次",
        ),
        Lock("别再打扰", "会员说过，所有节点立刻停"),
        Lock("每人每天", f"3369 最多 {caps['guide_3369']} 件，全部最多 {caps['guide_shown']} 件，多的顺延"),
    ]


def quiet_bar() -> dict[str, str]:
    """Return the business hours as percentages of a day, for the bar of the page."""
    start, end = hours()

    def share(text: str) -> float:
        hour, minute = text.split(":")
        return (int(hour) * 60 + int(minute)) / 14.4

    return {
        "start": start, "end": end, "left": f"{share(start):.2f}", "width": f"{share(end) - share(start):.2f}",
    }  # fmt: skip
