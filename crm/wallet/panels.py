"""What the room hangs on other pages: what a member has on his card."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from crm.members.customers import Customer
from crm.members.models import Member
from guides.org import matrix
from yejibao.core import access, words
from yejibao.core.flat import address
from yejibao.core.panels import Answer, panel
from yejibao.core.templatetags import yjb

from .models import Wallet
from .queries import LIVE, balance_on
from .scoped import LEDGER, TOP_UP


@panel("sidebar-assets", order=10, name="wallet", reads=(LIVE,))
def balance_figure(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """储值余额, the first of the three figures beside a chat; a tap leads to topping up."""
    if customer.member is None or not customer.may_see_card:
        return None
    may_top_up = access.actor_of(request).has_role(*matrix.holders(TOP_UP))
    return "wallet/figure.html", {
        "balance": balance_on(LIVE.of(request)), "member": customer.member, "may_top_up": may_top_up,
    }  # fmt: skip


@panel("member", order=36, name="wallet", reads=(LIVE,))
@panel("hq-member", order=24, name="wallet", reads=(LIVE,))
def wallet_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """储值卡 on a member's page: the balance in both parts, the way to topping up and to every movement."""
    if customer.member is None or not customer.may_see_card:
        return None
    actor, wallet = access.actor_of(request), LIVE.of(request)
    may_top_up = actor.has_role(*matrix.holders(TOP_UP))
    if wallet is None and not may_top_up:
        return None
    may_read = wallet is not None and actor.has_role(*matrix.holders(LEDGER))
    return _draw(wallet, customer.member, may_top_up=may_top_up, may_read=may_read)


def _draw(wallet: Wallet | None, member: Member, *, may_top_up: bool, may_read: bool) -> SafeString:
    ledger = top_up = frozen = ""
    held = '<div class="grow fs14 sub">还没有储值卡</div>'
    if wallet:
        held = (
            f'<div class="grow"><b class="fs20 num">{words.yuan_exact(wallet.total_fen)}</b><div class="fs13 muted">'
            f"本金 {words.yuan_exact(wallet.principal_fen)} · 赠金 {words.yuan_exact(wallet.gift_fen)}</div></div>"
        )
        frozen = '<span class="tag amber">已冻结</span>' if wallet.is_frozen else ""
        if may_read:
            url = address("crm:wallet-card", wallet.public_id)
            ledger = f'<a class="more" href="{url}">明细 {yjb.icon("chevron-right", "i-16")}</a>'
    if may_top_up:
        top_up = f'<a class="btn btn-sm" href="{address("crm:wallet-member", member.public_id)}">充值</a>'
    return SafeString(
        f'<section class="sec side-sec" aria-label="储值卡"><div class="sec-h"><h2>储值卡</h2>{ledger}</div>\n'
        f'<div class="card row">{held}{frozen}{top_up}</div></section>'
    )
