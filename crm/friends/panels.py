"""What the room hangs on other pages about friends nobody knows as a member: how many wait, and beside the chat who he is."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.urls import reverse

from crm.members.customers import Customer
from crm.members.models import FriendLink, Member
from guides.org.models import Staff, Store
from yejibao.core import access, reading, together
from yejibao.core.clock import local_day
from yejibao.core.panels import Answer, panel

from .models import Contact
from .names import may_be_real
from .queries import unlinked_of
from .services.knowing import is_asked_about

GUESSES_SHOWN, FRIENDS_SHOWN = 5, 6
BOUGHT_WITHIN = timedelta(days=30)


@panel("members", order=10, name="unlinked")
def unlinked_panel(request: HttpRequest, *, now: datetime, **_: Any) -> Answer:
    """还没对上会员的好友: how many, and how long the first has waited."""
    staff_id = access.actor_of(request).staff_id
    found = unlinked_of(staff_id, now=now) if staff_id else None
    if not found or not found.count:
        return None
    facts = {
        "text": f"{found.count} 位微信好友还没对上会员",
        "note": f"最久 {found.days} 天" if found.days else "今天加上的",
    }
    return "components/notice.html", facts | {"url": reverse("crm:new-friends"), "tag": "", "now": now}


# Of which guides he is a friend, or was, the newest first.
FRIENDS = together.Read(
    "friends",
    together.rows(
        "crm_friendlink x WHERE x.member_id = m.id",
        f"x.added_at DESC, x.id DESC LIMIT {FRIENDS_SHOWN}",
        """x.*, (SELECT json_build_array(g.name, to_json(s)) FROM guides_staff g LEFT JOIN guides_store s ON s.id = g.store_id
            WHERE g.id = x.guide_id) AS of_guide""",
    ),
    lambda rows: [_friend(row) for row in rows or ()],
)


def _friend(row: dict[str, Any]) -> FriendLink:
    link, (name, store) = reading.row_of(FriendLink, row), row["of_guide"]
    link.guide = Staff(pk=link.guide_id, name=name, store=reading.row_of(Store, store) if store else None)
    return link


@panel("hq-member-aside", order=40, name="friends", reads=(FRIENDS,))
def friends_panel(request: HttpRequest, *, customer: Customer, **_: Any) -> Answer:
    """企微好友: of which guides he is a friend, or was, the newest first."""
    if customer.member is None or not customer.may_see_card:
        return None
    return "friends/part_of_member.html", {"links": FRIENDS.of(request), "lost": FriendLink.LOST}


@panel("sidebar-unknown", order=10, name="who")
def who_panel(request: HttpRequest, *, customer: Customer, now: datetime, **_: Any) -> Answer:
    """他是哪位会员: guesses to tap on, a search, a new card."""
    link = customer.link
    if link is None:
        return None
    contact = Contact.objects.filter(external_user_id=link.external_user_id).first()
    name = (contact.name if contact else "") or link.remark
    is_asked = is_asked_about(link.external_user_id)
    guesses = [] if is_asked or not customer.is_friend else guess(request, link, name, now=now)
    return "sidebar/unknown.html", {
        "link": link,
        "name": name or "微信客户",
        "card_name": next((one for one in (link.remark, name) if may_be_real(one)), ""),
        "is_asked": is_asked,
        "guesses": guesses,
    }


def guess(request: HttpRequest, link: FriendLink, name: str, *, now: datetime) -> list[Member]:
    """Return members of the actor's he may be: by the phone in the remark, by his name, who bought lately and is no friend."""
    actor = access.actor_of(request)
    mine = Member.objects.visible_to(actor).filter(status=Member.Status.ACTIVE)
    names = [one for one in (name, link.remark) if one]
    signs = Q(phone_index__in=[one for one in link.phone_indexes if one]) | Q(name__in=names)
    alike = list(mine.filter(signs).order_by("pk")[:GUESSES_SHOWN]) if names or link.phone_indexes else []
    known = FriendLink.objects.filter(member=OuterRef("pk"))
    lately = (
        mine.filter(~Exists(known), owner_guide_id=actor.staff_id, last_purchase_on__gte=local_day(now) - BOUGHT_WITHIN)
        .exclude(pk__in=[one.pk for one in alike])
        .order_by("-last_purchase_on", "pk")
    )
    return [*alike, *lately[: GUESSES_SHOWN - len(alike)]]
