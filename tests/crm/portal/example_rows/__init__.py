"""The rows the examples of the member API speak of: one builder for each room, gathered here.

A room's examples name ids; its builder makes rows with exactly these ids, so that every documented request is one the server
can answer as documented. An act that needs a ticket in another state has an id of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.urls import get_resolver

from crm.members.models import Member
from crm.orders.models import Order, OrderLine
from crm.portal.order_api import A_LINE, NUMBER
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org
from tests.factories.portal import as_member
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

NOW = parse_iso("2026-11-21 14:00")


@dataclass(frozen=True)
class ExampleWorld:
    """王建平 with one order, his guide 晓雯 and her store, on the afternoon all examples are of."""

    org: Org
    member: Member
    order: Order
    line: OrderLine
    now: datetime = NOW

    @property
    def actor(self) -> Actor:
        return as_member(self.member)


def make_world() -> ExampleWorld:
    """Return the world with the rows of every room. The clock is at NOW already."""
    get_resolver().url_patterns  # noqa: B018  rooms of photos are declared beside their pages
    org = make_org()
    member = make_member(
        owner=org.guide, name="王建平", salutation="王哥", phone="13800132075", member_level="V4", member_no="M0001"
    )
    line = {name: value for name, value in A_LINE.items() if name != "line_no"} | {"care_key": "suit_wool"}
    order = make_order(
        member, paid_at="2026-11-20 14:00", store=org.store, guide=org.guide, number=NUMBER, lines=[line]
    )
    world = ExampleWorld(org, member, order, order.lines.get())
    for build in BUILDERS:
        build(world)
    return world


from . import benefits, codes, fittings, goods, money, pieces, privacy, surveys, tickets, visits  # noqa: E402  they build on the world above

ROOMS = (money, privacy, benefits, codes, fittings, goods, pieces, surveys, tickets, visits)
BUILDERS: list[Callable[[ExampleWorld], None]] = [room.build for room in ROOMS]
# What has to happen before an example, by operation: a top-up is confirmed before it is paid.
PREPARE: dict[str, Callable[[ExampleWorld], None]] = {key: work for room in ROOMS for key, work in room.PREPARE.items()}
