"""What stands in a member's own copy of the department: what was said to him and what was planned for him."""

from crm.members.models import Member
from crm.privacy.copying import SHOWN, Rows, section
from tasks.followups.models import Task
from tasks.scripts.models import ScriptUse


@section("导购发给你的话", "时间", "内容", order=70)
def _said(member: Member) -> Rows:
    for one in ScriptUse.objects.filter(member=member).exclude(text="").order_by("-at", "-pk")[:SHOWN]:
        yield one.at, one.text


@section("为你安排的回访", "时间", "为什么", "结果", order=75)
def _planned(member: Member) -> Rows:
    for one in Task.objects.filter(member=member).order_by("-open_at", "-pk")[:SHOWN]:
        yield one.open_at, one.why, one.get_state_display()
