"""From the domain file to rows: the cadence 3369 with its steps.

The file says its rules in words ("day_n(32) 22:00"); small strict parsers turn them into columns. A text they cannot
read stops the load with its place, so that a new rule is never half understood.
"""

import hashlib
import json
import logging
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction

from yejibao.core.domain_files import read_yaml

from .models import Cadence, CadenceStep, CadenceVersion

log = logging.getLogger(__name__)

DATA = Path(__file__).parent.parent / "data"
CADENCE_3369 = "3369"

# What the guide reads: the reason line of the card ({item} {more} {days}) and the opening line of the page.
# The domain file has no such texts; tone as in the design, fact first.
WHY = {
    "m30": "刚买走{item}{more}，还没收到你的致谢",
    "d3": "{item}到手 {days} 天，问一句合不合身",
    "d30": "{days} 天前买了{item}，该给他配一套了",
    "d60": "{days} 天没见了，请他来店里坐坐",
    "d90": "{days} 天前买的{item}，问问他现在缺什么",
}
HEADLINE = {
    "m30": "谢谢他，再教他怎么打理",
    "d3": "问问合不合身，小毛病趁早改",
    "d30": "给他配一套，先不谈卖",
    "d60": "约个时间，请他来坐坐",
    "d90": "问声好，看他现在缺什么",
}
# skip_rules.friend_lost.action, in the words of CadenceStep.friend_lost
FRIEND_LOST = {
    "manual_call if phone_consent, else skipped": "call",
    "skipped": "skip",
    "if phone_consent and tier_631 in [core, potential] manual_call, else HQ sms pool": "call_if_valued",
}


class RuleUnreadable(ValueError):
    """A rule text of the domain file that no parser knows."""

    def __init__(self, place: str, text: object) -> None:
        super().__init__(f"{place}: cannot read {text!r}")


@cache
def read_book(name: str) -> dict[str, Any]:
    """Return a domain file of this department, e.g. `read_book("followup_3369")`. Do not change what you get."""
    book: dict[str, Any] = read_yaml(DATA / f"{name}.yaml")
    return book


# ---------------------------------------------------------------- load


@transaction.atomic
def load_3369(*, now: datetime, book: dict[str, Any] | None = None, replace_edited: bool = False) -> CadenceVersion:
    """Publish the cadence of the domain file and return the version that is in force.

    The same file changes nothing, also when HQ has edited the rules since. Another file makes a new version and retires
    the old one; over an edition of HQ only with `replace_edited`. Raises RuleUnreadable.
    """
    book = book or read_book("followup_3369")
    steps, rules = steps_of(book), rules_of(book)
    rules["source_sha"] = _sha({"steps": steps, "rules": rules})
    cadence, _ = Cadence.objects.get_or_create(key=CADENCE_3369, defaults={"name": "3369 跟进"})
    Cadence.objects.select_for_update().get(pk=cadence.pk)
    versions = list(CadenceVersion.objects.filter(cadence=cadence).order_by("number"))
    published = next((one for one in versions if one.state == CadenceVersion.State.PUBLISHED), None)
    if published and published.rules.get("source_sha") == rules["source_sha"]:  # an edition of HQ keeps its source's
        return published
    if published and published.published_by_id and not replace_edited:
        log.warning("cadence 3369 version %s was edited by HQ; the new domain file is not loaded", published.number)
        return published
    if published:
        published.state = CadenceVersion.State.RETIRED
        published.save(update_fields=["state"])
    version = CadenceVersion.objects.create(
        cadence=cadence,
        number=versions[-1].number + 1 if versions else 1,
        state=CadenceVersion.State.PUBLISHED,
        rules=rules,
        note="来自规则文件",
        created_at=now,
        published_at=now,
        recompute_after_id=0 if published else None,  # hands set under the old version are read again, from the first
    )
    CadenceStep.objects.bulk_create([CadenceStep(version=version, **step) for step in steps])
    return version


