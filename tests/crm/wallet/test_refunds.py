"""退卡: what is paid, who decides, and that it happens once."""

from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import Member
from crm.wallet import rules as book
from crm.wallet.errors import (
    BalanceChanged,
    BankNumberTwice,
    LedgerOff,
    NotAtTheBank,
    NothingToRefund,
    RefundEnded,
    RefundWaits,
)
from crm.wallet.models import CardPayout, CardRefund, LedgerProof, Wallet, WalletStep
from crm.wallet.services import (
    approve_refund,
    ask_refund,
    pay_refund,
    prove_ledger,
    quote_refund,
    refuse_refund,
    settle_payout,
    spend,
    take_up_refund,
    trial_balance,
    undo_payout,
)
from guides.approvals.services import NotYoursToApprove, OwnRequest, withdraw
from tests.factories.crm import make_member
from tests.factories.guides import Org, actor, holder_of, make_org
from tests.factories.wallet import SYSTEM, fresh, make_holder, make_wallet
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-20 12:00")
LATER = NOW + timedelta(days=30)
TO = {"way": "account", "payee_name": "王建国", "payee_account": "6222 0212 3456 7890", "reason": "搬走了"}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(LATER)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    """Paid 1,000 with gift 50 a month ago, used 530: the law's example."""
    member = make_member(owner=org.guide)
    make_holder(member, now=NOW)
    make_wallet(member, now=NOW, principal_fen=100000, gift_fen=5000)
    spend(member, amount_fen=53000, key="sale", subject="sale", actor=SYSTEM, now=NOW)
    return member


def card(member: Member) -> Wallet:
    return Wallet.objects.get(member=member)


def ask(member: Member, org: Org, **facts: Any) -> CardRefund:
    who = facts.pop("actor", None) or actor(org.guide)
    return ask_refund(card(member), **(TO | facts), store=org.store, actor=who, now=LATER)


def test_what_the_ratio_comes_to_and_what_it_books(member: Member, org: Org) -> None:
    quote = quote_refund(card(member), now=LATER)
    assert (quote.pay_fen, quote.method, quote.taken_back_fen, quote.may_be_cash) == (49524, "ratio", 2476, False)
    one = holder_of("finance", org)
    refund = ask(member, org)
    approve_refund(refund, actor=actor(one), now=LATER)
    done = pay_refund(refund, key="pay", actor=actor(one), now=LATER)
    assert done.state == "paid" and done.transfer is not None and fresh(member) == (0, 0)
    assert {(row.account, row.side, row.amount_fen) for row in done.transfer.entries.all()} == {
        ("principal", 1, 49523), ("gift", 1, 2477), ("refund_clearing", -1, 49524), ("gift_cost", -1, 2476),
    }  # fmt: skip
    assert pay_refund(refund, key="pay", actor=actor(one), now=LATER).transfer_id == done.transfer_id
    assert prove_ledger(now=LATER).is_in_balance


def test_the_list_price_where_the_rules_say_so(member: Member, monkeypatch: Any) -> None:
    row = dict(book._book()["rules"][0])
    other = {**book._book(), "rules": [row | {"refund": row["refund"] | {"method": "list_price"}}]}
    book._rules.cache_clear()
    monkeypatch.setattr(book, "_book", lambda: other)
    try:
        quote = quote_refund(card(member), now=LATER)
        within = quote_refund(card(member), now=NOW + timedelta(days=6))
    finally:
        book._rules.cache_clear()
    assert (quote.pay_fen, quote.method) == (47000, "list_price")
    assert (within.pay_fen, within.method) == (49524, "seven_days")  # the kinder way within seven days


def test_within_seven_days_all_of_an_unused_principal(org: Org) -> None:
    member = make_member()
    make_wallet(member, now=NOW)
    quote = quote_refund(card(member), now=NOW + timedelta(days=6, hours=23))
    assert (quote.pay_fen, quote.method, str(quote.pay_before)) == (200000, "seven_days", "2026-12-02")
    assert quote_refund(card(member), now=NOW + timedelta(days=7, hours=1)).method == "ratio"


def test_from_500_yuan_two_people_of_finance(org: Org) -> None:
    member = make_member(owner=org.guide)
    make_holder(member, now=NOW)
    make_wallet(member, now=NOW)
    first, second = holder_of("finance", org), holder_of("finance", org)
    refund = ask(member, org)
    with pytest.raises(NotYoursToApprove):
        approve_refund(refund, actor=actor(org.manager), now=LATER)
    approve_refund(refund, actor=actor(first), now=LATER)
    assert refund.state == "asked"
    with pytest.raises(NotYoursToApprove):
        approve_refund(refund, actor=actor(first), now=LATER)
    with pytest.raises(RefundEnded):
        pay_refund(refund, key="pay", actor=actor(first), now=LATER)
    approve_refund(refund, actor=actor(second), now=LATER)
    refund.refresh_from_db()
    assert (refund.state, refund.approved_by, refund.seconded_by) == ("approved", first, second)


