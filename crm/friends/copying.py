"""What stands in a member's own copy of the room: what he calls himself in WeChat, as the platform told us."""

from crm.members.models import FriendLink, Member
from crm.privacy.copying import Rows, section

from .models import Contact


@section("微信昵称", "昵称", "最近一次读到", order=61)
def _contacts(member: Member) -> Rows:
    known = FriendLink.objects.filter(member=member).values("external_user_id")
    for one in Contact.objects.filter(external_user_id__in=known).order_by("pk"):
        yield one.name, one.read_at
