"""下一步, rule by rule: facts in, one action with its reason out; what keeps it back, and in which order."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crm.benefits.coupon_rules import template_rule
from crm.benefits.models import CouponTemplate
from crm.benefits.queries import InHand, LevelStanding, Points
from crm.benefits.rules import level_rule, levels
from crm.nextbest.facts import Appointment, Arrival, Facts, OpenTask, OpenTicket, Work, Worn, birthday_after
from crm.nextbest.rules import _LOOKS, book, choose
from tasks.followups.services.creating import task_type

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai
TODAY = date(2026, 3, 4)


def standing(key: str = "V2", *, spend_fen: int = 100_000, until: date | None = None) -> LevelStanding:
    own = level_rule(key)
    above = next((one for one in levels() if one.min_fen > own.min_fen), None)
    return LevelStanding(
        own, spend_fen, until, None, above, above.min_fen - spend_fen if above else 0, max(0, own.min_fen - spend_fen)
    )


def facts(**known: Any) -> Facts:
    return Facts(now=NOW, **{"level": standing(), "days_since": 40, **known})


def coupon(fen: int = 10_000, *, days: int = 3) -> InHand:
    rule = template_rule(CouponTemplate(name="满 1000 减 100", amount_fen=fen), 1)
    return InHand(rule, "usable", TODAY + timedelta(days=days), is_near_end=True)


NOTHING = facts()
HELD = {
    "appointment": facts(appointment=Appointment(NOW + timedelta(days=1, hours=5), "约了到店", "/v/1/")),
    "birthday_day": facts(birthday_on=TODAY),
    "coupon_expiring": facts(coupons=[coupon()]),
    "birthday_pre": facts(birthday_on=TODAY + timedelta(days=4)),
    "level_keep": facts(level=standing("V3", spend_fen=250_000, until=TODAY + timedelta(days=20))),
    "level_upgrade_near": facts(level=standing("V2", spend_fen=250_000)),
    "new_arrival": facts(arrival=Arrival("藏青羊毛大衣", "175/92A", "藏青羊毛套西", 3)),
    "season_care": facts(worn=Worn("黑羽绒服", 150, None), free_care=2),
    "dormant_warning": facts(days_since=160),
    "dormant_wake": facts(days_since=200),
    "churn_warning": facts(days_since=340),
    "churn_recall": facts(days_since=500),
    "points_expiring": facts(points=Points(usable=800, expiring=600, expiring_on=TODAY + timedelta(days=10))),
    "new_member_nurture": facts(days_since=None, days_registered=5),
}
SAYS = {
    "appointment": "明天 15:00约了到店，先看一眼他的尺码和上次买的，把要用的备好",
    "birthday_day": "今天是他生日，祝一声就好，不提买东西",
    "coupon_expiring": "「满 1000 减 100」 3-07 到期，还没用，提醒他一声",
    "birthday_pre": "他 3-08 过生日，提前道声快乐，问问那天要不要配一套",
    "level_keep": "金卡会员 3-24 到期，再消费 ¥500 就能保住",
    "level_upgrade_near": "再消费 ¥500 就升金卡会员，告诉他升级有什么",
    "new_arrival": "藏青羊毛大衣刚到店，有他穿的 175/92A，能配他买过的藏青羊毛套西",
    "season_care": "他的黑羽绒服穿了一阵子，今年还有 2 次免费保养，请他拿来保养",
    "points_expiring": "600 积分 3-14 到期，可以换券，提醒他一声",
}


def test_there_is_an_example_of_every_rule_and_nothing_else_is_done() -> None:
    assert set(HELD) == {rule.key for rule in book()[1]} == set(_LOOKS)
    assert choose(NOTHING) == choose(replace(HELD["birthday_day"], is_active=False))
    assert choose(NOTHING).action is None and not choose(NOTHING).held


@pytest.mark.parametrize("key", HELD)
def test_each_rule_speaks_with_its_reason(key: str) -> None:
    action = choose(HELD[key]).action
    assert action is not None and action.rule == key
    assert action.reason == SAYS.get(key, action.reason)
    assert "{" not in action.reason


@pytest.mark.parametrize(
    "known",
    [
        facts(coupons=[coupon(2_000)]),  # under 30 yuan
        facts(coupons=[coupon(days=9)]),
        facts(points=Points(expiring=400, expiring_on=TODAY)),
        facts(birthday_on=TODAY + timedelta(days=8)),
        facts(birthday_on=TODAY + timedelta(days=4), level=standing("V1", spend_fen=0)),  # bought nothing this year
        facts(level=standing("V3", spend_fen=300_000, until=TODAY + timedelta(days=20))),  # keeps it
        facts(level=standing("V2", spend_fen=150_000)),
        facts(worn=Worn("黑羽绒服", 150, TODAY - timedelta(days=50))),  # cared for lately
        facts(days_since=149),
        facts(arrival=Arrival("藏青羊毛大衣", "175/92A", "藏青羊毛套西", 3), no_profiling=True),
        facts(days_since=None, days_registered=40),
        facts(appointment=Appointment(NOW + timedelta(days=3), "约了到店", "")),
    ],
)
def test_what_is_not_near_or_not_worth_it_is_not_said(known: Facts) -> None:
    assert choose(known).action is None


def test_the_order_is_the_files() -> None:
    both = replace(HELD["birthday_day"], coupons=[coupon()], days_since=200)
    assert [choose(both).action.rule, choose(replace(both, birthday_on=None)).action.rule] == [  # type: ignore[union-attr]
        "birthday_day",
        "coupon_expiring",
    ]


# ---------------------------------------------------------------- never two voices

TASK = OpenTask("3 天回访", "问大衣合不合身", "/g/tasks/7/", "林晓雯", is_mine=True)


def test_an_open_ticket_comes_before_everything() -> None:
    known = replace(
        HELD["birthday_day"], ticket=OpenTicket("退货", "处理中", "/t/1/"), has_ticket=True, work=Work(lead=TASK)
    )
    action = choose(known).action
    assert action and (action.rule, action.url) == ("ticket", "/t/1/")
    assert action.reason == "退货还在办（处理中），先把这件办好，别的先不提"
    unseen = choose(replace(known, ticket=None))
    assert (unseen.action, unseen.held) == (None, "他有件事门店正在办，办完再联系")


def test_what_stands_on_the_list_is_the_answer() -> None:
    action = choose(replace(HELD["birthday_day"], work=Work(lead=TASK))).action
    assert action and (action.rule, action.reason, action.url, action.is_for_me) == ("task", TASK.why, TASK.url, True)


@pytest.mark.parametrize(
    ("task", "note", "held"),
    [
        (replace(TASK, is_mine=False), "林晓雯在跟进", ""),
        (replace(TASK, hidden_until=NOW + timedelta(hours=5)), "今天 15:00再做", ""),
        (replace(TASK, held="先跟他打个招呼认识一下"), "", "先跟他打个招呼认识一下"),
        (replace(TASK, is_mine=False, is_visible=False), "", "他的导购手上有一件要为他做的事，做完再说"),
    ],
)
def test_a_colleagues_a_later_a_held_and_an_unseen_task(task: OpenTask, note: str, held: str) -> None:
    choice = choose(replace(HELD["birthday_day"], work=Work(lead=task)))
    assert (choice.action.note if choice.action else "", choice.held) == (note, held)


def test_what_was_done_a_short_time_ago_rests() -> None:
    def after(days: int) -> str:
        ended = {"coupon_expiring": TODAY - timedelta(days=days)}
        action = choose(replace(HELD["coupon_expiring"], work=Work(ended=ended))).action
        return action.rule if action else ""

    assert [after(9), after(10)] == ["", "coupon_expiring"]


# ---------------------------------------------------------------- kept back

KEEP_BACK: dict[str, tuple[str, Callable[[Facts], Facts], str]] = {
    "别再打扰": ("birthday_day", lambda f: replace(f, do_not_contact=True), "他说过别再打扰"),
    "退订": ("birthday_pre", lambda f: replace(f, refuses=("wecom_message",)), "他退订了营销消息"),
    "无渠道": ("birthday_day", lambda f: replace(f, can_chat=False), "还不是微信好友，也没同意电话联系"),
    "今天": ("birthday_day", lambda f: replace(f, work=Work(reached_on=TODAY)), "今天联系过他了"),
    "七天": ("birthday_pre", lambda f: replace(f, work=Work(reached_week=2)), "这七天已经联系了他 2 次"),
    "营销": ("new_arrival", lambda f: replace(f, work=Work(marketing_month=4)), "这个月给他的营销消息够多了"),
    "快到了": (
        "birthday_pre",
        lambda f: replace(f, work=Work(planned="60 天邀约", planned_on=TODAY + timedelta(days=2))),
        " 3-06 有一次60 天邀约，到时一起说",
    ),
}


@pytest.mark.parametrize("what", KEEP_BACK)
def test_it_is_kept_back_and_says_by_what(what: str) -> None:
    key, change, why = KEEP_BACK[what]
    choice = choose(change(HELD[key]))
    assert choice.action is None
    assert choice.held.startswith(why) and "之后可以做：" in choice.held


def test_a_service_is_not_marketing_and_a_birthday_not_counted_by_the_week() -> None:
    def rule(known: Facts) -> str:
        action = choose(known).action
        return action.rule if action else ""

    opted_out = replace(HELD["coupon_expiring"], refuses=("wecom_message",), work=Work(marketing_month=9))
    called = replace(HELD["birthday_day"], can_chat=False, can_call=True, work=Work(reached_week=5))
    busy = replace(HELD["appointment"], do_not_contact=True, work=Work(reached_on=TODAY))
    assert [rule(opted_out), rule(called), rule(busy)] == ["coupon_expiring", "birthday_day", "appointment"]


def test_kinds_and_rests_are_those_of_the_task_kinds() -> None:
    for rule in book()[1]:
        if rule.key != "appointment":
            kind = task_type(rule.key)
            assert (rule.nature, rule.rest_days) == (kind["nature"], kind["cooldown_days"]), rule.key


@pytest.mark.parametrize(
    ("month", "day", "by", "today", "comes"),
    [
        (3, 4, "solar", TODAY, TODAY),
        (3, 3, "solar", TODAY, date(2027, 3, 3)),
        (2, 29, "solar", date(2027, 2, 1), date(2027, 2, 28)),
        (8, 15, "lunar", TODAY, None),
        (None, None, "solar", TODAY, None),
    ],
)
def test_the_next_birthday(month: int | None, day: int | None, by: str, today: date, comes: date | None) -> None:
    assert birthday_after(month, day, by, today) == comes
