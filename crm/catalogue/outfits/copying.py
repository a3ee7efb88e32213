"""What stands in a member's own copy of the room: what he was sent, and what was changed of his weeks."""

from crm.members.models import Member
from crm.privacy.copying import SHOWN, Rows, section

from .models import LookChoice, LookShare


@section("导购发给你的穿搭", "时间", "内容", "你打开的时间", order=72)
def _sent(member: Member) -> Rows:
    for one in LookShare.objects.filter(member=member).order_by("-made_at", "-pk")[:SHOWN]:
        yield one.made_at, one.words, one.opened_at


@section("换过的穿搭", "哪天", "换成", order=73)
def _changed(member: Member) -> Rows:
    for one in LookChoice.objects.filter(member=member).select_related("outfit").order_by("-on")[:SHOWN]:
        yield one.on, one.outfit.name if one.outfit else f"换了 {len(one.swaps)} 件"
