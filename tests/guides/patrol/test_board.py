"""门店看板: what each room hangs on it, with the figures of today."""

from typing import Any

import pytest
from django.test import Client

from guides.footfall.models import Footfall
from guides.org.models import Staff
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, sign_in
from tests.factories.patrol import make_visit
from yejibao.core.clock import parse_iso
from yejibao.core.outbox import drain_events


def test_the_board_of_a_store(client: Client, org: Org, supervisor: Staff, clock: Any) -> None:
    member = make_member(owner=org.guide)
    clock.travel("2026-11-14 12:00")
    make_order(member, guide=org.guide, store=org.store, amount_fen=100_000, paid_at=parse_iso("2026-11-14 11:00"))
    make_order(member, guide=org.guide, store=org.store, amount_fen=900_000, paid_at=parse_iso("2026-11-14 20:00"))
    clock.travel("2026-11-21 14:00")
    make_order(member, guide=org.guide, store=org.store, amount_fen=120_000, paid_at=parse_iso("2026-11-21 10:30"))
    make_order(member, guide=org.guide, store=org.store, amount_fen=80_000, paid_at=parse_iso("2026-11-21 13:00"))
    Footfall.objects.create(
        store=org.store, day=parse_iso("2026-11-21 10:00").date(), hour=10, entered=8, source="door"
    )
    make_visit(supervisor, org.store, {"hygiene_floor": 3})
    drain_events()
    sign_in(client, org.manager)
    page = client.get("/m/board/")
    text = page.content.decode()
    assert page.status_code == 200
    for said in ("¥2,000", "+100%", "25%", "¥1,000", "2 单", "晓雯", "今天谁在店", "巡店", "5.0"):
        assert said in text, said


def test_only_managers_have_one(client: Client, org: Org, supervisor: Staff) -> None:
    for person in (org.guide, supervisor):
        sign_in(client, person)
        assert client.get("/m/board/").status_code == 403


@pytest.mark.parametrize("orders", [0, 3])
def test_it_asks_the_same_of_a_quiet_and_a_busy_day(
    client: Client, org: Org, orders: int, django_assert_max_num_queries: Any
) -> None:
    member = make_member(owner=org.guide)
    for _ in range(orders):
        make_order(member, guide=org.guide, store=org.store, amount_fen=1000, paid_at=parse_iso("2026-11-21 10:30"))
    sign_in(client, org.manager)
    client.get("/m/board/")
    with django_assert_max_num_queries(36):
        assert client.get("/m/board/").status_code == 200
