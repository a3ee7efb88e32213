"""Who the platform's stand-in knows: the staff and their customers, from our own tables."""

from collections.abc import Collection
from typing import Any

from crm.members.models import FriendLink
from guides.org.models import Staff

from .sandbox_control import SandboxControl


def tell_sandbox(control: SandboxControl, *, with_customers: bool = True, leave_out: Collection[str] = ()) -> None:
    """Make the stand-in's address book, and customer relations unless told otherwise, equal to ours.

    `leave_out` names people who are not in the app's visible range: what is pushed to them fails.
    """
    people = [
        {"userid": person.wecom_user_id, "name": person.name, "department": [1]}
        for person in Staff.objects.exclude(state__in=["resigned", "disabled"])
        .exclude(wecom_user_id__in=leave_out)
        .order_by("pk")
    ]
    contacts: dict[str, dict[str, Any]] = {}
    links = FriendLink.objects.filter(member__isnull=False).select_related("member", "guide").order_by("pk")
    for link in links.iterator() if with_customers else ():
        contact = contacts.setdefault(
            link.external_user_id, {"external_userid": link.external_user_id, "name": link.member.name, "followers": []}
        )
        if link.state == FriendLink.State.FRIEND:
            contact["followers"].append(link.guide.wecom_user_id)
    control.set_world(people=people, contacts=list(contacts.values()))
