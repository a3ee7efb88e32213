"""The proof of the ledger: everything sums to 0, every card's live balance is the sum of its entries, every day adds up."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import connection, transaction

from crm.wallet.models import ACCOUNTS, CARD_ACCOUNTS, LedgerDay, LedgerProof

FIRST_FEW = 20

_BY_ACCOUNT = """
SELECT account, coalesce(sum(amount_fen) FILTER (WHERE side = 1), 0), coalesce(sum(amount_fen) FILTER (WHERE side = -1), 0), count(*)
FROM crm_ledgerentry WHERE %(until)s::date IS NULL OR booked_on <= %(until)s GROUP BY account
"""
OFF_WALLETS = """
SELECT w.id FROM crm_wallet w FULL JOIN (
    SELECT wallet_id, -coalesce(sum(side * amount_fen) FILTER (WHERE account = 'principal'), 0) AS principal,
        -coalesce(sum(side * amount_fen) FILTER (WHERE account = 'gift'), 0) AS gift
    FROM crm_ledgerentry WHERE wallet_id IS NOT NULL GROUP BY wallet_id
) e ON e.wallet_id = w.id
WHERE w.principal_fen <> coalesce(e.principal, 0) OR w.gift_fen <> coalesce(e.gift, 0) ORDER BY w.id
"""
OFF_TRANSFERS = """
SELECT t.id FROM crm_transfer t LEFT JOIN crm_ledgerentry e ON e.transfer_id = t.id
GROUP BY t.id HAVING count(e.id) < 2 OR sum(e.side * e.amount_fen) <> 0 ORDER BY t.id
"""
_OF_DAY = """
SELECT e.account, t.kind, -sum(e.side * e.amount_fen) FROM crm_ledgerentry e JOIN crm_transfer t ON t.id = e.transfer_id
WHERE e.booked_on = %(day)s AND e.account IN ('principal', 'gift') GROUP BY 1, 2
"""
_BEFORE = """
SELECT account, -sum(side * amount_fen) FROM crm_ledgerentry
WHERE account IN ('principal', 'gift') AND booked_on < %(day)s AND (%(since)s::date IS NULL OR booked_on > %(since)s) GROUP BY 1
"""


@dataclass(frozen=True)
class AccountSum:
    account: str
    debit_fen: int
    credit_fen: int

    @property
    def balance_fen(self) -> int:
        """Return debits less credits: what we hold is positive, what we owe negative."""
        return self.debit_fen - self.credit_fen


@dataclass(frozen=True)
class TrialBalance:
    """All accounts up to the end of a day, or now."""

    day: date | None
    rows: tuple[AccountSum, ...]
    entries_count: int

    @property
    def difference_fen(self) -> int:
        return sum(row.balance_fen for row in self.rows)

    @property
    def liability_fen(self) -> int:
        """Return what is owed on cards, principal and gift."""
        return -sum(row.balance_fen for row in self.rows if row.account in CARD_ACCOUNTS)


def trial_balance(day: date | None = None) -> TrialBalance:
    """Sum every account; the whole ledger is read."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_ACCOUNT, {"until": day})
        found = {account: (int(debit), int(credit), int(count)) for account, debit, credit, count in cursor.fetchall()}
    rows = tuple(AccountSum(str(name), *found.get(str(name), (0, 0, 0))[:2]) for name in ACCOUNTS)
    return TrialBalance(day, rows, sum(count for *_amounts, count in found.values()))


def prove_ledger(*, now: datetime) -> LedgerProof:
    """Count the whole ledger and keep what came out. In one snapshot, so that what is on its way is not half seen."""
    with transaction.atomic():
        if not connection.savepoint_ids:  # nobody's transaction but ours
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return _prove(now)


