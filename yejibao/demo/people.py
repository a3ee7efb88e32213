"""Who the platform's stand-in knows: the staff and their customers, from our own tables."""

from typing import Any

from crm.members.models import FriendLink
from guides.org.models import Staff

from .sandbox_control import SandboxControl


def tell_sandbox(control: SandboxControl) -> None:
    """Make the stand-in's address book and customer relations equal to ours."""
    people = [
        {"userid": person.wecom_user_id, "name": person.name, "department": [1]}
        for person in Staff.objects.exclude(state__in=["resigned", "disabled"]).order_by("pk")
    ]
    contacts: dict[str, dict[str, Any]] = {}
    links = FriendLink.objects.filter(member__isnull=False).select_related("member", "guide").order_by("pk")
    for link in links.iterator():
        contact = contacts.setdefault(
            link.external_user_id, {"external_userid": link.external_user_id, "name": link.member.name, "followers": []}
        )
        if link.state == FriendLink.State.FRIEND:
            contact["followers"].append(link.guide.wecom_user_id)
    control.set_world(people=people, contacts=list(contacts.values()))
