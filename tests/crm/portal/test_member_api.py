"""What the mini-program reads and does, on the same services as the pages."""

from typing import Any

import pytest
from django.test import Client

from crm.members.models import Member
from tests.conftest import TestClock
from tests.crm.portal.test_pages import asked
from tests.crm.portal.test_pay_page import offered
from tests.factories.benefits import give_points, make_batch, make_template
from tests.factories.checkout import give_card
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org
from tests.factories.portal import bearer
from tests.factories.wallet import id_number

pytestmark = pytest.mark.django_db

NOW = "2026-11-21 14:00"


class Api:
    def __init__(self, member: Member) -> None:
        self.client, self.headers = Client(), bearer(member)

    def get(self, name: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1/member/{name}/", query, headers=self.headers)

    def post(self, name: str, key: str = "k1", **body: Any) -> Any:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return self.client.post(f"/api/v1/member/{name}/", body, content_type="application/json", headers=headers)


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide, name="王建平", salutation="王哥", member_level="V4", member_no="M0001")


@pytest.fixture
def api(member: Member) -> Api:
    return Api(member)


def test_me(api: Api, member: Member) -> None:
    give_card(member, 186000, 1400)
    give_points(member, 500)
    told = api.get("me").json()
    assert (told["member_no"], told["called"], told["level"]["name"]) == ("M0001", "王哥", "白金会员")
    assert told["wallet"] == {"total_fen": 187400, "principal_fen": 186000, "gift_fen": 1400, "is_frozen": False}
    assert told["points"]["usable"] == 500 and told["guide"] == {"name": "晓雯", "store": "新街口店"}
    assert "tier" not in str(told) and "phone" not in str(told)


def test_orders_wallet_and_points_by_mark(api: Api, member: Member) -> None:
    for number in range(22):
        make_order(member, paid_at=f"2026-10-{1 + number:02} 15:00")
    make_order(make_member(), paid_at=NOW, number="FOREIGN")
    first = api.get("orders").json()
    rest = api.get("orders", before=first["before"]).json()
    numbers = [one["number"] for one in [*first["results"], *rest["results"]]]
    assert (len(first["results"]), len(set(numbers)), rest["before"]) == (20, 22, "") and "FOREIGN" not in numbers
    give_card(member, 10000)
    assert [(one["words"], one["fen"]) for one in api.get("wallet").json()["results"]] == [("充值", 10000)]
    give_points(member, 300)
    assert [one["points"] for one in api.get("points").json()["results"]] == [300]


def test_a_coupon_is_claimed_once_by_key(api: Api) -> None:
    batch = make_batch(make_template("双十一券"))
    assert [one["id"] for one in api.get("coupons").json()["claimable"]] == [str(batch.public_id)]
    path = f"coupon-batches/{batch.public_id}/claim"
    assert api.post(path, key="").status_code == 400
    first, again, other = api.post(path), api.post(path), api.post(path, key="k2")
    assert (first.status_code, again.json() == first.json(), other.status_code) == (201, True, 409)
    assert other.json()["code"] == "coupon.per_member"
    assert [one["code"] for one in api.get("coupons").json()["results"]] == [first.json()["code"]]


def test_a_top_up_is_confirmed_and_another_members_is_not_there(api: Api, member: Member, org: Org) -> None:
    held = asked(member, org)
    told = api.get(f"top-ups/{held.public_id}").json()
    assert (told["state"], told["needs_real_name"], told["terms"]["version"]) == ("asked", True, 1)
    confirm = f"top-ups/{held.public_id}/confirm"
    assert api.post(confirm, terms_version=1).json()["code"] == "card.real_name"
    real = {"name": "王建平", "id_number": id_number(), "contact": "13800132075"}
    assert api.post(confirm, terms_version=1, real_name=real).json()["state"] == "confirmed"
    stranger = Api(make_member())
    for path in (f"top-ups/{held.public_id}", f"sales/{offered(member, org).public_id}"):
        assert stranger.get(path).status_code == 404
    assert stranger.post(confirm, terms_version=1).status_code == 404


def test_a_sale_is_priced_and_paid_by_card(api: Api, member: Member, org: Org) -> None:
    give_card(member, 200000)
    path = f"sales/{offered(member, org).public_id}"
    told = api.get(path, use_wallet="true").json()
    assert (told["state"], told["due_fen"], told["wallet_fen"], len(told["lines"])) == ("awaiting_member", 0, 100000, 1)
    assert api.post(f"{path}/pay", use_wallet=True, due_fen=5).json()["code"] == "sale.price_changed"
    assert api.post(f"{path}/pay", key="k2", use_wallet=True, due_fen=0).json() == {"is_over": True}
    assert api.post(f"{path}/pay", key="k2", use_wallet=True, due_fen=0).json() == {"is_over": True}
    assert api.get(path).json()["state"] == "paid"
