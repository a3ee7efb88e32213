"""促销 of HQ: made once, never changed, ended early with a reason; whose it is to do."""

from datetime import timedelta

import pytest
from django.test import Client

from crm.orders.checkout import services
from crm.orders.checkout.models import Promotion
from tests.factories import checkout as make
from tests.factories.guides import actor, make_staff, sign_in
from yejibao.core import clock

from .conftest import Shop
from .test_selling import refusal

PAGE = "/hq/promotions/"


@pytest.fixture
def desk(client: Client, shop: Shop) -> Client:
    sign_in(client, make_staff("hq_merch", unit=shop.org.hq, name="周商"))
    return client


def test_what_hq_enters_is_what_the_till_takes_off(desk: Client, shop: Shop) -> None:
    form = {"name": "双十二", "kind": "order", "steps": "满500减50，满 900 元减 120", "idempotency_key": "p1"}
    assert desk.post(PAGE, form).status_code == 302
    assert desk.post(PAGE, form).status_code == 302 and Promotion.objects.count() == 1
    assert services.quote(shop.sale(), now=clock.now()).promotion_fen == 12000
    assert "满 500 减 50，满 900 减 120" in desk.get(PAGE).text
    one = Promotion.objects.get()
    assert one.steps == [[50000, 5000], [90000, 12000]]
    desk.post(f"{PAGE}{one.pk}/end/", {"reason": "写错了", "idempotency_key": "p2"})
    assert services.quote(shop.sale(), now=clock.now() + timedelta(seconds=1)).promotion_fen == 0
    assert "双十二" in desk.get(PAGE, {"which": "past"}).text


def test_prices_gifts_people_and_places(desk: Client, shop: Shop) -> None:
    tie = make.make_sku(9900)
    desk.post(PAGE, {"name": "衬衫八五折", "kind": "item", "percent": "15", "categories": "衬衫", "levels": ["V1"]})
    desk.post(PAGE, {"name": "满赠", "kind": "gift", "threshold": "900", "gift": tie.code, "unit": shop.org.branch.pk})
    kinds = list(
        Promotion.objects.order_by("pk").values_list("kind", "percent", "threshold_fen", "members_only", "unit")
    )
    assert kinds == [("item", 15, 0, True, None), ("gift", 0, 90000, False, shop.org.branch.pk)]
    quote = services.quote(shop.sale(), now=clock.now() + timedelta(seconds=1))
    assert [line.item_off_fen for line in quote.lines] == [0, 4470, 9900]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"kind": "order"}, "起个名字"),
        ({"name": "a", "kind": "order", "steps": "满 100 减 200"}, "减的要比满的少"),
        ({"name": "a", "kind": "item", "percent": "10"}, "款号或品类"),
        ({"name": "a", "kind": "item", "categories": "西服"}, "写一样"),
        ({"name": "a", "kind": "item", "categories": "西服", "price": "1e3"}, "199"),
        ({"name": "a", "kind": "gift", "threshold": "10", "gift": "nothing"}, "没有这个赠品"),
        ({"name": "a", "kind": "order", "steps": "满 100 减 10", "ends_at": "2020-01-01T10:00"}, "要晚于开始"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(desk: Client, form: dict[str, str], said: str) -> None:
    answer = desk.post(PAGE, form)
    assert answer.status_code == 422 and said in answer.text
    assert Promotion.objects.count() == 0


def test_a_store_sets_no_prices(client: Client, shop: Shop) -> None:
    sign_in(client, shop.org.manager)
    assert client.get(PAGE).status_code == 403
    facts = services.PromotionFacts("自己降", "order", clock.now(), steps=[(100, 50)])
    assert refusal(lambda: services.make_promotion(facts, actor=shop.manager, now=clock.now())) == "perm.promotion.keep"
    keeper = actor(make_staff("hq_operator", unit=shop.org.hq))
    made = services.make_promotion(facts, actor=keeper, now=clock.now())
    assert refusal(lambda: services.end_promotion(made, reason="", actor=keeper, now=clock.now())) == "input.invalid"
    services.end_promotion(made, reason="写错了", actor=keeper, now=clock.now())
    assert refusal(lambda: services.end_promotion(made, reason="写错了", actor=keeper, now=clock.now())) == "conflict"
