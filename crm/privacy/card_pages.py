"""On a member's card, at the store and at HQ: what is kept of him in full by a tap with a reason, what he allows, what he asked."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm.members.customers import Customer, member_of
from crm.members.models import Member
from crm.members.shells import card_url
from guides.org.pages import shell_of
from yejibao.core import access, clock, desk, hx, reading, together
from yejibao.core.errors import NotFound
from yejibao.core.panels import Answer, panel

from . import queries, services
from .drawing import draw_privacy
from .models import ConsentRecord, MemberRequest
from .services.consents import CHANNELS
from .services.consents import MAY as MAY_NOTE
from .services.revealing import MAY, REASONS
from .sheets import reveal_sheet, sheet

REQUESTS_SHOWN = 5
# Where a member may say what he allows, as the sheet offers it: in a store, and to HQ.
IN_STORE = ((ConsentRecord.Channel.WECOM, "微信里"), (ConsentRecord.Channel.STORE, "到店"))
AT_HQ = ((ConsentRecord.Channel.PHONE, "电话里"), (ConsentRecord.Channel.HQ, "找总部客服"))


REQUESTS = together.Read(
    "requests",
    together.rows(
        "crm_memberrequest x WHERE x.member_id = m.id AND x.id IN (%(scope)s)",
        f"x.asked_at DESC, x.id DESC LIMIT {REQUESTS_SHOWN}",
    ),
    lambda rows: [reading.row_of(MemberRequest, row) for row in rows or ()],
    scope=partial(together.visible_ids, MemberRequest),
)


@panel("member", order=80, name="privacy", reads=(queries.RARE,))
@panel("hq-member-aside", order=30, name="privacy", reads=(queries.RARE, queries.CONSENTS))
def privacy_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """联系与授权: what he allows in a line each, with the sheets; at HQ also which wording he agreed to."""
    member, actor = customer.member, access.actor_of(request)
    if member is None or not customer.may_see_card:
        return None
    return draw_privacy(
        member, queries.kept_of(member, queries.RARE.of(request)),
        queries.CONSENTS.of(request) if shell_of(actor) == "base/hq.html" else (),
        may_reveal=actor.has_role(*MAY), may_note=actor.has_role(*MAY_NOTE), now=now,
    )  # fmt: skip


@panel("hq-member-aside", order=50, name="requests", reads=(REQUESTS,))
def requests_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """会员信息请求 of this member, for those who answer them."""
    actor = access.actor_of(request)
    if customer.member is None or not actor.has_role(*MemberRequest.HANDLED_BY):
        return None
    return "privacy/part_requests.html", {"rows": REQUESTS.of(request)}


def _member(request: HttpRequest, public_id: UUID) -> Member:
    found = member_of(access.actor_of(request), public_id).member
    assert found is not None
    return found


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*MAY)
def reveal(request: HttpRequest, public_id: UUID, what: str) -> HttpResponse:
    """看号码, 看证件号, 看地址, 看出生年: choose why; it shows once, and the tap is on record."""
    if what not in queries.LABELS:
        raise NotFound()
    member = _member(request, public_id)
    kept = next((one.masked for one in queries.kept_of(member) if one.key == what), "")
    return reveal_sheet(
        request, member, what, label=queries.LABELS[what], masked=kept, reasons=REASONS[what],
        show=lambda reason: services.reveal(member, what, actor=access.actor_of(request), reason=reason, now=clock.now()),
    )  # fmt: skip


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*MAY_NOTE)
def allows(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """他同意什么: as he says it to whoever talks with him, each as easily taken back as given."""
    actor, now = access.actor_of(request), clock.now()
    member = _member(request, public_id)
    places = AT_HQ if shell_of(actor) == "base/hq.html" else IN_STORE
    if request.method == "POST":
        where, allows = request.POST.get("where", ""), request.POST.getlist("allows")
        services.set_allowed(
            member, refused=CHANNELS.keys() - set(request.POST.getlist("channels")), may_profile="profiling" in allows,
            may_call="phone" in allows, seen=request.POST.get("seen", ""),
            channel=where if where in dict(places) else places[0][0], actor=actor, now=now,
        )  # fmt: skip
        page = card_url(actor, member)
        hx.flash(request, "记下了，马上生效")
        return hx.redirect(page) if hx.is_htmx(request) else HttpResponseRedirect(page)
    channels = [(key, name, key not in member.marketing_opt_out) for key, name in CHANNELS.items()]
    return sheet(
        request,
        "privacy/sheet_allows.html",
        "他同意什么",
        member,
        channels=channels,
        said_at=places,
        seen=desk.seen(member, services.ALLOWED),
    )
