"""What the room hangs on other pages: the way to a member's week."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.catalogue.models import StyleColor
from crm.members.customers import Customer
from yejibao.core.flat import address
from yejibao.core.panels import Answer, panel
from yejibao.core.templatetags import yjb

from .drawing import with_pieces
from .queries import outfits_with

SHOWN = 3  # outfits beside a garment


@panel("member", order=47, name="outfits")
@panel("sidebar", order=47, name="outfits")
def outfits_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """7 天穿搭: one line; the week itself is made when she opens it."""
    if customer.member is None or not customer.may_see_card:
        return None
    url = address("crm:outfit-week", customer.member.public_id)
    return SafeString(
        '<section class="sec side-sec" id="outfits-card" data-panel="outfits" aria-label="穿搭">'
        f'<a class="card row plain" href="{url}">{yjb.icon("shirt", "c-camel")}<span class="grow"><span class="b blk">7 天穿搭</span>'
        f'<span class="fs13 muted blk">用他家里的和店里有他码的，配好一周</span></span>{yjb.icon("chevron-right", "i-18 muted")}</a></section>'
    )


@panel("item", order=20, name="outfits")
def worn_with(request: HttpRequest, *, style: StyleColor, **_: Any) -> Answer:
    """怎么搭: the outfits this garment is part of. Two statements."""
    rows = outfits_with(style, most=SHOWN)
    boards = with_pieces(rows)
    return ("outfits/worn_with.html", {"rows": [(one, boards[one.pk]) for one in rows]}) if rows else None
