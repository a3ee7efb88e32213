"""`trial_balance [--day YYYY-MM-DD] [--json]`: sum every account of the ledger and prove the cards' balances."""

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from crm.wallet.models import Account
from crm.wallet.services import prove_ledger, trial_balance
from yejibao.core import clock
from yejibao.core.money import yuan


class Command(BaseCommand):
    help = "Sum every account of the ledger; prove that it is 0 in all and that each card's balance is the sum of its entries."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--day", type=date.fromisoformat, help="only up to the end of a day (Shanghai)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, day: date | None, **options: Any) -> None:
        proof = prove_ledger(now=clock.now())
        balance = trial_balance(day)
        if options["json"]:
            said = {
                "day": day.isoformat() if day else None, "accounts": {row.account: row.balance_fen for row in balance.rows},
                "difference_fen": balance.difference_fen, "liability_fen": balance.liability_fen, "entries": balance.entries_count,
                "wallets_off": proof.wallets_off_count, "transfers_off": proof.transfers_off_count, "days_off": proof.days_off_count,
                "in_balance": proof.is_in_balance and not balance.difference_fen,
            }  # fmt: skip
            self.stdout.write(json.dumps(said))
        else:
            for row in balance.rows:
                label = Account(row.account).label
                self.stdout.write(
                    f"{label:　<6} 借 {yuan(row.debit_fen, cents=True):>18} 贷 {yuan(row.credit_fen, cents=True):>18}"
                )
            self.stdout.write(
                f"合计相差 {yuan(balance.difference_fen, cents=True)}，卡上共欠会员 {yuan(balance.liability_fen, cents=True)}。"
            )
        if not proof.is_in_balance or balance.difference_fen:
            raise CommandError(
                f"账不平：总差 {proof.difference_fen} 分，余额不符的卡 {proof.wallets_off_count} 张，借贷不平的流水 "
                f"{proof.transfers_off_count} 笔，对不上的日结 {proof.days_off_count} 天。退款已暂停，先查 /hq/wallet/ 里列出的卡和流水。"
            )
