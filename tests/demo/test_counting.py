"""The demo's stocktakes and the orders a guide sent: in the states a newcomer should see."""

from pathlib import Path
from typing import Any

import pytest

from crm.catalogue.stocktake.models import Stocktake
from crm.orders.proxy.models import ProxyOrder
from crm.orders.proxy.queries import standing_of
from tests.conftest import TestClock
from tests.factories import checkout as make
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import make_org, make_staff
from yejibao.demo import counting, proxying

pytestmark = pytest.mark.django_db


def test_one_was_approved_one_is_to_be_decided_one_is_for_today(clock: TestClock) -> None:
    now = clock.travel("2026-11-23 10:10")
    org = make_org()
    for store, category in ((org.store, "衬衫"), (org.other_store, "针织"), (org.store, "配饰")):
        for _ in range(12):
            make.make_sku(39900, store=store, pieces=4, category_l1=category)
    make_staff("guide", store=org.store), make_staff("guide", store=org.other_store)
    make_staff("store_manager", store=org.other_store)
    counting.build(now=now)
    assert sorted(Stocktake.objects.values_list("state", flat=True)) == ["approved", "planned", "review"]


def test_three_orders_of_the_newcomers_guide(clock: TestClock, settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    now = clock.travel("2026-11-23 12:10")
    org = make_org()
    org.guide.wecom_user_id = "linxiaowen"
    org.guide.save(update_fields=["wecom_user_id"])
    for _ in range(9):
        make_friend(make_member(owner=org.guide))
        make.make_sku(39900, store=org.store, pieces=4)
    proxying.build(now=now)
    said = [standing_of(one).words for one in ProxyOrder.objects.with_people().order_by("pk")]
    assert said == ["他打开了", "他不要了", "等他确认"]
