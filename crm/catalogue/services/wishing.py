"""想要这件: who scanned a garment asks his own guide for it; she finds the style open, with him and the size chosen."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from guides.notices.pushing import tell_and_push
from guides.notices.services import Notice
from guides.org.models import Staff
from guides.org.queries import managers_of_stores
from yejibao.core import audit, clock
from yejibao.core.errors import Conflict
from yejibao.core.scope import Actor

from ..models import Sku


class NobodyToAsk(Conflict):
    code, title = "item.nobody_to_ask", _("还没有您的专属导购")


@transaction.atomic
def ask_for(sku: Sku, member: Member, *, actor: Actor, now: datetime) -> Staff:
    """Tell the member's guide that he wants a size; again before she has read it tells her nothing new. Returns whom.

    Without a guide of his own it is the manager of his store. Raises NobodyToAsk.
    """
    ids = [member.owner_guide_id]
    if member.main_store_id:
        ids.append(managers_of_stores([member.main_store_id], day=clock.local_day(now)).get(member.main_store_id))
    found = {one.pk: one for one in Staff.objects.employed().filter(pk__in=[pk for pk in ids if pk])}
    guide = next((found[pk] for pk in ids if pk in found), None)
    if guide is None:
        raise NobodyToAsk(_("到店里加一位导购，就能让她帮您留货、调货。"))
    style = sku.style
    asked = urlencode({"size": sku.size, "member": str(member.public_id)})
    notice = Notice(
        kind="member", key=f"wish:{member.pk}:{sku.pk}", title=f"{member.name}想要{style.name}",
        text=f"{style.color} {sku.size}。他扫了衣服上的码，点了「想要这件」。", url=f"/g/goods/{style.pk}/?{asked}",
    )  # fmt: skip
    tell_and_push([(guide.pk, notice)], now=now)
    audit.record(actor, "item.asked_for", sku, after={"member": member.pk, "guide": guide.pk})
    return guide
