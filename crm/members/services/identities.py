"""The names under which systems know a member (OneID): kept once each, looked up for whole batches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member, MemberIdentity
from yejibao.core import reindexing
from yejibao.core.errors import Conflict

Kind = MemberIdentity.Kind


class IdentityTaken(Conflict):
    code, title = "member.identity_taken", _("这个账号已经是另一位会员的")


def members_by(kind: str, values: Collection[str]) -> dict[str, int]:
    """Return the member of each of these values that has one. Merged members are never among them."""
    wanted = [value for value in values if value]
    found = MemberIdentity.objects.filter(kind=kind, value__in=wanted) if wanted else MemberIdentity.objects.none()
    return dict(found.values_list("value", "member_id"))


def note_identities(member_ids: Iterable[int], *, now: datetime, source: str = "till") -> int:
    """Write down the card, phone and WeCom ids of members that are not written down yet. Returns how many were.

    Who has a name first keeps it: a phone two members gave stays with the first, and a person decides about the other.
    """
    ids = sorted(set(member_ids))
    if not ids:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO crm_memberidentity (member_id, kind, value, source, added_at)
            SELECT id, kind, value, %(source)s, %(now)s FROM (
                SELECT m.id, 'pos_card' AS kind, m.member_no AS value FROM crm_member m
                    WHERE m.id = ANY(%(ids)s) AND m.status <> 'merged'
                UNION SELECT m.id, 'phone', m.phone_index FROM crm_member m
                    WHERE m.id = ANY(%(ids)s) AND m.status = 'active' AND m.phone_index <> ''
                UNION SELECT f.member_id, 'external_user_id', f.external_user_id FROM crm_friendlink f
                    JOIN crm_member m ON m.id = f.member_id AND m.status <> 'merged' WHERE f.member_id = ANY(%(ids)s)
            ) known ORDER BY kind, value, id
            ON CONFLICT (kind, value) DO NOTHING
            """,
            {"ids": ids, "now": now, "source": source},
        )
        return cursor.rowcount


def move_phones(old: Mapping[int, str], *, source: str, now: datetime) -> None:
    """Settle the phones of members after they changed: the number one had before (`old`, its blind index by member) leads to
    him no more, but to whose it is by now; the new one to him, unless somebody had it first."""
    had = {pk: index for pk, index in old.items() if index}
    others: list[int] = []
    if had:
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM crm_memberidentity i USING unnest(%s::bigint[], %s::text[]) AS n (id, value), crm_member m "
                "WHERE i.member_id = n.id AND i.kind = 'phone' AND i.value = n.value AND m.id = n.id AND m.phone_index <> n.value",
                [list(had), list(had.values())],
            )
        holders = Member.objects.filter(phone_index__in=set(had.values()), status=Member.Status.ACTIVE)
        others = list(holders.values_list("pk", flat=True))
    note_identities([*old, *others], now=now, source=source)


def claim_identity(member: Member, *, kind: str, value: str, source: str, now: datetime) -> MemberIdentity:
    """Note one more name of a member. Safe to run twice. Raises IdentityTaken when it is somebody else's."""
    held, _is_new = MemberIdentity.objects.get_or_create(
        kind=kind, value=value, defaults={"member": member, "source": source, "added_at": now}
    )
    if held.member_id != member.pk:
        raise IdentityTaken()
    return held


def give_identities(kind: str, pairs: Iterable[tuple[str, int]], *, source: str, now: datetime) -> None:
    """Note names of many members at once; one that is somebody's already stays his."""
    rows = sorted({(value, member) for value, member in pairs if value})
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO crm_memberidentity (member_id, kind, value, source, added_at) "
                "SELECT member, %s, value, %s, %s FROM unnest(%s::text[], %s::bigint[]) AS n(value, member) "
                "ON CONFLICT (kind, value) DO NOTHING",
                [kind, source, now, [value for value, _ in rows], [member for _, member in rows]],
            )


def rename_phones(cursor: Any, renamed: Mapping[str, str]) -> None:
    """Follow the phones' indexes under their new key (core/reindexing.py): what led to somebody leads to him still."""
    old, new = list(renamed), list(renamed.values())
    pairs = "unnest(%s::text[], %s::text[]) AS n (old, new)"
    held = "EXISTS (SELECT 1 FROM crm_memberidentity x WHERE x.kind = 'phone' AND x.value = n.new)"
    cursor.execute(
        f"UPDATE crm_memberidentity i SET value = n.new FROM {pairs} WHERE i.kind = 'phone' AND i.value = n.old AND NOT {held}",
        [old, new],
    )
    # Somebody noted the new one meanwhile: the old one leads nowhere any more.
    cursor.execute(
        f"DELETE FROM crm_memberidentity i USING {pairs} WHERE i.kind = 'phone' AND i.value = n.old AND {held}",
        [old, new],
    )


reindexing.follow("crm_member.phone", rename_phones)
