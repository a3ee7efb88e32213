"""Garments in the demo: taken in, altered, and one whose difference is awaited."""

from crm.aftersale.models import CareSlip, Ticket
from crm.orders.checkout.models import Exchange
from tests.crm.orders.checkout.conftest import Shop, shop  # noqa: F401
from tests.factories import checkout as make
from yejibao.core import clock
from yejibao.core.files import StoredFile
from yejibao.demo import garments


def test_three_garments_are_on_their_way(shop: Shop) -> None:  # noqa: F811
    make.make_sku(158000, store=shop.org.store)
    StoredFile.objects.create(
        room="patrol", at=clock.now(), path="files/demo/patrol0", content_type="image/webp", size=1, sha256="0"
    )
    for _each in range(3):
        shop.paid((shop.suit, 1))
    for _twice in range(2):
        garments.build(now=clock.now())
    assert sorted(CareSlip.objects.values_list("ticket__kind", "ticket__state")) == [
        ("alteration", "ready"),
        ("care", "processing"),
    ]
    assert (
        Exchange.objects.get().state == "awaiting_payment"
        and Ticket.objects.filter(state="waiting_member").count() == 1
    )
