"""What the ledger's statements do, and what they refuse."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm.members.models import Member
from crm.wallet.errors import (
    AlreadyReversed,
    BalanceShort,
    CannotReverse,
    CardFrozen,
    NoCard,
    RefundTooMuch,
    SameMoneyTwice,
    Unbalanced,
)
from crm.wallet.models import LedgerEntry, Transfer
from crm.wallet.services import (
    Leg,
    balance_of,
    book,
    freeze,
    prove_ledger,
    refund_spend,
    replace_card,
    reverse_transfer,
    spend,
    trial_balance,
    unfreeze,
)
from crm.wallet.services.moving import credit
from crm.wallet.shares import Parts, split_refund, split_spend
from tests.factories.crm import make_member
from tests.factories.wallet import SYSTEM, fresh, make_wallet
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid
from yejibao.core.idempotency import KeyMismatch
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-20 12:00")
BY = {"actor": SYSTEM, "now": NOW}


@pytest.fixture
def member() -> Member:
    """The member of the domain's example: principal 2,000, gift 120."""
    member = make_member()
    make_wallet(member, now=NOW)
    return member


def legs_of(transfer_id: int) -> set[tuple[str, int, int]]:
    rows = LedgerEntry.objects.filter(transfer_id=transfer_id)
    return {(row.account, row.side, row.amount_fen) for row in rows}


def test_spending_takes_both_in_proportion(member: Member) -> None:
    done = spend(member, amount_fen=53000, key="sale:1", subject="sale:1", **BY)
    assert (done.principal_fen, done.gift_fen, fresh(member)) == (50000, 3000, (150000, 9000))
    assert legs_of(done.transfer_id) == {("principal", 1, 50000), ("gift", 1, 3000), ("revenue_clearing", -1, 53000)}
    assert prove_ledger(now=NOW).is_in_balance


def test_the_same_key_gets_the_first_answer(member: Member) -> None:
    first = spend(member, amount_fen=200000, key="sale:1", subject="sale:1", **BY)
    again = spend(member, amount_fen=200000, key="sale:1", subject="sale:1", **BY)  # by now there is not enough left
    assert (again.transfer_id, again.principal_fen, again.gift_fen) == (
        first.transfer_id,
        first.principal_fen,
        first.gift_fen,
    )
    assert (first.is_replay, again.is_replay, Transfer.objects.filter(key="sale:1").count()) == (False, True, 1)


def test_the_key_of_another_command_is_refused(member: Member) -> None:
    spend(member, amount_fen=100, key="sale:1", subject="sale:1", **BY)
    for amount, subject in ((101, "sale:1"), (100, "sale:2")):
        with pytest.raises(KeyMismatch):
            spend(member, amount_fen=amount, key="sale:1", subject=subject, **BY)
    person = Actor(kind="member")  # another kind of caller has keys of his own
    assert not spend(member, amount_fen=100, key="sale:1", subject="sale:1", actor=person, now=NOW).is_replay


def test_more_than_there_is_stays_unspent(member: Member) -> None:
    with pytest.raises(BalanceShort) as refusal:
        spend(member, amount_fen=212001, key="k", subject="s", **BY)
    assert (refusal.value.extra, fresh(member)) == ({"balance_fen": 212000, "short_fen": 1}, (200000, 12000))
    assert spend(member, amount_fen=212000, key="k", subject="s", **BY).gift_fen == 12000
    assert fresh(member) == (0, 0)


@pytest.mark.parametrize("amount", [0, -5, 1.5, True])
def test_an_amount_is_a_whole_number_of_fen(member: Member, amount: int) -> None:
    with pytest.raises(Invalid):
        spend(member, amount_fen=amount, key="k", subject="s", **BY)


def test_a_frozen_card_gives_nothing_and_takes_all(member: Member) -> None:
    wallet = make_wallet(member, now=NOW, principal_fen=0)
    done = spend(member, amount_fen=1000, key="a", subject="s", **BY)
    freeze(wallet, why="丢了", **BY)
    with pytest.raises(CardFrozen):
        spend(member, amount_fen=1, key="b", subject="s", **BY)
    refund_spend(done.transfer_id, amount_fen=1000, key="c", subject="s", **BY)
    unfreeze(wallet, why="找到了", **BY)
    assert (balance_of(member).is_frozen, fresh(member)) == (False, (200000, 12000))


