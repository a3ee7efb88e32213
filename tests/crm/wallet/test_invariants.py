"""Each invariant of reliability-security §4 is kept by the database: the wrong is refused, and goes through once its guard is gone.

The wrong is written in plain SQL, as a bug or a hand at the console would: no service stands before it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from crm.members.models import Member
from crm.wallet.models import CardRefund, LedgerDay, LedgerEntry, TopUp, Transfer, Wallet
from crm.wallet.services import close_days, spend
from tests.factories.crm import make_member
from tests.factories.guides import make_staff
from tests.factories.wallet import SYSTEM, make_wallet, top_up
from yejibao.core.clock import local_day, parse_iso

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-20 12:00")


@dataclass
class Books:
    """A member with a card, a spend on it, a top-up that was settled and a refund that waits: what the wrong is done to."""

    member: Member
    wallet: Wallet
    spent: Transfer
    top_up: TopUp
    refund: CardRefund

    @property
    def names(self) -> dict[str, Any]:
        entry = LedgerEntry.objects.filter(transfer=self.spent).order_by("pk")[0]
        return {
            "wallet": self.wallet.pk, "member": self.member.pk, "spent": self.spent.pk, "entry": entry.pk, "top_up": self.top_up.pk,
            "refund": self.refund.pk, "booked": self.top_up.transfer_id, "guide": self.top_up.guide_id,
            "day": LedgerDay.objects.order_by("pk")[0].pk, "no": f"99{self.wallet.pk}",
        }  # fmt: skip


@pytest.fixture
def books() -> Books:
    member = make_member()
    guide = make_staff()
    wallet = make_wallet(member, now=NOW)
    done = top_up(member, now=NOW, guide=guide)
    spent = spend(member, amount_fen=53000, key="sale:1", subject="sale:1", actor=SYSTEM, now=NOW)
    refund = CardRefund.objects.create(
        wallet=wallet, way="account", method="ratio", principal_fen=200000, gift_fen=12000, pay_fen=200000, two_from_fen=50000,
        reason="不用了", asked_kind="staff", asked_by=guide, asked_at=NOW, pay_before=local_day(NOW),
    )  # fmt: skip
    close_days(until=local_day(NOW), now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what is made here is right; nothing is left to look at later
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return Books(member, wallet, Transfer.objects.get(pk=spent.transfer_id), done, refund)


_TRANSFER = (
    "INSERT INTO crm_transfer (kind, actor_kind, key, at, booked_on{more}) "
    "VALUES ('takings', '{who}', '{key}', now(), current_date{values})"
)
_LEG = (
    "INSERT INTO crm_ledgerentry (transfer_id, account, wallet_id, side, amount_fen, booked_on) "
    "VALUES ({transfer}, '{account}', {wallet}, {side}, {amount}, current_date)"
)


def transfer(key: str, *, who: str = "staff", more: str = "", values: str = "") -> str:
    return _TRANSFER.format(key=key, who=who, more=more, values=values)


def leg(transfer: str, account: str, side: int, amount: int, wallet: str = "NULL") -> str:
    return _LEG.format(transfer=transfer, account=account, side=side, amount=amount, wallet=wallet)


def legs(one: str, other: str) -> str:
    """Return both as one statement, as the ledger wants them."""
    return f"{one}, {other.partition('VALUES ')[2]}"


NEWEST = "(SELECT max(id) FROM crm_transfer)"
UP, REFUND = "crm_topup", "crm_cardrefund"

# name: (table, guards that are taken out, the wrong). A guard is a constraint, an index, or `trigger:NAME`.
WRONGS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    # 1. amounts
    "an entry of nothing": ("crm_ledgerentry", ("entry_amount",), (transfer("w"), legs(leg(NEWEST, "suspense", 1, 0), leg(NEWEST, "suspense", -1, 0)))),
    "an entry below 0": ("crm_ledgerentry", ("entry_amount",), (transfer("w"), legs(leg(NEWEST, "suspense", 1, -5), leg(NEWEST, "suspense", -1, -5)))),
    # 2. at least two legs that sum to 0, on accounts that exist
    "a transfer that does not sum to 0": ("crm_ledgerentry", ("trigger:crm_entries_balanced",), (
        transfer("w"), legs(leg(NEWEST, "cash_counter", 1, 100), leg(NEWEST, "suspense", -1, 99)))),
    "a transfer without legs": ("crm_transfer", ("trigger:crm_transfer_balanced",), (transfer("w"),)),
    "a leg added to an old transfer": ("crm_ledgerentry", ("trigger:crm_entries_balanced",), (leg("{spent}", "suspense", 1, 5),)),
    "legs of no transfer": ("crm_ledgerentry", ("trigger:crm_entries_balanced",), (legs(leg("0", "suspense", 1, 5), leg("0", "suspense", -1, 5)),)),
    "a transfer deleted": ("crm_transfer", ("trigger:crm_transfer_append_only",), ("DELETE FROM crm_transfer WHERE id = {spent}",)),
    "a transfer's number changed": ("crm_transfer", ("trigger:crm_transfer_kept",), ("UPDATE crm_transfer SET id = id + 1000 WHERE id = {spent}",)),
    "a leg that is neither debit nor credit": ("crm_ledgerentry", ("entry_side",), (
        transfer("w"), legs(leg(NEWEST, "suspense", 2, 5), leg(NEWEST, "suspense", -1, 10)))),
    "an account that does not exist": ("crm_ledgerentry", ("entry_account", "entry_card_account"), (
        transfer("w"), legs(leg(NEWEST, "pocket", 1, 5), leg(NEWEST, "suspense", -1, 5)))),
    "principal of no card": ("crm_ledgerentry", ("entry_card_account",), (
        transfer("w"), legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "principal", -1, 5)))),
    "cash of a card": ("crm_ledgerentry", ("entry_card_account",), (
        transfer("w"), legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "cash_counter", -1, 5, "{wallet}")))),
    # 3. append only
    "an entry changed": ("crm_ledgerentry", ("trigger:crm_ledgerentry_append_only",), ("UPDATE crm_ledgerentry SET amount_fen = amount_fen + 1 WHERE id = {entry}",)),
    "an entry deleted": ("crm_ledgerentry", ("trigger:crm_ledgerentry_append_only",), ("DELETE FROM crm_ledgerentry WHERE id = {entry}",)),
    "a transfer changed": ("crm_transfer", ("trigger:crm_transfer_kept",), ("UPDATE crm_transfer SET subject = 'sale:2' WHERE id = {spent}",)),
    "what came back of a spend made less": ("crm_transfer", ("trigger:crm_transfer_kept",), (
        "UPDATE crm_transfer SET back_principal_fen = 10 WHERE id = {spent}", "UPDATE crm_transfer SET back_principal_fen = 5 WHERE id = {spent}")),
    "a closed day changed": ("crm_ledgerday", ("trigger:crm_ledgerday_append_only",), (
        "UPDATE crm_ledgerday SET opening_fen = opening_fen + 1, closing_fen = closing_fen + 1 WHERE id = {day}",)),
    "a step deleted": ("crm_walletstep", ("trigger:crm_walletstep_append_only",), ("DELETE FROM crm_walletstep WHERE top_up_id = {top_up}",)),
    "a reversal that does not say why": ("crm_transfer", ("transfer_reversal_says_why",), (
        transfer("w", more=", reverses_id", values=", {spent}"), legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "suspense", -1, 5)))),
    # 4. no card below 0
    "principal below 0": ("crm_wallet", ("wallet_not_negative",), ("UPDATE crm_wallet SET principal_fen = -1 WHERE id = {wallet}",)),
    "gift below 0": ("crm_wallet", ("wallet_not_negative",), ("UPDATE crm_wallet SET gift_fen = -1 WHERE id = {wallet}",)),
    "a dead card with money on it": ("crm_wallet", ("wallet_replaced_is_empty", "trigger:crm_wallet_step"), ("UPDATE crm_wallet SET state = 'replaced' WHERE id = {wallet}",)),
    "a second card of one member": ("crm_wallet", ("wallet_one_live",), (
        "INSERT INTO crm_wallet (public_id, member_id, card_no, state, opened_at) VALUES (gen_random_uuid(), {member}, '{no}', 'frozen', now())",)),
    # 5. one command, one effect
    "the same key twice": ("crm_transfer", ("transfer_once",), (
        transfer("w"), legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "suspense", -1, 5)), transfer("w"), legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "suspense", -1, 5)))),
    "no key": ("crm_transfer", ("transfer_has_key",), (transfer(""), legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "suspense", -1, 5)))),
    "the provider's money twice": ("crm_transfer", ("transfer_provider_once",), tuple(
        statement for key in "ab" for statement in (
            transfer(key, more=", provider, provider_txn", values=", 'wechatpay', '4200'"), legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "suspense", -1, 5))))),
    "reversed twice": ("crm_transfer", ("transfer_reversed_once",), tuple(
        statement for key in "ab" for statement in (
            transfer(key, more=", reverses_id, reason", values=", {spent}, 'mistake'").replace("'takings'", "'reversal'"),
            legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "suspense", -1, 5))))),
    "a transfer that takes less than nothing": ("crm_transfer", ("transfer_refunds_within",), (
        transfer("w", more=", principal_fen", values=", -5"), legs(leg(NEWEST, "suspense", 1, 5), leg(NEWEST, "suspense", -1, 5)))),
    "more refunded than was spent": ("crm_transfer", ("transfer_refunds_within",), ("UPDATE crm_transfer SET back_principal_fen = principal_fen + 1 WHERE id = {spent}",)),
    # 6. states go forward, each step says who
    "a top-up that goes back": (UP, ("trigger:crm_topup_forward", "trigger:crm_topup_step", "top_up_settled_is_booked"), (
        f"UPDATE {UP} SET state = 'confirmed' WHERE id = {{top_up}}",)),
    "a state nobody wrote down": (REFUND, ("trigger:crm_cardrefund_step",), (f"UPDATE {REFUND} SET state = 'refused' WHERE id = {{refund}}",)),
    "a refund that comes alive again": (REFUND, ("trigger:crm_cardrefund_forward", "trigger:crm_cardrefund_step"), (
        "INSERT INTO crm_walletstep (refund_id, from_state, to_state, actor_kind, why, at) VALUES ({refund}, 'asked', 'refused', 'staff', '', now())",
        f"UPDATE {REFUND} SET state = 'refused' WHERE id = {{refund}}", f"UPDATE {REFUND} SET state = 'asked' WHERE id = {{refund}}")),
    "credited without the member's word": (UP, ("top_up_confirmed_by_member",), (f"UPDATE {UP} SET confirmed_at = NULL WHERE id = {{top_up}}",)),
    "settled without money": (UP, ("top_up_settled_is_booked",), (f"UPDATE {UP} SET transfer_id = NULL WHERE id = {{top_up}}",)),
    "cash at a distance": (UP, ("top_up_no_distant_cash",), (f"UPDATE {UP} SET is_distant = true WHERE id = {{top_up}}",)),
    # two persons
    "a large refund by one person": (REFUND, ("card_refund_four_eyes", "trigger:crm_cardrefund_step"), (
        f"UPDATE {REFUND} SET state = 'approved', asked_by_id = NULL, approved_by_id = {{guide}} WHERE id = {{refund}}",)),
    "one's own refund": (REFUND, ("card_refund_four_eyes", "trigger:crm_cardrefund_step"), (
        f"UPDATE {REFUND} SET state = 'approved', pay_fen = 100, approved_by_id = {{guide}} WHERE id = {{refund}}",)),
    "paid and not booked": (REFUND, ("card_refund_paid_is_booked", "card_refund_four_eyes", "trigger:crm_cardrefund_step"), (
        f"UPDATE {REFUND} SET state = 'paid' WHERE id = {{refund}}",)),
    "more paid out than is on the card": (REFUND, ("card_refund_amounts",), (f"UPDATE {REFUND} SET pay_fen = 212001 WHERE id = {{refund}}",)),
    "a day that does not add up": ("crm_ledgerday", ("ledger_day_adds_up",), (
        "INSERT INTO crm_ledgerday (day, part, opening_fen, topped_up_fen, spent_fen, returned_fen, refunded_fen, corrected_fen, closing_fen, closed_at) "
        "VALUES ('2026-01-01', 'gift', 1, 1, 0, 0, 0, 0, 3, now())",)),
    "a day closed twice": ("crm_ledgerday", ("ledger_day_once",), (
        "INSERT INTO crm_ledgerday (day, part, opening_fen, topped_up_fen, spent_fen, returned_fen, refunded_fen, corrected_fen, closing_fen, closed_at) "
        "SELECT day, part, opening_fen, topped_up_fen, spent_fen, returned_fen, refunded_fen, corrected_fen, closing_fen, closed_at FROM crm_ledgerday WHERE id = {day}",)),
}  # fmt: skip


def do_wrong(wrong: tuple[str, ...], names: dict[str, Any]) -> None:
    """Do it, and let what waits for the end of the transaction look now."""
    with connection.cursor() as cursor:
        for statement in wrong:
            cursor.execute(statement.format(**names))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@contextmanager
def taken_out(table: str, guards: tuple[str, ...]) -> Iterator[None]:
    """Drop the guards for a block; the transaction around the test brings them back."""
    with connection.cursor() as cursor:
        for guard in guards:
            own, _, name = guard.rpartition(".") if "." in guard else (table, "", guard)
            if name.startswith("trigger:"):
                cursor.execute(f"DROP TRIGGER {name.removeprefix('trigger:')} ON {own}")
                continue
            cursor.execute("SELECT 1 FROM pg_constraint WHERE conname = %s", [name])
            cursor.execute(f"ALTER TABLE {own} DROP CONSTRAINT {name}" if cursor.fetchone() else f"DROP INDEX {name}")
    yield


@pytest.mark.parametrize("name", WRONGS)
def test_the_database_refuses_it_and_only_its_guard_does(name: str, books: Books) -> None:
    table, guards, wrong = WRONGS[name]
    names = books.names
    with pytest.raises(DatabaseError), transaction.atomic():
        do_wrong(wrong, names)
    with taken_out(table, guards):
        do_wrong(wrong, names)  # goes through: what refused it was this guard


@pytest.mark.parametrize("table", ["crm_ledgerentry", "crm_transfer", "crm_walletstep", "crm_ledgerday"])
def test_the_books_are_not_emptied(table: str, books: Books) -> None:
    """Here they may be thrown away; where that is not said, TRUNCATE is refused."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL yejibao.scratch = 'off'")
        with pytest.raises(DatabaseError, match="append only"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table} CASCADE")
        for name in ("crm_transfer", "crm_ledgerentry", "crm_ledgerday", "crm_walletstep"):
            cursor.execute(f"DROP TRIGGER {name}_no_truncate ON {name}")
        cursor.execute(f"TRUNCATE {table} CASCADE")
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == (0,)


def test_a_dead_card_stays_dead(books: Books) -> None:
    books_member = make_member()
    wallet = make_wallet(books_member, now=NOW, principal_fen=0)
    wrong = (
        "INSERT INTO crm_walletstep (wallet_id, from_state, to_state, actor_kind, why, at) VALUES ({wallet}, 'active', 'replaced', 'staff', '', now())",
        "UPDATE crm_wallet SET state = 'replaced' WHERE id = {wallet}",
        "UPDATE crm_wallet SET state = 'active' WHERE id = {wallet}",
    )
    with pytest.raises(DatabaseError, match="replaced does not become active"), transaction.atomic():
        do_wrong(wrong, {"wallet": wallet.pk})
    with taken_out("crm_wallet", ("trigger:crm_wallet_forward", "trigger:crm_wallet_step")):
        do_wrong(wrong, {"wallet": wallet.pk})
