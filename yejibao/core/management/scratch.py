"""Commands for scratch worlds, operators and outside tests: they make things up or show raw queues, so never in production."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class PrintingCommand(BaseCommand):
    """A command that answers people with a table and programs with a line of JSON."""

    requires_system_checks: list[str] = []

    def print_json(self, facts: Any) -> None:
        """Print one JSON object on one line, and nothing else."""
        self.stdout.write(json.dumps(facts, ensure_ascii=False, default=str))

    def print_table(self, rows: list[tuple[str, Any]]) -> None:
        """Print pairs in two columns that also line up where words are Chinese."""
        for word, value in rows:
            width = sum(2 if ord(letter) > 0x2E7F else 1 for letter in word)
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            self.stdout.write(word + " " * max(1, 24 - width) + f"{shown:>12}")


class ScratchCommand(PrintingCommand):
    """A command that production refuses in one sentence, before a setting is checked or a row is read."""

    def execute(self, *args: Any, **options: Any) -> Any:
        if settings.PRODUCTION:
            raise CommandError("这个命令只用于试验环境，生产环境（YEJIBAO_ENV=production）不能运行。")
        return super().execute(*args, **options)