def test_who_has_no_card_has_nothing() -> None:
    stranger = make_member()
    assert balance_of(stranger).card_id is None
    with pytest.raises(NoCard):
        spend(stranger, amount_fen=1, key="k", subject="s", **BY)


def test_refunds_give_back_in_the_proportion_taken_and_never_more(member: Member) -> None:
    done = spend(member, amount_fen=53000, key="sale:1", subject="sale:1", **BY)
    first = refund_spend(done.transfer_id, amount_fen=10000, key="r1", subject="sale:1", **BY)
    assert (first.principal_fen, first.gift_fen) == (9434, 566)  # floor(10000 × 3000 / 53000)
    assert (
        refund_spend(done.transfer_id, amount_fen=10000, key="r1", subject="sale:1", **BY).transfer_id
        == first.transfer_id
    )
    with pytest.raises(RefundTooMuch) as refusal:
        refund_spend(done.transfer_id, amount_fen=43001, key="r2", subject="sale:1", **BY)
    assert refusal.value.extra == {"left_fen": 43000}
    last = refund_spend(done.transfer_id, amount_fen=43000, key="r3", subject="sale:1", **BY)
    assert (last.principal_fen + first.principal_fen, last.gift_fen + first.gift_fen) == (50000, 3000)
    assert fresh(member) == (200000, 12000)


def test_money_goes_back_to_the_card_of_today(member: Member) -> None:
    old = make_wallet(member, now=NOW, principal_fen=0)
    done = spend(member, amount_fen=53000, key="sale:1", subject="sale:1", **BY)
    new = replace_card(old, why="丢了", key="replace:1", **BY)
    assert (new.principal_fen, new.gift_fen, new.card_no != old.card_no) == (150000, 9000, True)
    assert replace_card(old, why="丢了", key="replace:1", **BY).pk == new.pk
    refund_spend(done.transfer_id, amount_fen=53000, key="r", subject="sale:1", **BY)
    old.refresh_from_db()
    assert (fresh(member), old.total_fen, old.state) == ((200000, 12000), 0, "replaced")
    assert prove_ledger(now=NOW).is_in_balance


def test_a_reversal_books_the_opposite_once(member: Member) -> None:
    done = spend(member, amount_fen=53000, key="sale:1", subject="sale:1", **BY)
    back = reverse_transfer(done.transfer_id, key="undo", reason="mistake", **BY)
    assert legs_of(back.transfer_id) == {("principal", -1, 50000), ("gift", -1, 3000), ("revenue_clearing", 1, 53000)}
    assert reverse_transfer(done.transfer_id, key="undo", reason="mistake", **BY).is_replay
    with pytest.raises(AlreadyReversed):
        reverse_transfer(done.transfer_id, key="undo2", reason="mistake", **BY)
    with pytest.raises(RefundTooMuch):  # nothing of it is left to give back
        refund_spend(done.transfer_id, amount_fen=1, key="r", subject="sale:1", **BY)
    assert fresh(member) == (200000, 12000) and prove_ledger(now=NOW).is_in_balance


def test_what_went_back_in_part_is_not_reversed(member: Member) -> None:
    done = spend(member, amount_fen=53000, key="sale:1", subject="sale:1", **BY)
    refund_spend(done.transfer_id, amount_fen=1, key="r", subject="sale:1", **BY)
    with pytest.raises(CannotReverse):
        reverse_transfer(done.transfer_id, key="undo", reason="mistake", **BY)


def test_a_top_up_that_was_spent_cannot_be_reversed(member: Member) -> None:
    made = Transfer.objects.get(kind="top_up")
    spend(member, amount_fen=53000, key="sale:1", subject="sale:1", **BY)
    with pytest.raises(BalanceShort):
        reverse_transfer(made.pk, key="undo", reason="mistake", **BY)
    assert fresh(member) == (150000, 9000)


