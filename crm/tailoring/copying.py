"""What stands in a member's own copy of the room: his appointments and garments, and his size file."""

from crm.members.models import Member
from crm.privacy.copying import SHOWN, Rows, section

from .models import Fitting, MemberMeasure
from .queries import measure_lines
from .services import garment_words


@section("量身定制", "预约时间", "门店", "状态", "做什么", "你说的", "要留意的", order=77)
def _fittings(member: Member) -> Rows:
    for one in Fitting.objects.filter(member=member).select_related("store").order_by("-starts_at", "-pk")[:SHOWN]:
        yield (
            one.starts_at,
            one.store.short_name,
            one.get_state_display(),
            garment_words(one) if one.garment else "",
            one.wish,
            one.note,
        )


@section("尺码档案", "量的时间", "门店", "尺寸（厘米）", "备注", order=78)
def _measures(member: Member) -> Rows:
    for one in MemberMeasure.objects.filter(member=member).select_related("store").order_by("-taken_at", "-pk")[:SHOWN]:
        said = "、".join(f"{line.name} {line.words}" for line in measure_lines(one.values, {}))
        yield one.taken_at, one.store.short_name, said, one.note
