"""What the browser's client asks of the platform's stand-in, and what that is told about our people and customers."""

import logging
import urllib.error
from collections import defaultdict
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from crm.members.models import FriendLink
from guides.org.models import OrgUnit, Staff
from yejibao.core.errors import Conflict, NotFound, Unavailable

from .sandbox_control import SandboxControl

log = logging.getLogger(__name__)

CONTACTS_AT_ONCE = 2000


class StandInDown(Unavailable):
    code, title = "sandbox.down", _("企业微信沙箱没有开")


class NotFriends(Conflict):
    code, title = "sandbox.not_friends", _("他们现在不是好友")


def call(
    method: str, name: str, *, query: dict[str, Any] | None = None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Ask the control side. Raises StandInDown, NotFound (it does not know the person) or NotFriends."""
    stand_in = SandboxControl(settings.WECOM_SANDBOX_CONTROL)
    try:
        answer: dict[str, Any] = stand_in.call(method, name, query=query, body=body)
    except urllib.error.HTTPError as error:
        if error.code == 404:
            raise NotFound() from None
        if error.code == 409:
            raise NotFriends() from None
        log.warning("sandbox refused %s %s: %s", method, name, error.read(500).decode(errors="replace"))
        raise Conflict(_("沙箱不接受这个请求")) from None
    except (OSError, ValueError) as error:
        log.warning("sandbox does not answer: %s", error)
        raise StandInDown(_("用 bin/run 启动时会一起打开")) from None
    return answer


def call_about(person: Staff, method: str, name: str, **more: Any) -> dict[str, Any]:
    """Ask about a person; where the stand-in has never heard of him or his customers, tell it first."""
    try:
        return call(method, name, **more)
    except (NotFound, NotFriends):
        tell_world([person])
        return call(method, name, **more)


def tell_world(people: list[Staff]) -> None:
    """Tell the stand-in who these people are, and about their customers with all who follow them."""
    rows = [
        {"userid": one.wecom_user_id, "name": one.display_name or one.name, "department": [_department(one)]}
        for one in people
    ]
    units = OrgUnit.objects.filter(staff__in=people, wecom_department_id__isnull=False).distinct()
    departments = [{"id": unit.wecom_department_id, "name": unit.name} for unit in units]
    call("POST", "world", body={"people": rows, "departments": departments})
    ids = list(
        FriendLink.objects.filter(guide__in=people)
        .order_by("external_user_id")
        .values_list("external_user_id", flat=True)
    )
    for start in range(0, len(ids), CONTACTS_AT_ONCE):
        rows = contacts(ids[start : start + CONTACTS_AT_ONCE])
        call("POST", "world", body={"contacts": rows, "add_only": True})


def contacts(external_user_ids: list[str]) -> list[dict[str, Any]]:
    """Return customers as the stand-in keeps them, with every guide who is, or was, their friend."""
    found: dict[str, dict[str, Any]] = {}
    followers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    links = FriendLink.objects.filter(external_user_id__in=external_user_ids).select_related("member", "guide")
    for link in links.order_by("pk"):
        name = link.member.name if link.member else link.remark or "微信客户"
        found[link.external_user_id] = {"external_userid": link.external_user_id, "name": name}
        is_over = link.state in FriendLink.LOST
        followers[link.external_user_id].append(
            {"userid": link.guide.wecom_user_id, "remark": link.remark, "createtime": int(link.added_at.timestamp()),
             "tags": [{"tag_id": one, "type": 1} for one in link.corp_tag_ids], "deleted": is_over}
        )  # fmt: skip
    return [row | {"followers": followers[key]} for key, row in found.items()]


def _department(person: Staff) -> int:
    return (person.unit.wecom_department_id if person.unit else None) or 1
