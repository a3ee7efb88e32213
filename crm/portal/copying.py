"""What stands in a member's own copy of the room: where he is signed in, and the codes he came by."""

from crm.members.models import Member
from crm.privacy.copying import SHOWN, Rows, section

from .models import CodeVisit, MemberSession


@section("登录", "从什么时候起", "哪里", "设备", "网络地址", order=80)
def _sessions(member: Member) -> Rows:
    for one in MemberSession.objects.filter(member=member).order_by("-began_at", "-pk")[:SHOWN]:
        yield one.began_at, one.get_place_display(), one.device, one.ip


@section("扫过的加好友码", "时间", "谁的码", order=81)
def _codes(member: Member) -> Rows:
    for one in CodeVisit.objects.filter(member=member).select_related("way").order_by("-opened_at", "-pk")[:SHOWN]:
        yield one.opened_at, one.way.name
