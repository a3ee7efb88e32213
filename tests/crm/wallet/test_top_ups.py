"""From the guide's question to the money on the card; what the rules of the day refuse."""

from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import Member
from crm.wallet import rules as book
from crm.wallet.errors import (
    CapPassed,
    CardFrozen,
    NotAnOption,
    NotTheMember,
    OldTerms,
    RealNameNeeded,
    TooYoung,
    TopUpEnded,
    TopUpWaits,
)
from crm.wallet.models import CardHolder, TopUp, WalletStep
from crm.wallet.queries import offers_for
from crm.wallet.rules import rules_on
from crm.wallet.services import (
    begin_top_up,
    cancel_top_up,
    confirm_facts,
    confirm_top_up,
    expire_top_ups,
    freeze,
    pay_order_of,
    prove_ledger,
    settle_paid,
    settle_top_up,
)
from guides.org.models import Staff
from tests.factories.crm import make_member
from tests.factories.guides import actor, make_staff
from tests.factories.wallet import SYSTEM, fresh, id_number, make_wallet, real_name, top_up
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.models import AuditEntry
from yejibao.wechatpay.models import PayOrder, PayRefund

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-20 12:00")


@pytest.fixture
def guide() -> Staff:
    return make_staff("guide")


@pytest.fixture
def member(guide: Staff) -> Member:
    return make_member(owner=guide)


def ask(member: Member, guide: Staff, **facts: Any) -> TopUp:
    facts = {"tier": "t1000", "method": "counter"} | facts
    if "amount_fen" in facts:
        facts.pop("tier")
    return begin_top_up(member, store=guide.store, guide=guide, actor=actor(guide), now=facts.pop("now", NOW), **facts)


def confirm(asked: TopUp, member: Member, **facts: Any) -> TopUp:
    facts = {"terms_version": 1, "real_name": real_name()} | facts
    return confirm_top_up(asked, member=member, now=facts.pop("now", NOW), **facts)


def test_the_whole_way(member: Member, guide: Staff) -> None:
    asked = ask(member, guide, tier="t2000")
    assert confirm_facts(asked, now=NOW).needs_real_name
    confirm(asked, member)
    done = settle_top_up(asked, key="counter:1", paid_by="counter", provider_ref="", now=NOW, actor=actor(guide))
    assert (done.state, fresh(member)) == ("settled", (200000, 12000))
    assert {(row.account, row.side, row.amount_fen) for row in done.transfer.entries.all()} == {
        ("cash_counter", 1, 200000), ("gift_cost", 1, 12000), ("principal", -1, 200000), ("gift", -1, 12000),
    }  # fmt: skip
    steps = list(
        WalletStep.objects.filter(top_up=done).order_by("pk").values_list("from_state", "to_state", "actor_kind")
    )
    assert steps == [("", "asked", "staff"), ("asked", "confirmed", "member"), ("confirmed", "settled", "staff")]
    said = set(AuditEntry.objects.filter(action__startswith="wallet.").values_list("action", flat=True))
    assert {"wallet.top_up_asked", "wallet.top_up_confirmed", "wallet.topped_up", "wallet.holder_recorded"} <= said
    again = settle_top_up(asked, key="counter:1", paid_by="counter", provider_ref="", now=NOW, actor=actor(guide))
    assert again.transfer_id == done.transfer_id and fresh(member) == (200000, 12000)
    assert prove_ledger(now=NOW).is_in_balance


def test_nobody_but_the_member_confirms(member: Member, guide: Staff) -> None:
    asked = ask(member, guide)
    with pytest.raises(NotTheMember):
        confirm(asked, make_member())
    with pytest.raises(TopUpEnded):
        settle_top_up(asked, key="k", paid_by="counter", provider_ref="", now=NOW, actor=actor(guide))


def test_he_agrees_to_the_wording_of_today(member: Member, guide: Staff) -> None:
    asked = ask(member, guide)
    with pytest.raises(OldTerms):
        confirm(asked, member, terms_version=0)
    assert confirm(asked, member).terms_version == 1


def test_the_first_top_up_takes_the_real_name_and_later_ones_use_it(member: Member, guide: Staff) -> None:
    asked = ask(member, guide)
    with pytest.raises(RealNameNeeded):
        confirm(asked, member, real_name=None)
    with pytest.raises(RealNameNeeded) as refusal:
        confirm(asked, member, real_name=real_name("?", id_number="110101198001011230"))
    assert {one["field"] for one in refusal.value.errors} == {"name", "id_number"}
    confirm(asked, member)
    holder = CardHolder.objects.get(member=member)
    assert (holder.name, holder.id_number, str(holder.keep_until)) == ("王建国", id_number(), "2031-11-20")
    settle_top_up(asked, key="k", paid_by="counter", provider_ref="", now=NOW, actor=actor(guide))
    later = NOW + timedelta(days=400)
    second = ask(member, guide, now=later)
    assert not confirm_facts(second, now=later).needs_real_name
    confirm(second, member, real_name=None, now=later)
    holder.refresh_from_db()
    assert str(holder.keep_until) == "2032-12-25"  # five years after the last one


@pytest.mark.parametrize(("born", "is_old_enough"), [("20081120", True), ("20081121", False)])
def test_under_eighteen_does_not_top_up(member: Member, guide: Staff, born: str, is_old_enough: bool) -> None:
    asked = ask(member, guide)
    if is_old_enough:
        assert confirm(asked, member, real_name=real_name(born=born)).state == "confirmed"
    else:
        with pytest.raises(TooYoung):
            confirm(asked, member, real_name=real_name(born=born))
        assert not CardHolder.objects.filter(member=member).exists()


