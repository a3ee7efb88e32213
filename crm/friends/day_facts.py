"""How many friends a guide won on a day, for her work log: models.yaml new_friend_count. Imported when the department starts."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta

from django.db.models import Count

from crm.members.models import FriendLink
from guides.worklog.facts import fact
from yejibao.core import clock


@fact("new_friend_count", label="新增好友", order=50)
def new_friends(staff_ids: Collection[int], day: date, *, now: datetime) -> dict[int, str]:
    """Return who was added on the day and is still a friend."""
    starts = clock.local_moment(day, time())
    rows = FriendLink.objects.filter(
        guide_id__in=staff_ids,
        added_at__gte=starts,
        added_at__lt=starts + timedelta(days=1),
        state=FriendLink.State.FRIEND,
    )
    found = dict(rows.order_by().values_list("guide_id").annotate(n=Count("pk")))
    return {staff: f"{found.get(staff, 0)} 位" for staff in staff_ids}