def test_finance_that_asks_is_one_of_the_two(org: Org) -> None:
    member = make_member(owner=org.guide)
    make_holder(member, now=NOW)
    make_wallet(member, now=NOW)
    asker, other = holder_of("finance", org), holder_of("finance", org)
    refund = ask(member, org, actor=actor(asker))
    with pytest.raises(OwnRequest):
        approve_refund(refund, actor=actor(asker), now=LATER)
    approve_refund(refund, actor=actor(other), now=LATER)
    refund.refresh_from_db()
    assert (refund.state, refund.approved_by, refund.seconded_by) == ("approved", other, asker)


@pytest.mark.parametrize(("principal", "states"), [(40000, ["approved"]), (60000, ["asked", "approved"])])
def test_what_a_member_asks_himself_is_taken_up(org: Org, principal: int, states: list[str]) -> None:
    member = make_member(owner=org.guide)
    make_holder(member, now=NOW)
    make_wallet(member, now=NOW, principal_fen=principal, gift_fen=0)
    himself = Actor(kind="member", name=member.name)
    refund = ask_refund(card(member), **TO, actor=himself, now=LATER)
    assert (refund.state, refund.approval_id, refund.asked_kind) == ("asked", None, "member")
    first, second = holder_of("finance", org), holder_of("finance", org)
    take_up_refund(refund, actor=actor(first), now=LATER)
    refund.refresh_from_db()
    seen = [refund.state]
    if refund.state == "asked":
        approve_refund(refund, actor=actor(second), now=LATER)
        refund.refresh_from_db()
        seen.append(refund.state)
    assert seen == states


def test_only_to_the_holders_own_account(member: Member, org: Org) -> None:
    for wrong in ({"payee_name": "李四"}, {"payee_account": "12"}, {"way": "cash"}, {"way": "friend"}, {"reason": ""}):
        with pytest.raises(Invalid):
            ask(member, org, **wrong)
    assert not CardRefund.objects.exists()


def test_below_100_yuan_it_may_be_cash(org: Org) -> None:
    member = make_member(owner=org.guide)
    make_wallet(member, now=NOW, principal_fen=9999, gift_fen=500)
    refund = ask(member, org, way="cash", payee_name="", payee_account="")
    finance = actor(holder_of("finance", org))
    approve_refund(refund, actor=finance, now=LATER)
    done = pay_refund(refund, key="pay", actor=finance, now=LATER)
    assert done.transfer is not None and done.transfer.entries.filter(account="cash_counter", amount_fen=9999).exists()


def test_one_at_a_time_and_nothing_of_nothing(member: Member, org: Org) -> None:
    ask(member, org)
    with pytest.raises(RefundWaits):
        ask(member, org)
    empty = make_member()
    make_wallet(empty, now=NOW, principal_fen=0)
    with pytest.raises(NothingToRefund):
        ask(empty, org)


def test_a_card_that_was_used_meanwhile_is_asked_again(member: Member, org: Org) -> None:
    finance = actor(holder_of("finance", org))
    refund = ask(member, org)
    approve_refund(refund, actor=finance, now=LATER)
    spend(member, amount_fen=100, key="more", subject="sale", actor=SYSTEM, now=LATER)
    with pytest.raises(BalanceChanged):
        pay_refund(refund, key="pay", actor=finance, now=LATER)
    refuse_refund(refund, answer="余额变了", actor=finance, now=LATER)
    assert ask(member, org).state == "asked"


def test_while_the_books_are_off_nothing_is_paid_and_spending_goes_on(member: Member, org: Org) -> None:
    finance = actor(holder_of("finance", org))
    refund = ask(member, org)
    approve_refund(refund, actor=finance, now=LATER)
    LedgerProof.objects.create(at=LATER, entries_count=9, difference_fen=1, wallets_off_count=0, transfers_off_count=0)
    with pytest.raises(LedgerOff):
        pay_refund(refund, key="pay", actor=finance, now=LATER)
    spend(member, amount_fen=100, key="more", subject="sale", actor=SYSTEM, now=LATER)
    assert prove_ledger(now=LATER).is_in_balance  # counted again: it goes on


