"""One tap on a tag: a value on or off, and back again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from crm.members.models import Member
from crm.members.services import lock_members
from yejibao.core.errors import Conflict, NotFound
from yejibao.core.scope import Actor

from .desk import Row, rows_of, say
from .services import set_tag

SOURCE = "GUIDE"


class ChangedSince(Conflict):
    code, title = "tag.changed_since", _("这个标签刚又改过，没有撤销")


@dataclass(frozen=True)
class Tapped:
    """What people said of a tag before and after a tap."""

    row: Row
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def sentence(self) -> str:
        if not self.after:
            return f"去掉了「{say(self.row, self.before)}」" if self.before else f"{self.row.name}没有填"
        fresh = [value for value in self.after if value not in self.before]
        gone = [value for value in self.before if value not in self.after]
        if fresh or not gone:
            return f"记下了：{say(self.row, fresh or self.after)}"
        return f"去掉了「{say(self.row, gone)}」"


def tap(member: Member, key: str, value: str, *, is_wanted: bool, actor: Actor, now: datetime) -> Tapped:
    """Put a value of a tag on or take it off; of a multi_enum the others stay. Twice is like once.

    Raises what `set_tag` raises.
    """
    with transaction.atomic():
        row = _locked(member, key)
        before = row.values if row.is_said else ()
        if not is_wanted:
            wanted: Sequence[str] = [one for one in before if one != value]
        elif row.value_type == "multi_enum":
            wanted = [*(one for one in before if one != value and not _excludes(one, value)), value]
        else:
            wanted = [value]
        return _write(member, row, wanted, actor=actor, now=now)


def put_back(
    member: Member, key: str, *, was: Sequence[str], made: Sequence[str], actor: Actor, now: datetime
) -> Tapped:
    """Undo a tap: what was said before counts again, if nobody has said anything else since. Raises ChangedSince."""
    with transaction.atomic():
        row = _locked(member, key)
        said = row.values if row.is_said else ()
        if said == tuple(was):
            return Tapped(row, said, said)
        if said != tuple(made):
            raise ChangedSince()
        return _write(member, row, list(was), actor=actor, now=now)


def _locked(member: Member, key: str) -> Row:
    """Return a tag as it stands, with the member locked: two quick taps on one multi_enum must not lose each other."""
    lock_members([member.pk])
    found = rows_of(member, key=key)
    if not found:
        raise NotFound(_("没有这个标签"))
    return found[0]


def _excludes(one: str, other: str) -> bool:
    """Tell whether two values of a multi_enum cannot both be true: 无 is the end of the list."""
    return "无" in (one, other) or "不改" in (one, other)


def _write(member: Member, row: Row, wanted: Sequence[str], *, actor: Actor, now: datetime) -> Tapped:
    before = row.values if row.is_said else ()
    value: str | Sequence[str] | None = None
    if wanted:
        value = list(wanted) if row.value_type == "multi_enum" else wanted[0]
    set_tag(member, row.key, value, source=SOURCE, actor=actor, at=now)
    if value is None and row.source == "WECOM":  # what she set in the chat's own profile is her word, too
        set_tag(member, row.key, None, source="WECOM", actor=actor, at=now)
    (after,) = rows_of(member, key=row.key)
    return Tapped(after, before, after.values if after.is_said else ())
