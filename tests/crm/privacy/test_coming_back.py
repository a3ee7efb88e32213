"""Who was forgotten does not come back with the next feed: cards, orders, refused rows of either."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from crm.members.models import Member
from crm.orders.intake import open_order
from crm.orders.models import Order
from crm.privacy.services import forget_members
from tests.factories.crm import make_order, order_row
from tests.factories.guides import Org, make_org
from yejibao.core import clock as product_clock
from yejibao.core import erasing
from yejibao.core.clock import parse_iso
from yejibao.core.models import Erasure
from yejibao.intake.models import RefusedRow
from yejibao.intake.services import issue_token

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-21 14:00")
NAME, PHONE, CARD = "欧阳建平", "13800132075", "M778899"
WHO = {"member_no": CARD, "name": NAME, "phone": PHONE}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def post(client: Any, org: Org) -> Any:
    token = issue_token("erp", now=product_clock.now(), may_send=["members", "orders"])

    def send(kind: str, row: Any) -> Any:
        answer = client.post(
            f"/api/v1/intake/{kind}/", json.dumps({"rows": [row]}), content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip
        return answer.json()["results"][0]

    return send


@pytest.fixture
def gone(post: Any, org: Org) -> Member:
    """Somebody who came with a feed, bought, and was forgotten."""
    assert post("members", WHO)["result"] == "created"
    # Refused rows that name him, from before: they go with him.
    assert post("members", WHO | {"member_no": "M9", "owner_guide": "nobody"})["result"] == "refused"
    assert post("orders", order_row("A0", store="nowhere", member=WHO))["result"] == "refused"
    member = Member.objects.get(member_no=CARD)
    make_order(member, paid_at="2026-11-01 15:00", guide=org.guide)
    assert RefusedRow.objects.count() == 2
    forget_members([member.pk], now=NOW)
    assert RefusedRow.objects.count() == 0
    return member


def test_a_forgotten_members_card_is_refused_until_he_registers_again(post: Any, gone: Member) -> None:
    for row in (WHO, WHO | {"member_no": "M1"}, {"member_no": CARD, "name": NAME}, WHO | {"phone_consent": True}):
        assert post("members", row)["errors"][0]["code"] == "member.erased"
    held = RefusedRow.objects.all()
    assert held and all(
        row.cells == {} and row.key.startswith("erased-") for row in held
    )  # nothing of him in the queue
    assert Member.objects.count() == 1
    assert post("members", {"member_no": "M5", "name": "别人", "phone": "13900001111"})["result"] == "created"
    assert (
        post("members", WHO | {"phone_consent": True, "registered_at": "2026-11-21T14:00:01+08:00"})["result"]
        == "created"
    )


def test_an_order_does_not_make_him_anew(post: Any, gone: Member, org: Org) -> None:
    for number, member in (("A1", WHO), ("A2", PHONE), ("A3", CARD), ("A4", {"phone": PHONE, "name": NAME})):
        told = post("orders", order_row(number, store=org.store.code, member=member))
        assert (told["result"], told["errors"][0]["code"]) == ("refused", "member.erased"), number
    assert Member.objects.count() == 1

    for row in RefusedRow.objects.all():  # the sale stays in the queue, without him
        assert open_order(row.cells)["member"] is None
    agreed = order_row(
        "A5", store=org.store.code, member=WHO | {"phone_consent": True}, paid_at="2026-11-21T14:00:01+08:00"
    )
    assert post("orders", agreed)["result"] == "created"
    assert Order.objects.filter(number="A5", member__name=NAME).exists()


def test_the_marks_outlive_the_database(gone: Member, tmp_path: Path) -> None:
    marks = set(Erasure.objects.get().marks)
    assert marks == {erasing.mark("card", CARD), *marks} and len(marks) == 2
    erasing.write_list(tmp_path / "erased.txt")
    text = (tmp_path / "erased.txt").read_text()
    assert not any(secret in text for secret in (NAME, PHONE, CARD))
    Erasure.objects.all().delete()
    with connection.cursor() as cursor:  # a backup from before he came: it never knew him
        erasing.erase_again(cursor, erasing.read_list(tmp_path / "erased.txt"), now=NOW)
    assert set(Erasure.objects.get().marks) == marks