def test_the_providers_money_is_booked_once(member: Member) -> None:
    wallet = make_wallet(member, now=NOW, principal_fen=0)
    facts = {
        "principal_fen": 100,
        "gift_fen": 0,
        "cash": "cash_wechat",
        "subject": "t",
        "provider": "wechatpay",
        "provider_txn": "42",
    }
    credit(wallet, key="a", **facts, **BY)
    assert credit(wallet, key="a", **facts, **BY).is_replay
    with pytest.raises(SameMoneyTwice):
        credit(wallet, key="b", **facts, **BY)
    assert fresh(member) == (200100, 12000)


def test_other_money_is_booked_by_its_legs() -> None:
    legs = [Leg("cash_wechat", 1, 9900), Leg("cash_counter", 1, 100), Leg("revenue_clearing", -1, 10000)]
    done = book(
        kind="takings", key="sale:1", legs=legs, subject="sale:1", provider="wechatpay", provider_txn="77", **BY
    )
    assert book(kind="takings", key="sale:1", legs=legs, subject="sale:1", **BY).transfer_id == done.transfer_id
    with pytest.raises(Unbalanced):
        book(kind="takings", key="sale:2", legs=legs[:2], subject="sale:2", **BY)
    with pytest.raises(SameMoneyTwice):
        book(kind="takings", key="sale:3", legs=legs, subject="sale:3", provider="wechatpay", provider_txn="77", **BY)
    with pytest.raises(KeyMismatch):
        book(kind="takings", key="sale:1", legs=[Leg("suspense", 1, 5), Leg("suspense", -1, 5)], subject="sale:1", **BY)
    sums = {row.account: row.balance_fen for row in trial_balance().rows if row.balance_fen}
    assert sums == {"cash_wechat": 9900, "cash_counter": 100, "revenue_clearing": -10000}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    principal=st.integers(1, 500000),
    gift=st.integers(0, 50000),
    share=st.floats(0.001, 1),
    cuts=st.lists(st.floats(0, 1), max_size=4),
)
def test_the_statements_split_as_the_arithmetic_says(
    principal: int, gift: int, share: float, cuts: list[float]
) -> None:
    """Any balance, any amount, any sequence of refunds: both agree to the fen, and all of it comes back."""
    member = make_member()
    make_wallet(member, now=NOW, principal_fen=principal, gift_fen=gift)
    amount = max(1, int((principal + gift) * share))
    key = f"p{member.pk}"
    done = spend(member, amount_fen=amount, key=key, subject="s", **BY)
    said = split_spend(amount, principal_fen=principal, gift_fen=gift)
    assert (done.principal_fen, done.gift_fen) == (said.principal_fen, said.gift_fen)
    back = Parts(0, 0)
    amounts = [int(amount * cut) for cut in cuts] + [amount]
    for number, wish in enumerate(amounts):
        wish = min(wish, amount - back.total_fen)
        if wish <= 0:
            continue
        part = refund_spend(done.transfer_id, amount_fen=wish, key=f"{key}r{number}", subject="s", **BY)
        told = split_refund(wish, spent=said, back=back)
        assert (part.principal_fen, part.gift_fen) == (
            told.principal_fen,
            told.gift_fen,
        ) and part.gift_fen >= 0 <= part.principal_fen
        back = Parts(back.principal_fen + part.principal_fen, back.gift_fen + part.gift_fen)
    assert back == said and fresh(member) == (principal, gift)


def test_yesterday_is_booked_on_yesterday(member: Member) -> None:
    late = parse_iso("2026-11-20 23:59:59")
    done = spend(member, amount_fen=1, key="a", subject="s", actor=SYSTEM, now=late)
    next_day = spend(member, amount_fen=1, key="b", subject="s", actor=SYSTEM, now=late + timedelta(seconds=2))
    days = [str(Transfer.objects.get(pk=one.transfer_id).booked_on) for one in (done, next_day)]
    assert days == ["2026-11-20", "2026-11-21"]
