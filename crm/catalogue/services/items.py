"""一物一码: making codes, and writing down whose a sold piece is."""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from urllib.parse import urlsplit

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from yejibao.core import audit
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from ..item_models import ItemBatch, ItemCode
from ..models import Sku
from ..queries.finding import sku_of
from ..scoped import ITEMS, must_hold

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing one misreads
LENGTH = 10  # 590 billion thousands: who guesses finds none
MOST = 500  # codes of one batch: forty sheets of labels
CODE = re.compile(r"[0-9A-Z-]{6,32}")
LINK = re.compile(r"/i/([0-9A-Z-]{6,32})/?$", re.IGNORECASE)


class AlreadyRegistered(Conflict):
    code, title = "item.registered", _("这件已经登记过了")


class NotYours(Forbidden):
    code, title = "perm.item.register", _("这件不在您的购买记录里")


def item_of(code: str) -> ItemCode | None:
    """Return the piece of a code as a hand types it, or as a scanner reads it: the link on the label."""
    typed = code.strip()
    link = LINK.search(urlsplit(typed).path) if "://" in typed else None
    typed = (link[1] if link else typed).upper()
    if not CODE.fullmatch(typed):
        return None
    return ItemCode.objects.select_related("sku__style", "sold_in").filter(code=typed).first()


def sku_of_scan(text: str) -> Sku | None:
    """Return the size a scanner read: off the code of one piece, a barcode, or the code of the size."""
    item = item_of(text)
    return item.sku if item else sku_of(text)


@transaction.atomic
def make_codes(sku: Sku, count: int, *, note: str = "", key: str, actor: Actor, now: datetime) -> ItemBatch:
    """Make codes for so many pieces of a size. The same key again is the same batch."""
    must_hold(actor, ITEMS)
    if not 1 <= count <= MOST:
        raise Invalid(_("一次 1 到 %(most)d 个。") % {"most": MOST})
    batch, is_new = ItemBatch.objects.get_or_create(
        key=key, defaults={"made_by_id": actor.staff_id, "made_at": now, "count": count, "note": note.strip()[:60]}
    )
    if not is_new:
        return batch
    ItemCode.objects.bulk_create([ItemCode(code=_code(), sku=sku, batch=batch) for _ in range(count)])
    audit.record(actor, "item.codes_made", batch, after={"sku": sku.code, "count": count})
    return batch


def _code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


# Pieces of this size that he paid for and did not bring back, and when he paid for the last of them.
_BOUGHT = """
SELECT coalesce(sum(line.quantity - line.returned_quantity), 0), max(o.paid_at)
FROM crm_order o JOIN crm_orderline line ON line.order_id = o.id
WHERE o.member_id = %(member)s AND o.status = 'paid' AND o.known_at IS NOT NULL AND line.sku_code = %(style)s AND line.size = %(size)s
    AND line.quantity > line.returned_quantity
"""


@transaction.atomic
def register_piece(code: str, member: Member, *, actor: Actor, now: datetime) -> ItemCode:
    """Write down that a sold piece is this member's: once, for good. His own again changes nothing.

    He is who bought it as the till knew, or has bought this size and not registered as many; a piece sold to nobody known
    is his who first scans it. Raises NotYours, or AlreadyRegistered, which says nothing of whose it is.
    """
    Member.objects.select_for_update().only("pk").get(
        pk=member.pk
    )  # of two pieces of one purchase, one after the other
    item = ItemCode.objects.select_for_update(of=("self",)).select_related("sku__style").filter(code=code).first()
    if item is None:
        raise NotYours()
    if item.registered_at and item.member_id == member.pk:
        return item
    if item.registered_at:
        raise AlreadyRegistered(_("这件衣服已经有人登记了。如果是您买的，请联系您的专属导购。"))
    if item.member_id not in (None, member.pk):
        raise NotYours()
    sold_at = item.sold_at or _bought(item, member)
    if sold_at is None:
        raise NotYours(_("登记要等买下以后。刚买的话，请稍等几分钟再扫。"))
    changed = ItemCode.objects.filter(pk=item.pk, registered_at=None).update(
        member=member, sold_at=sold_at, registered_at=now
    )
    if not changed:
        raise AlreadyRegistered()
    item.refresh_from_db()
    audit.record(actor, "item.registered", item, after={"member": member.pk, "sku": item.sku.code})
    return item


def _bought(item: ItemCode, member: Member) -> datetime | None:
    """Return when he bought a piece of this size that has no code of his yet; None if he did not."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUGHT, {"member": member.pk, "style": item.sku.style.sku_code, "size": item.sku.size})
        pieces, paid_at = cursor.fetchone()
    registered = ItemCode.objects.filter(member=member, sku=item.sku).count()
    return paid_at if pieces > registered else None
