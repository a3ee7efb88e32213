"""`list_exposed --since T [--until T] [--actor USERID] [--ip IP] [--members FILE] [--json]`: who and what was exposed."""

import csv
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crm.privacy import exposure
from yejibao.core import clock


def _moment(text: str) -> datetime:
    try:
        return clock.parse_iso(text if len(text) > 10 else f"{text} 00:00")
    except ValueError:
        raise CommandError(f"{text} 不是时间，写成 2026-11-21 或 2026-11-21 09:30。") from None


class Command(BaseCommand):
    help = "列出一段时间里谁看过、导出过哪些会员的信息（从审计记录），泄露时报告监管、通知本人用。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", required=True, help="2026-11-21 or 2026-11-21 09:30, Shanghai")
        parser.add_argument("--until", default="", help="the moment after it; now if left out")
        parser.add_argument("--actor", default="", help="one person, by WeCom user id")
        parser.add_argument("--ip", default="", help="one address")
        parser.add_argument("--members", type=Path, help="write the members' numbers with what was seen to a CSV file")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, since: str, until: str, actor: str, ip: str, members: Path | None, **options: Any) -> None:
        start, end = _moment(since), _moment(until) if until else clock.now()
        try:
            found = exposure.exposed(since=start, until=end, actor=actor, ip=ip)
        except LookupError as error:
            raise CommandError(str(error)) from None
        if members:
            with open(members, "w", newline="", opener=exposure.private) as file:
                out = csv.writer(file)
                out.writerow(["会员编号", "看到了什么", "谁", "最早", "最晚", "次数"])
                out.writerows(
                    [
                        one.member_id,
                        "、".join(sorted(one.fields)),
                        "、".join(sorted(one.people)),
                        one.first,
                        one.last,
                        one.times,
                    ]
                    for one in found.members
                )
        kinds: Counter[str] = Counter(field for one in found.members for field in one.fields)
        if options["json"]:
            people = [
                {"staff": one.staff, "name": one.name, "members": one.members, "acts": dict(one.acts)}
                for one in found.people
            ]
            told = {
                "since": start.isoformat(),
                "until": end.isoformat(),
                "members": len(found.members),
                "fields": dict(kinds),
            }
            self.stdout.write(json.dumps(told | {"people": people, "lists": found.lists}, ensure_ascii=False))
            return
        self.stdout.write(
            f"{len(found.members):,} 位会员的信息被看过：" + "，".join(f"{k} {n:,}" for k, n in kinds.items())
        )
        for one in found.people:
            acts = "，".join(f"{act} {count:,} 次" for act, count in one.acts.most_common())
            self.stdout.write(f"  {one.staff} {one.name}：{one.members:,} 位（{acts}）")
        for listed in found.lists:
            many = "" if listed["members"] is None else f"（{listed['members']:,} 位）"
            self.stdout.write(f"  名单 {listed['at']} {listed['staff']} {listed['action']} {listed['what']}{many}")
        self.stdout.write("怎么报、怎么通知，见 deploy/runbook.md 的 PersonalDataExposed。")