def _prove(now: datetime) -> LedgerProof:
    balance = trial_balance()
    wallets, transfers = _ids(OFF_WALLETS), _ids(OFF_TRANSFERS)
    days = _days_off()
    return LedgerProof.objects.create(
        at=now, entries_count=balance.entries_count, difference_fen=balance.difference_fen, wallets_off_count=len(wallets),
        transfers_off_count=len(transfers), days_off_count=len(days),
        facts={"wallets": wallets[:FIRST_FEW], "transfers": transfers[:FIRST_FEW], "days": days[:FIRST_FEW]},
    )  # fmt: skip


def _ids(statement: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()]


# ---------------------------------------------------------------- days


@dataclass(frozen=True)
class DayRow:
    """A day of one part: opening + topped up − spent + returned − refunded + corrected = closing."""

    day: date
    part: str
    opening_fen: int
    topped_up_fen: int = 0
    spent_fen: int = 0
    returned_fen: int = 0
    refunded_fen: int = 0
    corrected_fen: int = 0

    @property
    def closing_fen(self) -> int:
        return (
            self.opening_fen + self.topped_up_fen - self.spent_fen + self.returned_fen - self.refunded_fen
            + self.corrected_fen
        )  # fmt: skip


_COLUMN = {
    "top_up": ("topped_up_fen", 1), "spend": ("spent_fen", -1), "spend_refund": ("returned_fen", 1), "card_refund": ("refunded_fen", -1),
}  # fmt: skip


def closing(day: date) -> list[DayRow]:
    """Return a day of both parts as its entries say, closed or not."""
    before = LedgerDay.objects.filter(day__lt=day).order_by("-day").values_list("day", flat=True).first()
    opening = dict.fromkeys(CARD_ACCOUNTS, 0)
    if before is not None:
        for row in LedgerDay.objects.filter(day=before):
            opening[row.part] += row.closing_fen  # type: ignore[index]
    moved: dict[str, dict[str, int]] = {str(part): {} for part in CARD_ACCOUNTS}
    with connection.cursor() as cursor:
        cursor.execute(_BEFORE, {"day": day, "since": before})
        for account, amount in cursor.fetchall():
            opening[account] += int(amount)
        cursor.execute(_OF_DAY, {"day": day})
        for account, kind, amount in cursor.fetchall():
            column, sign = _COLUMN.get(kind, ("corrected_fen", 1))
            moved[account][column] = moved[account].get(column, 0) + sign * int(amount)
    return [DayRow(day, str(part), opening[part], **moved[str(part)]) for part in CARD_ACCOUNTS]


def close_days(*, until: date, now: datetime) -> int:
    """Close every day that is over and has not been, oldest first. Return how many days."""
    closed = 0
    for day in _open_days(until):
        rows = [
            LedgerDay(
                day=row.day, part=row.part, opening_fen=row.opening_fen, topped_up_fen=row.topped_up_fen, spent_fen=row.spent_fen,
                returned_fen=row.returned_fen, refunded_fen=row.refunded_fen, corrected_fen=row.corrected_fen,
                closing_fen=row.closing_fen, closed_at=now,
            )
            for row in closing(day)
        ]  # fmt: skip
        closed += bool(LedgerDay.objects.bulk_create(rows, ignore_conflicts=True))
    return closed


def _open_days(until: date) -> Iterator[date]:
    day = LedgerDay.objects.order_by("-day").values_list("day", flat=True).first()
    if day is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT min(booked_on) FROM crm_ledgerentry")
            first: date | None = cursor.fetchone()[0]
        if first is None:
            return
        day = first - timedelta(days=1)
    while (day := day + timedelta(days=1)) <= until:
        yield day


def _days_off() -> list[str]:
    """Return the closed days whose entries now say something else."""
    closed: dict[date, dict[str, tuple[int, int]]] = {}
    for row in LedgerDay.objects.order_by("day", "part"):
        closed.setdefault(row.day, {})[row.part] = (row.opening_fen, row.closing_fen)
    return [
        str(day)
        for day, said in closed.items()
        if said != {row.part: (row.opening_fen, row.closing_fen) for row in closing(day)}
    ]
