"""Two members are one person: his rows change hands in one transaction, and every change can be taken back.

Each room says which of its tables hold rows of a member (`add_holding`), upper departments too, as with `add_work`. What
must be settled before the rows can stand side by side (two running cycles, two values of a tag) is a hook.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.events import MembersMerged
from crm.members.models import Member, MemberMerge
from crm.members.services.identities import note_identities
from crm.members.services.locking import lock_members
from yejibao.core import audit, outbox
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor

# What the kept member takes over where he has nothing; a phone comes with its index, a birthday as a whole.
FILLED = {
    "phone": ("phone", "phone_index", "phone_last4"),
    "salutation": ("salutation",),
    "birth_month": ("birth_month", "birth_day", "birth_year", "birthday_calendar"),
    "owner_guide_id": ("owner_guide_id",),
    "main_store_id": ("main_store_id",),
}


class SamePerson(Invalid):
    code, title = "member.same", _("这是同一位会员")


class NotMergeable(Conflict):
    code, title = "member.not_mergeable", _("其中一位已注销或已合并")


class MayNotMerge(Forbidden):
    code, title = "perm.member.merge", _("合并会员要店长或总部来做")


class AlreadyUndone(Conflict):
    code, title = "merge.undone", _("这次合并已经撤销了")


@dataclass(frozen=True)
class Holding:
    """A table with rows of a member. `stays`: SQL on `t` and %(kept)s for rows that do not go over."""

    table: str
    column: str
    stays: str


Hook = Callable[[int, int, datetime], None]  # kept id, gone id, now; inside the transaction
_holdings: dict[str, Holding] = {}
_before: list[Hook] = []
_after: list[Hook] = []


def add_holding(table: str, *, column: str = "member_id", stays: str = "false") -> None:
    """Say that a table holds rows of a member."""
    _holdings[table] = Holding(table, column, stays)


def before_merge(hook: Hook) -> Hook:
    """Register what makes room before the rows go over."""
    if hook not in _before:
        _before.append(hook)
    return hook


def after_merge(hook: Hook) -> Hook:
    """Register what puts things in order once rows have changed hands, by a merge or by its undoing."""
    if hook not in _after:
        _after.append(hook)
    return hook


for _table in ("crm_memberidentity", "crm_friendlink", "crm_ownershiptransfer"):
    add_holding(_table)


@transaction.atomic
def merge_members(*, kept: Member, gone: Member, actor: Actor, reason: str, now: datetime) -> MemberMerge:
    """Make one member of two: what was the gone one's is the kept one's from now on; his card and phone lead there.

    Raises SamePerson, NotMergeable, MayNotMerge, or NotFound for a member whose card the actor may not open.
    """
    if kept.pk == gone.pk:
        raise SamePerson()
    _check(actor, kept.pk, gone.pk)
    lock_members([kept.pk, gone.pk])
    both = {one.pk: one for one in Member.objects.filter(pk__in=[kept.pk, gone.pk])}
    kept, gone = both[kept.pk], both[gone.pk]
    if {kept.status, gone.status} != {Member.Status.ACTIVE}:
        raise NotMergeable()
    note_identities([kept.pk, gone.pk], now=now)
    for hook in _before:
        hook(kept.pk, gone.pk, now)
    moved = {one.table: rows for one in _holdings.values() if (rows := _move(one, gone.pk, kept.pk))}
    filled = _fill(kept, gone)
    Member.objects.filter(pk=gone.pk).update(status=Member.Status.MERGED, merged_into=kept)
    merge = MemberMerge.objects.create(
        kept=kept, gone=gone, reason=reason[:255], moved=moved, filled=filled, at=now, by_id=actor.staff_id
    )
    for hook in _after:
        hook(kept.pk, gone.pk, now)
    _tell(merge, "member.merged", actor=actor, reason=reason, moved=moved)
    return merge


@transaction.atomic
def undo_merge(merge: MemberMerge, *, actor: Actor, reason: str, now: datetime) -> MemberMerge:
    """Take a merge back: the rows it moved return, what came later stays with the kept one.

    Raises AlreadyUndone or MayNotMerge.
    """
    held = MemberMerge.objects.select_for_update().get(pk=merge.pk)
    if held.undone_at:
        raise AlreadyUndone()
    if not _may(actor):
        raise MayNotMerge()
    if not Member.objects.visible_to(actor).filter(pk=held.kept_id).exists():
        raise NotFound()
    lock_members([held.kept_id, held.gone_id])
    kept, gone = Member.objects.get(pk=held.kept_id), Member.objects.get(pk=held.gone_id)
    if kept.status == Member.Status.MERGED:
        raise NotMergeable(_("留下的那张卡后来又并进了别的卡，先撤销那一次。"))
    _return(held, kept=kept.pk, gone=gone.pk)
    _empty(kept, gone, held.filled)
    Member.objects.filter(pk=gone.pk).update(status=Member.Status.ACTIVE, merged_into=None)
    held.undone_at, held.undone_by_id = now, actor.staff_id
    held.save(update_fields=["undone_at", "undone_by"])
    for hook in _after:
        hook(kept.pk, gone.pk, now)
    _tell(held, "member.unmerged", actor=actor, reason=reason, moved=held.moved)
    return held


def _may(actor: Actor) -> bool:
    return actor.may("member.change_owner") or actor.has_role("hq_crm")


def _check(actor: Actor, *ids: int) -> None:
    if not _may(actor):
        raise MayNotMerge()
    if Member.objects.visible_to(actor).filter(pk__in=ids).count() < len(ids):
        raise NotFound()


def _move(one: Holding, gone: int, kept: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {one.table} t SET {one.column} = %(kept)s "
            f"WHERE t.{one.column} = %(gone)s AND NOT ({one.stays}) RETURNING t.id",
            {"kept": kept, "gone": gone},
        )
        return sorted(row[0] for row in cursor.fetchall())


def _return(merge: MemberMerge, *, kept: int, gone: int) -> None:
    with connection.cursor() as cursor:
        for table, ids in merge.moved.items():
            one = _holdings[table]
            cursor.execute(
                f"UPDATE {one.table} SET {one.column} = %s WHERE id = ANY(%s) AND {one.column} = %s", [gone, ids, kept]
            )


def _fill(kept: Member, gone: Member) -> list[str]:
    """Give the kept member what he lacks and the stricter of both wishes; return the names of what changed."""
    values: dict[str, Any] = {}
    filled = []
    for lead, columns in FILLED.items():
        if getattr(kept, lead) in (None, "") and getattr(gone, lead) not in (None, ""):
            values |= {name: getattr(gone, name) for name in columns}
            filled.append(lead)
    if gone.do_not_contact and not kept.do_not_contact:
        values["do_not_contact"] = True
        filled.append("do_not_contact")
    if extra := sorted(set(gone.marketing_opt_out) - set(kept.marketing_opt_out)):
        values["marketing_opt_out"] = sorted({*kept.marketing_opt_out, *extra})
        filled += [f"opt_out:{channel}" for channel in extra]
    if values:
        Member.objects.filter(pk=kept.pk).update(**values)
    return filled


def _empty(kept: Member, gone: Member, filled: list[str]) -> None:
    """Take from the kept member what the merge had filled in, unless it was changed since."""
    values: dict[str, Any] = {}
    for lead in filled:
        if lead in FILLED and getattr(kept, lead) == getattr(gone, lead):
            for name in FILLED[lead]:
                field = Member._meta.get_field(name.removesuffix("_id"))
                values[name] = field.get_default()  # type: ignore[union-attr]
    if "do_not_contact" in filled:
        values["do_not_contact"] = False
    channels = {name.removeprefix("opt_out:") for name in filled if name.startswith("opt_out:")}
    if channels:
        values["marketing_opt_out"] = sorted(set(kept.marketing_opt_out) - channels)
    if values:
        Member.objects.filter(pk=kept.pk).update(**values)


def _tell(merge: MemberMerge, action: str, *, actor: Actor, reason: str, moved: dict[str, list[int]]) -> None:
    counts = {table: len(ids) for table, ids in moved.items()}
    audit.record(
        actor,
        action,
        merge,
        before={"gone": merge.gone_id},
        after={"kept": merge.kept_id, "rows": counts, "filled": merge.filled},
        reason=reason,
    )
    outbox.publish(MembersMerged(merge.kept_id, merge.gone_id, is_undone=merge.undone_at is not None))
