"""What the room hangs on other pages: a member's tags, with what to confirm and what to ask."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from crm.members.customers import Customer
from crm.members.panels import figures_of
from yejibao.core import access
from yejibao.core.panels import Answer, panel

from .desk import Desk, desk_of, wanted_keys

KNOWN_SHOWN = 12
# Tags that the sizes of his purchases answer, by the garments that show them, the surest first.
WORN = {
    "size_top": ("西服", "大衣", "夹克", "羽绒", "针织"), "size_shirt": ("衬衫",), "size_bottom": ("裤装",), "size_shoe": ("鞋",),
}  # fmt: skip


@panel("member", order=30, name="tags")
@panel("sidebar", order=30, name="tags")
def tags_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """标签: what is known; below it values to confirm and questions to ask, one tap each."""
    if customer.member is None or not customer.may_see_card:
        return None
    return "sidebar/tags.html", facts_of(request, customer, now=now)


def facts_of(request: HttpRequest, customer: Customer, *, now: datetime) -> dict[str, Any]:
    """Return what the panel shows of a member whose card may be seen."""
    assert customer.member is not None
    desk = _desk(request, customer, now)
    return {
        "member": customer.member,
        "desk": desk,
        "known": desk.known[:KNOWN_SHOWN],
        "rest": max(0, len(desk.known) - KNOWN_SHOWN),
        "may_edit": access.actor_of(request).may("member.edit_tag"),
    }


def _desk(request: HttpRequest, customer: Customer, now: datetime) -> Desk:
    member = customer.member
    assert member is not None
    figures = figures_of(request, customer, now)
    sizes = figures.sizes if figures else {}
    worn = {key: next((sizes[one] for one in families if one in sizes), "") for key, families in WORN.items()}
    return desk_of(
        member,
        wanted=wanted_keys(request, customer=customer, now=now),
        observed={key: size for key, size in worn.items() if size},
        store_id=member.main_store_id,
    )
