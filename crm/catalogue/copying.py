"""What stands in a member's own copy of the room: what was kept and fetched for him, and the pieces he registered."""

from crm.members.models import Member
from crm.privacy.copying import SHOWN, Rows, section

from .item_models import ItemCode
from .stock_models import Reservation, TransferRequest


@section("为你留的货", "时间", "货品", "尺码", "结果", order=74)
def _kept(member: Member) -> Rows:
    rows = Reservation.objects.filter(member=member).select_related("sku__style").order_by("-created_at", "-pk")
    for one in rows[:SHOWN]:
        yield one.created_at, str(one.sku.style), one.sku.size, one.get_state_display()


@section("为你调的货", "时间", "货品", "尺码", "结果", order=75)
def _fetched(member: Member) -> Rows:
    rows = TransferRequest.objects.filter(member=member).select_related("sku__style").order_by("-asked_at", "-pk")
    for one in rows[:SHOWN]:
        yield one.asked_at, str(one.sku.style), one.sku.size, one.get_state_display()


@section("登记在你名下的衣服", "登记时间", "货品", "尺码", "编码", order=76)
def _registered(member: Member) -> Rows:
    rows = ItemCode.objects.filter(member=member, registered_at__isnull=False).select_related("sku__style")
    for one in rows.order_by("-registered_at")[:SHOWN]:
        yield one.registered_at, str(one.sku.style), one.sku.size, one.code