def _sha(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


# ---------------------------------------------------------------- columns


def steps_of(book: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the columns of each node of the file, in its order."""
    return [_step(book, node, position=10 * number) for number, node in enumerate(book["nodes"], start=1)]


def _step(book: dict[str, Any], node: dict[str, Any], *, position: int) -> dict[str, Any]:
    key = node["key"]
    columns = {
        "key": key,
        "name": node["name"],
        "position": position,
        "purpose": node["purpose"],
        "task_type": f"followup_{key}",
        "nature": _one_of(node["nature"], ("service", "mixed", "marketing"), f"nodes.{key}.nature"),
        "channels": node["channels"],
        "buyers": [buyer for buyer, plan in book["node_by_purchase_count"].items() if key in plan["nodes"]],
        "in_small": key in book["qualifying_purchase"]["small_order"]["nodes"],
        "assignee": _one_of(node["assignee"], ("serving_guide", "owner_guide"), f"nodes.{key}.assignee"),
        "priority": node["priority"],
        "priority_by_buyer": _raised(book, key),
        "may_wait_for_return": key in _waiting_nodes(book),
        "weekly_cap_exempt": f"followup_{key}" in book["caps"]["per_member"]["exempt_from_7_day"],
        "always_shown": key in _always_shown(book),
        "held_by_ticket": key in _held_nodes(book),
        "friend_lost": _friend_lost(book)[key],
        "evidence_any_of": node["evidence_any_of"],
        "outcome_chips": node["outcome_chips"],
        "on_time_target": node["on_time_target"],
        "reminders": [_reminder(one, f"nodes.{key}.reminders") for one in node["reminders"]],
        "escalation": [_escalation(one, f"nodes.{key}.escalation") for one in node["escalation"]],
        "goals": node["goals"],
        "tag_prompts": node["tag_prompts"],
        "why": WHY[key],
        "headline": HEADLINE[key],
    }
    return columns | (_first_touch(node) if "minutes" in node["offset"] else _day_step(book, node))


def _day_step(book: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    place, hours = f"nodes.{node['key']}", book["definitions"]["business_hours"]
    days = {}
    for column, edge in (("open", hours["open"]), ("due", hours["close"]), ("expire", hours["close"])):
        text = node[f"{column}_rule"]
        day, at = _day_n(text, f"{place}.{column}_rule")
        if at != edge:  # the columns hold days; the times are the edges of the store's day
            raise RuleUnreadable(f"{place}.{column}_rule", text)
        days[f"{column}_day"] = day
    if days["open_day"] != node["offset"]["days"] or not days["open_day"] <= days["due_day"] <= days["expire_day"]:
        raise RuleUnreadable(place, days)
    grace = 0
    if text := node.get("rest_day_rule"):
        found = _search(
            r"assignee resting on day_n\((\d+)\): due = day_n\((\d+)\) 22:00", text, f"{place}.rest_day_rule"
        )
        grace = int(found[2]) - int(found[1])
    return days | {"rest_day_grace": grace}


def _first_touch(node: dict[str, Any]) -> dict[str, Any]:
    place = f"nodes.{node['key']}"
    minutes = node["offset"]["minutes"]
    if int(_match(r"anchor \+ (\d+) min", node["due_rule"], f"{place}.due_rule")[1]) != minutes:
        raise RuleUnreadable(f"{place}.due_rule", node["due_rule"])
    _match(r"22:00 of the \(shifted\) due date", node["expire_rule"], f"{place}.expire_rule")
    shifted = _search(
        r"due = 10:30 of that date \(store opening \+ (\d+) min\)", node["shift_rule"], f"{place}.shift_rule"
    )
    in_time, soon, late, gone = node["late_data_rule"]
    place += ".late_data_rule"
    found = _match(
        r"arrives at or before its due \(after shift_rule\): due = the later of due and arrival \+ (\d+) min;"
        r" more than (\d+) h after paid_at: the later of due and arrival \+ (\d+) min",
        in_time,
        place,
    )
    rules = {
        "late_within": int(found[2]) * 60,
        "late_soon": int(found[1]),
        "late": int(found[3]),
        "shifted_due": int(shifted[1]),
    }
    found = _match(
        r"arrives after its due, within (\d+) h of paid_at: open now,"
        r" due = max\(anchor \+ (\d+) min, arrival \+ (\d+) min\), then shift_rule",
        soon,
        place,
    )
    if [int(found[1]) * 60, int(found[2]), int(found[3])] != [rules["late_within"], minutes, rules["late_soon"]]:
        raise RuleUnreadable(place, soon)
    found = _match(
        r"arrives after its due, more than (\d+) h after paid_at, on the same local date: open now,"
        r" due = arrival \+ (\d+) min, then shift_rule",
        late,
        place,
    )
    if [int(found[1]) * 60, int(found[2])] != [rules["late_within"], rules["late"]]:
        raise RuleUnreadable(place, late)
    _match(r"arrives after its due on a later local date: m30 is skipped \(reason late_data\);.*", gone, place)
    return {"offset_minutes": minutes, "timing_rules": rules}


def rules_of(book: dict[str, Any]) -> dict[str, Any]:
    """Return the rules that belong to the whole cadence."""
    kinds = next(
        (
            found
            for text in book["qualifying_purchase"]["all_of"]
            if (found := re.search(r"order\.kind in \[(.+?)]", text))
        ),
        None,
    )
    if kinds is None:
        raise RuleUnreadable("qualifying_purchase.all_of", book["qualifying_purchase"]["all_of"])
    day, member = book["caps"]["per_guide_day"], book["caps"]["per_member"]
    delivery = book["anchors"]["delivery_order"]["days"]
    alteration = book["anchors"]["alteration"]["rule"]
    hold = book["returns"]["hold_when_ticket_open"]
    return {
        "kinds": [kind.strip() for kind in kinds[1].split(",")],
        "small_below_fen": book["qualifying_purchase"]["small_order"]["below_net_amount_fen"],
        "delivery_days": int(_search(r"paid_at \+ (\d+) days", delivery, "anchors.delivery_order.days")[1]),
        "latest_alteration_day": int(_search(r"at the latest day (\d+)", alteration, "anchors.alteration.rule")[1]),
        "caps": {
            "guide_target": day["outreach_tasks_target"],
            "guide_shown": day["outreach_tasks_shown"],
            "guide_3369": day["of_which_3369"],
            "member_per_day": member["contacts_per_day"],
            "member_per_7_days": member["contacts_per_7_days"],
            "member_marketing_per_30_days": member["marketing_contacts_per_30_days"],
        },
        "spot_check_share": int(_search(r"^(\d+)% of done tasks", book["spot_check"], "spot_check")[1]) / 100,
        "ticket_release_days": int(
            _search(r"released (\d+) days after closing", hold, "returns.hold_when_ticket_open")[1]
        ),
    }


# ---------------------------------------------------------------- small parsers


def _match(pattern: str, text: str, place: str) -> re.Match[str]:
    """Match the whole text."""
    found = re.fullmatch(pattern, str(text).strip())
    if found is None:
        raise RuleUnreadable(place, text)
    return found


def _search(pattern: str, text: str, place: str) -> re.Match[str]:
    found = re.search(pattern, str(text))
    if found is None:
        raise RuleUnreadable(place, text)
    return found


def _one_of(word: str, words: tuple[str, ...], place: str) -> str:
    if word not in words:
        raise RuleUnreadable(place, word)
    return word


def _day_n(text: str, place: str) -> tuple[int, str]:
    found = _match(r"day_n\((\d+)\) (\d\d:\d\d)", text, place)
    return int(found[1]), found[2]


def _moment(text: str, place: str) -> dict[str, Any]:
    """Read `due`, `due - 10 min`, `expire`, `due_date 09:30` or `day_n(32) 18:00`."""
    if found := re.fullmatch(r"(due|expire)(?: ([+-]) (\d+) min)?", text):
        minutes = int(found[3] or 0)
        return {"from": found[1], "minutes": -minutes if found[2] == "-" else minutes}
    if found := re.fullmatch(r"due_date (\d\d:\d\d)", text):
        return {"day": "due", "time": found[1]}
    day, at = _day_n(text, place)
    return {"day": day, "time": at}


def _reminder(rule: dict[str, str], place: str) -> dict[str, Any]:
    _one_of(rule["to"], ("assignee",), place)
    return _moment(rule["at"], place)


def _escalation(rule: dict[str, str], place: str) -> dict[str, Any]:
    return _moment(rule["at"], place) | {
        "to": _one_of(rule["to"], ("store_manager",), place),
        "how": _one_of(rule["how"], ("push", "daily_list"), place),
    }


def _raised(book: dict[str, Any], key: str) -> dict[str, int]:
    """Read "d30 priority raised to 2" from the notes of the purchase-count nodes."""
    raised = {}
    for buyer, plan in book["node_by_purchase_count"].items():
        if found := re.search(rf"\b{key} priority raised to (\d)", plan.get("note", "")):
            raised[buyer] = int(found[1])
    return raised


def _waiting_nodes(book: dict[str, Any]) -> set[str]:
    """Read "returns before expire_at and node in [d30, d60, d90] -> stays"."""
    text = " | ".join(book["assignment"]["guide_on_leave"])
    found = _search(r"returns before expire_at and node in \[(.+?)] -> stays", text, "assignment.guide_on_leave")
    return {word.strip() for word in found[1].split(",")}


def _held_nodes(book: dict[str, Any]) -> set[str]:
    """Read "while a complaint or return ticket of this cycle is open, d30/d60/d90 are held"."""
    text = book["returns"]["hold_when_ticket_open"]
    return set(_search(r"is open, (\S+) are held", text, "returns.hold_when_ticket_open")[1].split("/"))


def _always_shown(book: dict[str, Any]) -> set[str]:
    """Read "m30, d3, after-sale and birthday-on-the-day are always shown"."""
    note = book["caps"]["per_guide_day"]["note"]
    found = _search(r"; (.+?) and birthday-on-the-day are always shown", note, "caps.per_guide_day.note")
    return {word.strip() for word in found[1].split(",")}


def _friend_lost(book: dict[str, Any]) -> dict[str, str]:
    """Read "m30/d3: …; d30/d60: …; d90: …" of the skip rule friend_lost."""
    place = "skip_rules.friend_lost"
    text = next(rule["action"] for rule in book["skip_rules"] if rule["key"] == "friend_lost")
    ways = {}
    for part in text.split("; "):
        if found := re.fullmatch(r"([md]\d+(?:/[md]\d+)*): (.+)", part):
            if found[2] not in FRIEND_LOST:
                raise RuleUnreadable(place, part)
            ways.update(dict.fromkeys(found[1].split("/"), FRIEND_LOST[found[2]]))
    missing = [node["key"] for node in book["nodes"] if node["key"] not in ways]
    if missing:
        raise RuleUnreadable(place, f"nothing for {missing}")
    return ways
