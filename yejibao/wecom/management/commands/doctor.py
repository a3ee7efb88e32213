"""`doctor [--json]`: what is wrong between this installation and the platform's console, and where to mend it."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from yejibao.core import clock
from yejibao.wecom import doctor

MARKS = {"ok": "✓", "wrong": "×", "ask": "?", "skipped": "·"}


class Command(BaseCommand):
    help = "上线体检：密钥、可见范围、授权、域名、回调、时钟逐项检查，每项说清错在哪里、到哪里改。有错时退出码为 1。"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="只输出一行 JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = []
        for finding in doctor.examine(doctor.Patient(clock.now())):
            findings.append(finding)
            if not options["json"]:
                self._say(finding)
        wrong = sum(one.state is doctor.State.WRONG for one in findings)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in findings], ensure_ascii=False))
        else:
            self.stdout.write(
                f"\n{len(findings)} 项，{wrong} 项要修。" if wrong else f"\n{len(findings)} 项，没有要修的。"
            )
        if wrong:
            raise SystemExit(1)

    def _say(self, finding: doctor.Finding) -> None:
        self.stdout.write(f"{MARKS[finding.state]} {finding.title}：{finding.found}")
        if finding.mend:
            self.stdout.write(f"    怎么办：{finding.mend}")
            self.stdout.write(f"    在哪里：{finding.where}")
        self.stdout.flush()
