"""The demo's stored value: cards of every kind, something to decide, and books that balance."""

from typing import Any

import pytest

from crm.wallet.models import CardRefund, LedgerDay, TopUp, Transfer, Wallet
from crm.wallet.queries import newest_proof
from tests.factories.crm import make_member
from tests.factories.guides import make_org, make_staff
from yejibao.core.clock import local_day, parse_iso
from yejibao.demo import wallet

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-20 15:00")


def test_two_months_that_balance(clock: Any) -> None:
    clock.travel(NOW)
    org = make_org()
    for guide in (org.guide, org.stranger, make_staff(store=org.store), make_staff(store=org.other_store)):
        for number in range(wallet.OF_A_GUIDE):
            make_member(
                owner=guide,
                phone=f"138{guide.pk:04}{number:04}"[:11],
                last_purchase_on=local_day(NOW),
                spend_365_fen=number,
            )
    wallet.build(now=NOW)
    proof = newest_proof()
    assert proof is not None and proof.is_in_balance
    assert Wallet.objects.live().count() == 20 and LedgerDay.objects.exists()
    kinds = set(Transfer.objects.values_list("kind", flat=True))
    assert {"top_up", "spend", "spend_refund"} <= kinds
    waiting = (TopUp.objects.filter(state="asked").count(), CardRefund.objects.filter(state="asked").count())
    assert waiting == (1, 2) and Wallet.objects.filter(state="frozen").count() == 1
