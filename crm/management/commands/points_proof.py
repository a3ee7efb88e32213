"""bin/manage points_proof [--json]: does the ledger of points balance to the point?"""

import json
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from crm.benefits.services import prove_points
from yejibao.core import clock


class Command(BaseCommand):
    help = "Prove that the points ledger balances: entries, accounts, lots and uses. Exit code 1 where it does not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *, json: bool = False, **_: object) -> None:
        proof = prove_points(now=clock.now())
        told = {
            "day": proof.day.isoformat(), "entries": proof.entry_count, "balance": proof.balance, "faults": proof.faults,
            "is_balanced": proof.is_balanced,
        }  # fmt: skip
        self.stdout.write(dumps(told) if json else _words(told))
        if not proof.is_balanced:
            raise CommandError("the points ledger does not balance")


def dumps(told: dict[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False)


def _words(told: dict[str, object]) -> str:
    faults = told["faults"]
    assert isinstance(faults, dict)
    lines = [f"{told['day']}: {told['entries']:,} entries, balance {told['balance']:,} points"]
    lines += [f"  {'ok ' if not count else 'BAD'} {name}: {count}" for name, count in faults.items()]
    return "\n".join(lines)
