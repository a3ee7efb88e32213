"""What stands in a member's own copy of the room: when he was asked to come, and what became of it."""

from crm.members.models import Member
from crm.privacy.copying import SHOWN, Rows, section

from .models import Visit


@section("到店邀约", "约的时间", "门店", "为什么", "状态", "你说的", order=74)
def _visits(member: Member) -> Rows:
    asked = Visit.objects.filter(member=member).exclude(state=Visit.State.PLANNED).select_related("store")
    for one in asked.order_by("-starts_at", "-pk")[:SHOWN]:
        yield (
            one.starts_at,
            one.store.short_name,
            one.words or one.get_kind_display(),
            one.get_state_display(),
            one.reason,
        )
