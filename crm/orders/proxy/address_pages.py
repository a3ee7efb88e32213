"""Where a parcel goes: shown whole at a tap with a reason, for who packs it or calls about it."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from crm.privacy.sheets import reveal_sheet
from guides.org import matrix
from yejibao.core import access, clock

from . import services
from .queries import masked_address, sent_order
from .scoped import PROXY

REASONS = ("打包寄出", "送货上门", "和他核对地址")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@access.roles(*matrix.holders(PROXY))
def address(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The whole address, his phone in it: counted with the numbers of cards, and in the same lists."""
    actor = access.actor_of(request)
    proxy = sent_order(actor, public_id)
    return reveal_sheet(
        request, proxy.member, "parcel", label="收货地址", masked=masked_address(proxy.address), reasons=REASONS,
        show=lambda reason: services.reveal_address(proxy, actor=actor, reason=reason, now=clock.now()),
    )  # fmt: skip