def test_refused_and_withdrawn(member: Member, org: Org) -> None:
    finance = actor(holder_of("finance", org))
    refused = ask(member, org)
    refuse_refund(refused, answer="户名不符", actor=finance, now=LATER)
    taken_back = ask(member, org)
    assert taken_back.approval is not None
    withdraw(taken_back.approval, actor=actor(org.guide), now=LATER)
    states = dict(CardRefund.objects.values_list("pk", "state"))
    assert states == {refused.pk: "refused", taken_back.pk: "withdrawn"}


# ---------------------------------------------------------------- the bank


def at_the_bank(member: Member, org: Org) -> tuple[CardRefund, Actor]:
    finance = actor(holder_of("finance", org))
    refund = ask(member, org)
    approve_refund(refund, actor=finance, now=LATER)
    return pay_refund(refund, key=f"pay:{refund.pk}", actor=finance, now=LATER), finance


def held(*accounts: str) -> tuple[int, ...]:
    found = {row.account: row.balance_fen for row in trial_balance().rows}
    return tuple(found[one] for one in accounts)


def test_what_is_owed_until_the_bank_has_paid_it(member: Member, org: Org) -> None:
    refund, finance = at_the_bank(member, org)
    assert (refund.waits_for_bank, refund.state_said) == (True, "已批准，等银行转账")
    assert list(CardRefund.objects.waiting_for_bank()) == list(CardRefund.objects.under_way()) == [refund]
    assert held("refund_clearing", "cash_bank") == (-49524, 0)
    with pytest.raises(Invalid):
        settle_payout(refund, bank_ref=" ", actor=finance, now=LATER)
    done = settle_payout(refund, bank_ref="B2026 1120 01", actor=finance, now=LATER)
    refund.refresh_from_db()
    assert held("refund_clearing", "cash_bank") == (0, -49524)
    assert (refund.state_said, refund.payout_ref, refund.transferred_at) == ("已退款", "B2026112001", LATER)
    assert settle_payout(refund, bank_ref="B2026112001", actor=finance, now=LATER).pk == done.pk
    with pytest.raises(NotAtTheBank):
        settle_payout(refund, bank_ref="B2026112002", actor=finance, now=LATER)
    assert not CardRefund.objects.under_way().exists() and prove_ledger(now=LATER).is_in_balance


def test_what_the_bank_sends_back_is_owed_again_and_sent_once_more(member: Member, org: Org) -> None:
    refund, finance = at_the_bank(member, org)
    with pytest.raises(NotAtTheBank):
        undo_payout(refund, why="户名不符", actor=finance, now=LATER)
    settle_payout(refund, bank_ref="B2026112001", actor=finance, now=LATER)
    with pytest.raises(Invalid):
        undo_payout(refund, why="", actor=finance, now=LATER)
    undo_payout(refund, why="户名不符，银行退回", actor=finance, now=LATER)
    refund.refresh_from_db()
    assert refund.waits_for_bank and held("refund_clearing", "cash_bank") == (-49524, 0)
    settle_payout(refund, bank_ref="B2026112001", actor=finance, now=LATER)  # the number was only typed too early
    assert held("refund_clearing", "cash_bank") == (0, -49524) and prove_ledger(now=LATER).is_in_balance
    assert CardPayout.objects.filter(refund=refund).count() == 2
    steps = list(WalletStep.objects.filter(refund=refund).order_by("pk").values_list("to_state", flat=True))
    assert steps == ["asked", "approved", "paid", "sent", "came_back", "sent"]


def test_one_number_of_the_bank_is_one_transfer(member: Member, org: Org) -> None:
    refund, finance = at_the_bank(member, org)
    settle_payout(refund, bank_ref="B2026112001", actor=finance, now=LATER)
    other = make_member(owner=org.guide)
    make_holder(other, now=NOW)
    make_wallet(other, now=NOW, principal_fen=40000, gift_fen=0)
    again, finance = at_the_bank(other, org)
    with pytest.raises(BankNumberTwice):
        settle_payout(again, bank_ref="B2026112001", actor=finance, now=LATER)
    assert held("refund_clearing", "cash_bank") == (-40000, -49524)


def test_cash_waits_for_no_bank(org: Org) -> None:
    member = make_member(owner=org.guide)
    make_wallet(member, now=NOW, principal_fen=9999, gift_fen=500)
    refund = ask(member, org, way="cash", payee_name="", payee_account="")
    finance = actor(holder_of("finance", org))
    approve_refund(refund, actor=finance, now=LATER)
    paid = pay_refund(refund, key="pay", actor=finance, now=LATER)
    assert (paid.state_said, paid.waits_for_bank) == ("已退款", False)
    with pytest.raises(NotAtTheBank):
        settle_payout(paid, bank_ref="B2026112001", actor=finance, now=LATER)
