"""What stands in a member's own copy of the room: what was put together for him, and where it was brought."""

from crm.members.models import Member
from crm.privacy.copying import SHOWN, Rows, section

from .models import ProxyOrder


@section("导购为你下的单", "时间", "门店", "怎么给你", "收货地址", "你说的", order=41)
def _orders(member: Member) -> Rows:
    for one in ProxyOrder.objects.filter(member=member).select_related("store").order_by("-sent_at", "-pk")[:SHOWN]:
        yield one.sent_at, one.store.short_name, one.get_delivery_display(), one.address, one.reason
