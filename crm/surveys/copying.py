"""What stands in a member's own copy of the room: what he was asked, what he said, and what was said to it."""

from crm.members.models import Member
from crm.privacy.copying import SHOWN, Rows, section

from .models import Survey
from .rules import rules


@section("你的评价", "时间", "评什么", "几星", "原因", "你说的", "门店的回复", order=52)
def _said(member: Member) -> Rows:
    for one in Survey.objects.filter(member=member, answered_at__isnull=False).order_by("-answered_at", "-pk")[:SHOWN]:
        kind = rules().kinds[one.kind]
        yield one.answered_at, kind.name, one.stars, "、".join(kind.names_of(one.reasons)), one.words, one.reply
