"""下一步: the rules of crm/data/next_best.yaml, and what each looks at. Pure: facts in, words out.

    choose(facts) -> Choice(action=Action(reason="今天是他生日，…", label="去祝福", …), held="")

One action or none; where something keeps it back, `held` says what. What stands on a guide's list is always the answer, so
that this page and 今日 never say two things.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import crm
from yejibao.core import words
from yejibao.core.domain_files import read_yaml

from .facts import Facts, OpenTask

FILE = Path(crm.__file__).parent / "data" / "next_best.yaml"
Said = dict[str, str]


@dataclass(frozen=True)
class Rule:
    """One rule as the file has it; `limits` are its own numbers."""

    key: str
    nature: str  # service | mixed | marketing, as of kinds of tasks
    says: str
    label: str
    rest_days: int = 0  # after one of its kind was done, skipped or ran out
    weekly_exempt: bool = False
    lasts_days: int = 2  # a task made of it runs out so many days later
    limits: dict[str, Any] | None = None

    def __getitem__(self, name: str) -> Any:
        return (self.limits or {})[name]


@dataclass(frozen=True)
class Action:
    """What to do next, and why. `url` leads there; without one a tap makes a task of the kind `rule`."""

    rule: str
    reason: str
    label: str
    url: str = ""
    note: str = ""  # whose it is, or when
    is_for_me: bool = True
    facts: tuple[tuple[str, str], ...] = ()  # values of the variables of its words (tasks/scripts)

    @property
    def can_take(self) -> bool:
        """Tell whether a tap makes a task of it."""
        return not self.url and self.rule not in ("task", "ticket", "appointment")


@dataclass(frozen=True)
class Choice:
    """What to do, or why nothing is to be done though there would be something."""

    action: Action | None = None
    held: str = ""


@cache
def book() -> tuple[dict[str, Any], tuple[Rule, ...]]:
    """Return what comes before the rules, and the rules in order."""
    file = read_yaml(FILE)
    named = Rule.__dataclass_fields__.keys() - {"limits"}
    rules = [
        Rule(
            **{name: value for name, value in row.items() if name in named},
            limits={name: value for name, value in row.items() if name not in named},
        )
        for row in file["rules"]
    ]
    return file, tuple(rules)


def rule_of(key: str) -> Rule | None:
    return next((one for one in book()[1] if one.key == key), None)


# ---------------------------------------------------------------- choosing


def choose(facts: Facts) -> Choice:
    """Return the one thing to do next for a member."""
    if not facts.is_active:
        return Choice()
    if facts.ticket:
        said = book()[0]["ticket"]
        reason = said["says"].format(kind=facts.ticket.kind, state=facts.ticket.state)
        return Choice(Action("ticket", reason, said["label"], facts.ticket.url))
    if facts.has_ticket:
        return Choice(held="他有件事门店正在办，办完再联系")
    if task := facts.work.lead:
        return _of_task(task, facts)
    held = ""
    for rule in book()[1]:
        said = _LOOKS[rule.key](facts, rule)
        if said is None or _rests(rule, facts):
            continue
        reason = _say(rule, facts, said)
        if why := _kept_back(rule, facts):
            held = held or f"{why}。之后可以做：{reason}"
            continue
        url = said.pop("url", "")
        return Choice(Action(rule.key, reason, rule.label, url, facts=_variables(said)))
    return Choice(held=held)


def _of_task(task: OpenTask, facts: Facts) -> Choice:
    """Say what stands on the list: hers with the way to it, a colleague's by name, and what is held why."""
    if task.held:
        return Choice(held=task.held)
    if not task.is_visible:
        return Choice(held="他的导购手上有一件要为他做的事，做完再说")
    later = f"{words.short_moment(task.hidden_until, facts.now)}再做" if task.is_later(facts.now) else ""
    if task.is_mine:
        return Choice(Action("task", task.why, "去做", task.url, note=later))
    note = f"{task.assignee}在跟进"
    return Choice(Action("task", task.why, task.label, task.url, note=note, is_for_me=False))


def _say(rule: Rule, facts: Facts, said: Said) -> str:
    return rule.says.format(**{"he": facts.he, **said})


def _rests(rule: Rule, facts: Facts) -> bool:
    """Tell whether one of its kind was done, skipped or ran out a short time ago."""
    last = facts.work.ended.get(rule.key)
    return last is not None and (facts.today - last).days < rule.rest_days


def _kept_back(rule: Rule, facts: Facts) -> str:
    """Return why a rule may not speak now, in the order of followup_3369.yaml `skip_rules`; "" where it may."""
    if rule.key == "appointment":
        return ""  # he comes by himself
    work = facts.work
    if facts.do_not_contact:
        return f"{facts.he}说过别再打扰"
    if rule.nature != "service" and facts.refuses:
        return f"{facts.he}退订了营销消息"
    if not facts.can_chat and not facts.can_call:
        return f"还不是微信好友，也没同意电话联系，{facts.he}到店时请{facts.he}加一下"
    if work.reached_on == facts.today:
        return f"今天联系过{facts.he}了"
    if not rule.weekly_exempt and work.reached_week >= work.most_a_week:
        return f"这七天已经联系了{facts.he} {work.reached_week} 次"
    if rule.nature == "marketing" and work.marketing_month >= work.most_marketing:
        return f"这个月给{facts.he}的营销消息够多了"
    soon = facts.today + timedelta(days=book()[0]["planned_within_days"])
    if rule.nature != "service" and work.planned_on and facts.today <= work.planned_on <= soon:
        return f"{_on(work.planned_on, facts)}有一次{work.planned}，到时一起说"
    return ""


