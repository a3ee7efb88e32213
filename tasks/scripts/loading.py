"""From the domain files to rows: 40 scripts of the nodes and those of all other kinds, versioned by text."""

from collections import Counter
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from tasks.cadences.loading import read_book

from .coverage import coverage_gaps
from .models import Script
from .words import BUYER_LABELS, PRODUCT_LABELS, contexts, faults_of, kind_names, requirements, tone_of

COMPARED = (
    "title", "task_type", "node", "buyer", "product", "timing", "channel", "scene", "requires", "audience", "tone",
    "text",
)  # fmt: skip
SCENE_LABELS = {
    "any": "", "auto": "自动欢迎语", "old_member": "老会员", "first_chat": "破冰", "live": "直播来的",
    "referral": "朋友推荐来的", "d3": "入会几天", "d14": "入会两周", "vip": "VIP", "repeat": "老客",
    "lunar": "农历生日", "new_year_day": "元旦", "laba": "腊八", "spring_festival": "春节", "lantern": "元宵",
    "valentine": "情人节", "womens_day": "三八节", "female": "女士", "labor_day": "五一", "dragon_boat": "端午",
    "fathers_day": "父亲节", "gift": "送礼", "qixi": "七夕", "teachers_day": "教师节", "doctors_day": "医师节",
    "mid_autumn": "中秋", "national_day": "国庆", "double_ninth": "重阳", "winter_solstice": "冬至",
    "little_new_year": "小年", "autumn_start": "立秋", "winter_start": "立冬", "summer_start": "入夏",
    "spring_start": "开春", "points": "积分抵现", "owned": "配他已有的", "anniversary": "周年庆",
    "opening": "新店开业", "season_end": "季末", "festival": "节日活动", "size": "问尺码", "occasion": "问场合",
    "birthday": "问生日", "in_store": "在店", "dormant": "好久没来", "d1": "前一天", "h1": "开播前一小时",
    "onair": "开播中", "after": "播完", "price": "嫌价格", "style": "拿不准款式", "unknown": "不知原因",
    "work_change": "离职或调店", "outfit": "穿搭", "care": "护理", "arrival": "上新", "morning": "早安", "quiz": "一周一问", "coupon": "群券",
    "return": "退货后", "exchange": "换货后", "done": "处理好了", "alteration": "改衣", "fitting": "定制", "confirm": "请他确认", "making": "开裁", "delayed": "延期", "new_guide": "换了导购",
    "call": "电话", "trip": "出差", "salon": "沙龙", "suit": "西服", "down": "羽绒",
}  # fmt: skip


class ScriptRefused(ValueError):
    """A script of the domain file that may not be published, or a combination nothing can be said in."""


@transaction.atomic
def load_scripts(*, now: datetime, replace_edited: bool = False) -> dict[str, int]:
    """Load the scripts of both domain files; return counts of created, changed, same, kept and retired.

    A changed text or context makes a new version; the old one stays for what was sent with it. What HQ has edited since
    is kept, unless `replace_edited` is set. Raises ScriptRefused, and then loads none.
    """
    rows = script_rows(read_book("followup_3369"), read_book("scripts"))
    tally: Counter[str] = Counter(dict.fromkeys(("created", "changed", "same", "kept", "retired"), 0))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('load_scripts'))")
    current = {script.key: script for script in Script.objects.filter(is_current=True)}
    newest_of_file: dict[str, Script] = {}
    newest_number: dict[str, int] = {}
    for script in Script.objects.order_by("key", "version"):
        newest_number[script.key] = script.version
        if script.created_by_id is None:
            newest_of_file[script.key] = script
    fresh, outdated = [], []
    for row in rows:
        key = row["key"]
        held, source = current.get(key), newest_of_file.get(key)
        if held and source and all(getattr(source, name) == row[name] for name in COMPARED):
            tally["same"] += 1
        elif held and held.created_by_id and not replace_edited:
            tally["kept"] += 1
        else:
            tally["changed" if held else "created"] += 1
            outdated += [held.pk] if held else []
            fresh.append(
                Script(
                    **row,
                    version=newest_number.get(key, 0) + 1,
                    is_enabled=held.is_enabled if held else True,
                    used_90_count=held.used_90_count if held else 0,
                    replied_90_count=held.replied_90_count if held else 0,
                    counted_at=held.counted_at if held else None,
                    created_at=now,
                )
            )
    gone = [
        one.pk for key, one in current.items() if one.created_by_id is None and key not in {row["key"] for row in rows}
    ]
    tally["retired"] = len(gone)
    Script.objects.filter(pk__in=outdated + gone).update(is_current=False)
    Script.objects.bulk_create(fresh)
    return dict(tally)


def script_rows(followup: dict[str, Any], library: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the columns of every script of both files, checked. Raises ScriptRefused with all that is wrong."""
    rows = [_row(entry) for entry in [*followup["scripts"], *library["scripts"]]]
    faults = [f"{row['key']}: {fault}" for row in rows for fault in _faults(row)]
    faults += [f"{key}: twice" for key, times in Counter(row["key"] for row in rows).items() if times > 1]
    faults += [f"nothing to say: {gap}" for gap in coverage_gaps(followup["scripts"], followup)]
    if faults:
        raise ScriptRefused("; ".join(faults))
    return rows


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    node, product, text = entry.get("node", ""), entry.get("product", "any"), entry["text"]
    row = {
        "key": entry["key"],
        "task_type": f"followup_{node}" if node else entry.get("task_type", ""),
        "node": node,
        "buyer": entry.get("buyer", "any"),
        "product": product,
        "timing": entry.get("timing", "any"),
        "channel": entry.get("channel", "any"),
        "scene": entry.get("scene", ["any"]),
        "requires": entry.get("requires", []),
        "audience": entry.get("audience", "member"),
        "tone": tone_of(text, product),
        "text": text,
    }
    return row | {"title": _title(row)}


def _faults(row: dict[str, Any]) -> list[str]:
    faults = faults_of(row["text"])
    if row["task_type"] not in kind_names():
        faults.append(f"unknown task_type {row['task_type']!r}")
    faults += [f"unknown {key} {row[key]!r}" for key, known in contexts().items() if row[key] not in known]
    faults += [f"unknown requirement {word!r}" for word in row["requires"] if word not in requirements()]
    return faults


TITLES = {"m30": "致谢", "d3": "问合身", "d30": "配一套", "d60": "请他来", "d90": "问近况"}
NEEDS = {
    "coupon": "带券", "points": "说积分", "balance": "说余额", "event": "请来活动", "new_item": "带新品",
    "outfit": "带穿搭", "level_gap": "快升级",
}  # fmt: skip


def _title(row: dict[str, Any]) -> str:
    """Name a script after what it is for: 首购 · 致谢, 生日当天祝福 · 农历生日."""
    needs = [NEEDS[word] for word in row["requires"] if word in NEEDS]
    if row["node"]:
        who = BUYER_LABELS.get(row["buyer"], "") + PRODUCT_LABELS.get(row["product"], "")
        how = ["快递单"] if row["channel"] == "delivery" else []
        how += ["隔天"] if row["timing"] == "next_day" else []
        return " · ".join([*filter(None, [who]), TITLES[row["node"]], *how, *needs])[:32]
    scenes = [label for word in row["scene"] if (label := SCENE_LABELS.get(word, word))]
    return " · ".join([kind_names().get(row["task_type"], row["task_type"]), *scenes, *needs])[:32]
