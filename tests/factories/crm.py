"""Members, orders, friends and tickets for tests, through the ORM and without surprises.

Staff and stores come from `tests.factories.guides`; here nothing is published and nothing is scored, so a test that
wants the whole way in calls `crm.orders.services.ingest_orders` itself.
"""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from crm.aftersale.models import Ticket
from crm.catalogue.models import StyleColor
from crm.members.models import FriendLink, FriendTransfer, Member
from crm.members.services import transfers
from crm.orders.models import Order, OrderLine
from guides.org.models import Staff, Store
from tests.factories.guides import make_staff, make_store
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.personal import columns, normal_phone

_serial = count(1)


def make_member(
    *, owner: Staff | None = None, store: Store | None = None, phone: str = "", name: str = "", **facts: Any
) -> Member:
    """Return a member; his main store is the given one, else his owner guide's, else none."""
    number = next(_serial)
    phone = normal_phone(phone) if phone else ""
    facts.setdefault("member_no", f"T{number:06}")
    return Member.objects.create(
        name=name or "王建国",
        **columns(Member, "phone", phone),
        owner_guide=owner,
        main_store=store or (owner.store if owner else None),
        registered_at=facts.pop("registered_at", datetime(2024, 1, 1, tzinfo=UTC)),
        **facts,
    )


def make_order(
    member: Member | None = None,
    *,
    paid_at: datetime | str,
    amount_fen: int = 128000,
    store: Store | None = None,
    guide: Staff | None = None,
    lines: list[dict[str, Any]] | None = None,
    known_at: datetime | str | None = None,
    held: bool = False,
    source: str = "till",
    number: str = "",
    **facts: Any,
) -> Order:
    """Return a paid order that reached the system when it was paid (or at `known_at`; `held`: not yet).

    `paid_at` may be Shanghai text such as "2025-03-01 15:00". Without `lines` it has one item of the whole amount.
    """
    paid_at = parse_iso(paid_at) if isinstance(paid_at, str) else paid_at
    known_at = parse_iso(known_at) if isinstance(known_at, str) else known_at
    if isinstance(facts.get("received_at"), str):
        facts["received_at"] = parse_iso(facts["received_at"])
    if lines is None:
        lines = [{"item_name": "藏青羊毛套西", "color": "藏青", "size": "175/92A", "care_key": "suit_wool",
                  "family": "西服", "paid_fen": amount_fen}]  # fmt: skip
    else:
        amount_fen = sum(line.get("paid_fen", 0) for line in lines)
    place = store or (guide.store if guide else None) or (member.main_store if member else None) or make_store()
    facts.setdefault("net_amount_fen", amount_fen - facts.get("refunded_fen", 0))
    order = Order.objects.create(
        source=source,
        number=number or f"N{next(_serial):06}",
        member=member,
        store=place,
        guide=guide,
        paid_at=paid_at,
        paid_on=local_day(paid_at),
        known_at=None if held else known_at or paid_at,
        paid_fen=amount_fen,
        content_sha="test",
        **facts,
    )
    OrderLine.objects.bulk_create(
        [OrderLine(order=order, **{"line_no": place, **line}) for place, line in enumerate(lines, 1)]
    )
    return order


def make_friend(
    member: Member | None, guide: Staff | None = None, *, state: str = FriendLink.State.FRIEND, **facts: Any
) -> FriendLink:
    """Return a WeCom relation between a member (or a customer nobody knows yet) and a guide, by default his own."""
    guide = guide or (member.owner_guide if member else None)
    assert guide is not None
    facts.setdefault("external_user_id", f"wm{member.pk if member else next(_serial):08}")
    facts.setdefault("added_at", datetime(2024, 1, 2, tzinfo=UTC))
    if state != FriendLink.State.FRIEND:
        facts.setdefault("ended_at", facts["added_at"] + timedelta(days=1))
    return FriendLink.objects.create(member=member, guide=guide, state=state, **facts)


def pass_on_friends(now: datetime) -> None:
    """As if the platform had completed every transfer of a friend that is under way."""
    open_ones = FriendTransfer.objects.filter(state__in=FriendTransfer.OPEN).values_list("pk", flat=True)
    transfers.settle_done(list(open_ones), now)


def make_ticket(
    member: Member,
    *,
    kind: str = Ticket.Kind.RETURN,
    order: Order | None = None,
    opened_at: datetime | str,
    **facts: Any,
) -> Ticket:
    """Return an after-sale ticket, new unless `state` says otherwise."""
    for field in ("pickup_at", "closed_at", "first_reply_at"):
        if isinstance(facts.get(field), str):
            facts[field] = parse_iso(facts[field])
    store = facts.pop("store", None) or (order.store if order else None) or member.main_store or make_store()
    facts.setdefault("guide", member.owner_guide)
    return Ticket.objects.create(
        kind=kind,
        member=member,
        order=order,
        store=store,
        opened_at=parse_iso(opened_at) if isinstance(opened_at, str) else opened_at,
        **facts,
    )


def make_style(sku_code: str = "25FXF101-NV", **facts: Any) -> StyleColor:
    """Return a style-colour of the catalogue: the navy wool suit unless told otherwise."""
    return StyleColor.objects.create(
        sku_code=sku_code,
        **{
            "style_no": sku_code.split("-")[0], "name": "抗皱羊毛修身套西", "category_l1": "西服",
            "category_l2": "套西", "color": "藏青", "color_family": "藏青", "size_range": "165/84A-190/104A", "season": "秋", "wave": "25F1",
            "price_fen": 258000, "care_key": "suit_wool",
        } | facts,
    )  # fmt: skip


def order_row(number: str, **facts: Any) -> dict[str, Any]:
    """Return a feed row as a till would post it; name the store, the rest has defaults."""
    row = {
        "number": number,
        "kind": "retail",
        "paid_at": "2025-03-01T15:00:00+08:00",
        "lines": [{"line_no": 1, "item_name": "藏青羊毛套西", "size": "175/92A", "care_key": "suit_wool",
                   "family": "西服", "quantity": 1, "paid_fen": 128000}],
    }  # fmt: skip
    return row | facts


__all__ = [
    "make_friend", "make_member", "make_order", "make_staff", "make_store", "make_style", "make_ticket", "order_row",
]  # fmt: skip