def _on(day: date, facts: Facts) -> str:
    """Return 今天, 明天 or 11-25 with the blanks a sentence wants."""
    said = words.short_day(day, facts.now)
    return said if said in ("今天", "明天") else f" {said} "


def _variables(said: Said) -> tuple[tuple[str, str], ...]:
    names = {"coupon": "coupon_title", "points": "points_expiring", "item": "new_item_name", "size": "size"}
    found = {names[name]: value for name, value in said.items() if name in names}
    if "on" in said:
        found |= {name: said["on"].strip() for name in ("coupon_end_date", "points_expire_date")}
    return tuple(found.items())


# ---------------------------------------------------------------- what each rule looks at


Look = Callable[[Facts, Rule], Said | None]
_LOOKS: dict[str, Look] = {}


def _look(*keys: str) -> Callable[[Look], Look]:
    def register(look: Look) -> Look:
        for key in keys:
            _LOOKS[key] = look
        return look

    return register


@_look("appointment")
def _appointment(facts: Facts, rule: Rule) -> Said | None:
    booked = facts.appointment
    if booked is None or booked.on > facts.today + timedelta(days=rule["days"]):
        return None
    return {"when": words.short_moment(booked.at, facts.now), "what": booked.what, "url": booked.url}


@_look("birthday_day")
def _birthday(facts: Facts, rule: Rule) -> Said | None:
    return {} if facts.birthday_on == facts.today else None


@_look("birthday_pre")
def _birthday_soon(facts: Facts, rule: Rule) -> Said | None:
    day = facts.birthday_on
    if day is None or not facts.today < day <= facts.today + timedelta(days=rule["days"]):
        return None
    return {"on": _on(day, facts)} if facts.level.level.key != "V1" or facts.orders_of_year else None


@_look("coupon_expiring")
def _coupon(facts: Facts, rule: Rule) -> Said | None:
    for held in facts.coupons:
        worth = held.rule.amount_fen or held.rule.cap_fen or 0
        if held.state == "usable" and worth >= rule["worth_fen"]:
            is_near = held.ends_on <= facts.today + timedelta(days=rule["days"])
            return {"coupon": held.rule.title, "on": _on(held.ends_on, facts)} if is_near else None
    return None


@_look("points_expiring")
def _points(facts: Facts, rule: Rule) -> Said | None:
    own = facts.points
    if own.expiring_on is None or own.expiring < rule["points"]:
        return None
    is_near = own.expiring_on <= facts.today + timedelta(days=rule["days"])
    return {"points": f"{own.expiring:,}", "on": _on(own.expiring_on, facts)} if is_near else None


@_look("level_keep")
def _keep(facts: Facts, rule: Rule) -> Said | None:
    own = facts.level
    if own.valid_until is None or not own.keep_missing_fen:
        return None
    is_near = facts.today <= own.valid_until <= facts.today + timedelta(days=rule["days"])
    said = {"level": own.level.name, "on": _on(own.valid_until, facts), "gap": words.yuan(own.keep_missing_fen)}
    return said if is_near else None


@_look("level_upgrade_near")
def _upgrade(facts: Facts, rule: Rule) -> Said | None:
    own = facts.level
    if own.next_level is None or facts.days_since is None:
        return None
    near = max(rule["floor_fen"], own.next_level.min_fen * rule["share_percent"] // 100)
    is_near = 0 < own.missing_fen <= near
    return {"gap": words.yuan(own.missing_fen), "level": own.next_level.name} if is_near else None


@_look("new_arrival")
def _arrival(facts: Facts, rule: Rule) -> Said | None:
    new = facts.arrival
    if new is None or facts.no_profiling or new.days > rule["days"]:
        return None
    return {"item": new.item, "size": new.size, "owned": new.owned}


@_look("season_care")
def _care(facts: Facts, rule: Rule) -> Said | None:
    worn = facts.worn
    if worn is None or facts.today.month not in rule["months"] or worn.days < rule["worn_days"]:
        return None
    if worn.cared_on and (facts.today - worn.cared_on).days < rule["rested_days"]:
        return None
    care = f"今年还有 {facts.free_care} 次免费保养" if facts.free_care else "到店熨烫去球不收费"
    return {"item": worn.item, "care": care}


@_look("dormant_warning", "dormant_wake", "churn_warning", "churn_recall")
def _away(facts: Facts, rule: Rule) -> Said | None:
    days = facts.days_since
    return {"days": str(days)} if days is not None and rule["from_days"] <= days <= rule["to_days"] else None


@_look("new_member_nurture")
def _nurture(facts: Facts, rule: Rule) -> Said | None:
    days = facts.days_registered
    is_new = facts.days_since is None and days is not None and rule["from_days"] <= days <= rule["to_days"]
    return {"days": str(days)} if is_new else None
