"""What the room hangs on other pages: a member's tags, with what to confirm and what to ask."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.members.customers import Customer
from crm.members.queries import FIGURES
from yejibao.core import access
from yejibao.core.panels import Answer, panel

from .desk import ROWS, Desk, desk_of, wanted_keys
from .drawing import draw_tags

# Tags that the sizes of his purchases answer, by the garments that show them, the surest first.
WORN = {
    "size_top": ("西服", "大衣", "夹克", "羽绒", "针织"), "size_shirt": ("衬衫",), "size_bottom": ("裤装",), "size_shoe": ("鞋",),
}  # fmt: skip


@panel("member", order=30, name="tags", reads=(ROWS, FIGURES))
@panel("hq-member", order=40, name="tags", reads=(ROWS, FIGURES))
@panel("sidebar", order=30, name="tags", reads=(ROWS, FIGURES))
def tags_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """标签: what is known; below it values to confirm and questions to ask, one tap each."""
    if customer.member is None or not customer.may_see_card:
        return None
    return tags_of(request, customer, now=now)


def tags_of(request: HttpRequest, customer: Customer, *, now: datetime) -> SafeString:
    """Return the panel of a member whose card may be seen."""
    assert customer.member is not None
    actor = access.actor_of(request)
    may_edit = actor.may("member.edit_tag")
    # Open work asks questions of those who talk with him.
    desk = _desk(request, customer, now, is_talking=may_edit and actor.store_id is not None)
    return draw_tags(request, customer.member, desk, may_edit=may_edit)


def _desk(request: HttpRequest, customer: Customer, now: datetime, *, is_talking: bool) -> Desk:
    member = customer.member
    assert member is not None
    sizes = FIGURES.of(request).sizes
    worn = {key: next((sizes[one] for one in families if one in sizes), "") for key, families in WORN.items()}
    return desk_of(
        member,
        rows=ROWS.of(request),
        wanted=wanted_keys(request, customer=customer, now=now) if is_talking else (),
        observed={key: size for key, size in worn.items() if size},
        store_id=member.main_store_id,
    )
