"""Days close to the fen, the proof finds what is off, and the command says it."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from crm.wallet.health import ledger
from crm.wallet.jobs import prove_ledger_nightly
from crm.wallet.models import CardHolder, LedgerDay, Wallet
from crm.wallet.services import close_days, closing, prove_ledger, refund_spend, spend, trial_balance
from tests.factories.crm import make_member
from tests.factories.wallet import SYSTEM, make_holder, make_wallet
from yejibao.core.clock import local_day, parse_iso

pytestmark = pytest.mark.django_db
FIRST = parse_iso("2026-11-18 12:00")
SECOND = FIRST + timedelta(days=1)


@pytest.fixture
def wallet() -> Wallet:
    """Filled on one day; on the next 530 spent and 100 of it back."""
    member = make_member()
    wallet = make_wallet(member, now=FIRST)
    done = spend(member, amount_fen=53000, key="a", subject="s", actor=SYSTEM, now=SECOND)
    refund_spend(done.transfer_id, amount_fen=10000, key="b", subject="s", actor=SYSTEM, now=SECOND)
    return wallet


def test_each_day_adds_up_for_both_parts(wallet: Wallet) -> None:
    assert close_days(until=local_day(SECOND), now=SECOND) == 2
    said = [
        (str(row.day), row.part, row.opening_fen, row.topped_up_fen, row.spent_fen, row.returned_fen, row.closing_fen)
        for row in LedgerDay.objects.order_by("day", "-part")
    ]
    assert said == [
        ("2026-11-18", "principal", 0, 200000, 0, 0, 200000), ("2026-11-18", "gift", 0, 12000, 0, 0, 12000),
        ("2026-11-19", "principal", 200000, 0, 50000, 9434, 159434), ("2026-11-19", "gift", 12000, 0, 3000, 566, 9566),
    ]  # fmt: skip
    assert close_days(until=local_day(SECOND), now=SECOND) == 0
    third = closing(local_day(SECOND + timedelta(days=1)))
    assert [(row.part, row.opening_fen, row.closing_fen) for row in third] == [
        ("principal", 159434, 159434),
        ("gift", 9566, 9566),
    ]


def test_all_accounts_sum_to_nothing(wallet: Wallet) -> None:
    balance = trial_balance()
    assert (balance.difference_fen, balance.liability_fen) == (0, 169000)
    assert trial_balance(local_day(FIRST)).liability_fen == 212000


def off(statement: str) -> None:
    """Do at the console what the database would refuse."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what was right is looked at while it is
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET LOCAL session_replication_role = origin")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE crm_wallet SET principal_fen = principal_fen + 1", (0, 1, 0, 0)),
        (
            "UPDATE crm_ledgerentry SET amount_fen = amount_fen + 1 WHERE account = 'revenue_clearing' AND side = -1",
            (-1, 0, 1, 0),
        ),
        (
            "UPDATE crm_ledgerentry SET amount_fen = amount_fen + 1 WHERE account = 'principal' AND side = 1",
            (1, 1, 1, 1),
        ),
        ("DELETE FROM crm_ledgerentry WHERE account = 'cash_counter'", (-200000, 0, 1, 0)),
    ],
)
def test_what_is_off_is_found(wallet: Wallet, statement: str, found: tuple[int, ...]) -> None:
    close_days(until=local_day(SECOND), now=SECOND)
    assert prove_ledger(now=SECOND).is_in_balance
    off(statement)
    proof = prove_ledger(now=SECOND)
    assert (
        proof.difference_fen,
        proof.wallets_off_count,
        proof.transfers_off_count,
        min(1, proof.days_off_count),
    ) == found
    assert ledger(SECOND)["state"] == "down"


def test_the_command_says_it_in_one_line_of_json(wallet: Wallet) -> None:
    out = StringIO()
    call_command("trial_balance", "--json", stdout=out)
    said = json.loads(out.getvalue())
    assert (said["in_balance"], said["difference_fen"], said["liability_fen"], said["accounts"]["gift"]) == (
        True,
        0,
        169000,
        -9566,
    )
    off("UPDATE crm_wallet SET gift_fen = gift_fen + 1")
    with pytest.raises(CommandError, match="余额不符的卡 1 张"):
        call_command("trial_balance", stdout=StringIO())


def test_the_night_closes_proves_and_forgets_whose_years_are_over(wallet: Wallet, clock: Any) -> None:
    make_holder(wallet.member, now=FIRST)
    nobody = make_member()
    make_holder(nobody, now=FIRST)
    CardHolder.objects.update(keep_until=local_day(FIRST))
    clock.travel("2026-11-20 00:40")
    counts = prove_ledger_nightly()
    assert (counts["difference_fen"], counts["wallets_off"], counts["forgotten"]) == (0, 0, 1)
    assert list(CardHolder.objects.values_list("member_id", flat=True)) == [wallet.member_id]  # money is on his card
    assert LedgerDay.objects.order_by("-day").first().day.isoformat() == "2026-11-19"  # type: ignore[union-attr]