def test_who_gave_a_young_birthday_is_not_even_asked(guide: Staff) -> None:
    young = make_member(owner=guide, birth_year="2010", birth_month=5, birth_day=1)
    with pytest.raises(TooYoung):
        ask(young, guide)


def test_the_cap_counts_principal_and_gift(member: Member, guide: Staff) -> None:
    make_wallet(member, now=NOW, principal_fen=300000, gift_fen=20000)
    why = {offer.tier.key: offer.why_not for offer in offers_for(member, now=NOW)}
    assert why == {
        "t1000": "",
        "t2000": "会超过 5,000 元限额 320 元",
        "t3000": "会超过 5,000 元限额 1,400 元",
        "t4500": "会超过 5,000 元限额 3,050 元",
    }
    with pytest.raises(CapPassed) as refusal:
        ask(member, guide, tier="t2000")
    assert (refusal.value.code, refusal.value.extra["over_fen"]) == ("card.limit_5000", 32000)
    assert ask(member, guide, amount_fen=180000).total_fen == 180000  # to the very cap


def test_the_cap_is_asked_again_when_he_confirms(member: Member, guide: Staff) -> None:
    asked = ask(member, guide, tier="t4500")
    make_wallet(member, now=NOW, principal_fen=20000, gift_fen=0)  # came back from a return meanwhile
    with pytest.raises(CapPassed):
        confirm(asked, member)


def test_rules_are_data_with_a_day(member: Member, guide: Staff, monkeypatch: Any) -> None:
    """Another set begins tomorrow: today's top-up goes by today's."""
    raised = dict(book._book()["rules"][0]) | {
        "valid_from": local_day(NOW + timedelta(days=1)), "cap_fen": 600000, "adult_years": 16,
    }  # fmt: skip
    both = {**book._book(), "rules": [*book._book()["rules"], raised]}
    book._rules.cache_clear()
    monkeypatch.setattr(book, "_book", lambda: both)
    make_wallet(member, now=NOW, principal_fen=300000, gift_fen=0)
    try:
        with pytest.raises(CapPassed):
            ask(member, guide, tier="t2000", amount_fen=250000)
        assert ask(member, guide, amount_fen=250000, now=NOW + timedelta(days=1)).state == "asked"
        assert (rules_on(local_day(NOW)).adult_years, rules_on(local_day(NOW + timedelta(days=1))).adult_years) == (
            18,
            16,
        )
    finally:
        book._rules.cache_clear()


@pytest.mark.parametrize(
    "facts",
    [
        {"tier": "t9"},
        {"amount_fen": 12345},
        {"amount_fen": 0},
        {"method": "cash"},
        {"method": "counter", "is_distant": True},
    ],
)
def test_only_what_is_offered(member: Member, guide: Staff, facts: dict[str, Any]) -> None:
    with pytest.raises(NotAnOption):
        ask(member, guide, **facts)


def test_a_frozen_card_is_not_topped_up(member: Member, guide: Staff) -> None:
    freeze(make_wallet(member, now=NOW, principal_fen=0), why="丢了", actor=SYSTEM, now=NOW)
    with pytest.raises(CardFrozen):
        ask(member, guide)


def test_one_at_a_time_and_not_for_ever(member: Member, guide: Staff) -> None:
    first = ask(member, guide)
    with pytest.raises(TopUpWaits):
        ask(member, guide)
    late = NOW + timedelta(minutes=31)
    with pytest.raises(TopUpEnded):
        confirm(first, member, now=late)
    assert ask(member, guide, now=late).state == "asked"  # the old one ended by itself
    first.refresh_from_db()
    assert (first.state, expire_top_ups(now=late + timedelta(hours=1))) == ("expired", 1)


def test_the_providers_word_credits_once(member: Member, guide: Staff) -> None:
    asked = ask(member, guide, method="wechat")
    confirm(asked, member)
    order = pay_order_of(asked, payer_openid="o1", now=NOW)
    assert (order.amount_fen, pay_order_of(asked, payer_openid="o1", now=NOW).pk) == (100000, order.pk)
    facts = {"pay_order_id": order.pk, "subject": str(asked.pk), "transaction_id": "4200001", "amount_fen": 100000}
    assert [settle_paid(**facts, now=NOW) for _ in range(2)] == [True, True]
    asked.refresh_from_db()
    assert (asked.state, fresh(member), asked.transfer.provider_txn) == ("settled", (100000, 5000), "4200001")


def test_money_of_a_cancelled_top_up_goes_back(member: Member, guide: Staff) -> None:
    asked = ask(member, guide, method="wechat")
    confirm(asked, member)
    order = pay_order_of(asked, payer_openid="o1", now=NOW)
    cancel_top_up(asked, why="算了", actor=actor(guide), now=NOW)
    order.refresh_from_db()
    assert order.state == PayOrder.State.CLOSED  # the platform's notice of it would be sent back there already
    PayOrder.objects.filter(pk=order.pk).update(state="paid", transaction_id="42", paid_at=NOW, closed_at=None)
    facts = {"pay_order_id": order.pk, "subject": str(asked.pk), "transaction_id": "42", "amount_fen": 100000}
    assert not settle_paid(**facts, now=NOW)
    assert PayRefund.objects.get(order=order).amount_fen == 100000 and fresh(member) == (0, 0)


def test_what_was_settled_is_not_cancelled(member: Member, guide: Staff) -> None:
    done = top_up(member, now=NOW, guide=guide)
    with pytest.raises(TopUpEnded):
        cancel_top_up(done, why="算了", actor=actor(guide), now=NOW)
