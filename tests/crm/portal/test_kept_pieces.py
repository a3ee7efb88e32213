"""申请售后 of a piece that stays his whatever the day: what is left to him is offered, and why not the rest is said."""

from typing import Any

import pytest
from django.test import Client

from crm.orders.models import OrderLine
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org
from tests.factories.portal import bearer, sign_in_member
from yejibao.core import clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide)


def test_what_was_made_to_measure_is_not_offered_back_and_he_reads_why(client: Client, org: Org, member: Any) -> None:
    line = make_order(member, paid_at=clock.now().isoformat(), store=org.store).lines.get()
    sign_in_member(client, member)

    def ways() -> dict[str, tuple[bool, str]]:
        url = f"/api/v1/member/orders/{line.order.number}/lines/{line.line_no}/aftersale/"
        told = client.get(url, headers=bearer(member)).json()
        return {one["kind"]: (one["is_open"], one["note"]) for one in told["ways"]}

    assert ways()["return"][0] and "量身定制" not in client.get(f"/my/tickets/new/?line={line.pk}").content.decode()
    OrderLine.objects.filter(pk=line.pk).update(is_made_to_measure=True)
    found = ways()
    assert {kind for kind, (is_open, _note) in found.items() if not is_open} == {
        "return",
        "exchange_size",
        "exchange_item",
    }
    assert found["return"][1] == "量身定制的商品不退不换；不合身可以改，有质量问题选上面那一项"
    page = client.get(f"/my/tickets/new/?line={line.pk}").content.decode()
    assert (
        'value="return" disabled' in page
        and 'value="alteration" disabled' not in page
        and 'value="quality" disabled' not in page
    )
    assert "可退换" not in page  # nor does the tag promise it
