"""设置: values of the brand that may change without a deploy, each with its limits; who changed it, when, why, from when on.

    ROOM_A_PERSON = tunables.number("friends-room", group="好友", name="一个人最多加多少好友", unit="位", default=5000,
                                    least=1000, most=20000, why="向企业微信申请过提额的才改")
    ROOM_A_PERSON.at(now)

A change is a row of its own with the moment it begins, never one that has passed: what was done yesterday was right by
yesterday's value. Reading costs one indexed query, so these are for acts of people and nightly work, not for hot pages.
Rules of cadences and models have versions of their own (CadenceVersion, models.yaml); secrets are never here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from . import audit, desk
from .errors import Conflict, Forbidden, Invalid, Stale
from .models import SettingChange
from .scope import Actor

FARTHEST = timedelta(days=366)


@dataclass(frozen=True)
class Tunable:
    """A whole number between limits. `permission` is whose it is to change."""

    key: str
    group: str
    name: str
    unit: str
    default: int
    least: int
    most: int
    why: str  # what it does, and when one would change it
    permission: str = "account.manage"

    def at(self, now: datetime) -> int:
        """Return the value in force at a moment."""
        found = _changes(self.key).filter(starts_at__lte=now).values_list("value", flat=True).first()
        return self.default if found is None else int(found)

    def words(self, value: int) -> str:
        return f"{value:,} {self.unit}"


_known: dict[str, Tunable] = {}


def number(key: str, **facts: object) -> Tunable:
    """Declare a setting in the room that reads it. Raises ValueError for a key of two rooms or limits that do not fit."""
    tunable = Tunable(key=key, **facts)  # type: ignore[arg-type]
    if not tunable.least <= tunable.default <= tunable.most:
        raise ValueError(f"{key}: the default lies outside its limits")
    if _known.get(key, tunable) != tunable:
        raise ValueError(f"{key} is declared twice")
    _known[key] = tunable
    return tunable


def known() -> list[Tunable]:
    """Return all settings, by group and name."""
    return sorted(_known.values(), key=lambda one: (one.group, one.name))


def find(key: str) -> Tunable | None:
    return _known.get(key)


def _changes(key: str):  # type: ignore[no-untyped-def]  # QuerySet[SettingChange]
    return SettingChange.objects.filter(key=key, withdrawn_at=None).order_by("-starts_at", "-number")


@dataclass(frozen=True)
class Standing:
    """A setting as it is: the value in force, and the next one that waits."""

    tunable: Tunable
    value: int
    current: SettingChange | None
    coming: SettingChange | None
    number: int  # of the newest change, 0 for none: what an editor saw

    @property
    def value_words(self) -> str:
        return self.tunable.words(self.value)

    @property
    def coming_words(self) -> str:
        return self.tunable.words(int(self.coming.value)) if self.coming else ""


def standings(tunables: Sequence[Tunable], *, now: datetime) -> list[Standing]:
    """Return how settings stand: one statement for any number."""
    rows: dict[str, list[SettingChange]] = {}
    for row in SettingChange.objects.filter(key__in=[one.key for one in tunables]).order_by("-starts_at", "-number"):
        rows.setdefault(row.key, []).append(row)
    return [_standing(one, rows.get(one.key, []), now) for one in tunables]


def _standing(tunable: Tunable, rows: list[SettingChange], now: datetime) -> Standing:
    valid = [row for row in rows if row.withdrawn_at is None]
    current = next((row for row in valid if row.starts_at <= now), None)
    coming = next((row for row in reversed(valid) if row.starts_at > now), None)
    newest = max((row.number for row in rows), default=0)
    return Standing(tunable, int(current.value) if current else tunable.default, current, coming, newest)


def history(tunable: Tunable, *, upto: int = 30) -> list[SettingChange]:
    """Return the last changes, newest first."""
    return list(SettingChange.objects.filter(key=tunable.key).order_by("-number")[:upto])


def _must_be_his(tunable: Tunable, actor: Actor) -> None:
    if not actor.may(tunable.permission):
        raise Forbidden(permission=tunable.permission)


@transaction.atomic
def change(
    tunable: Tunable, *, value: int, starts_at: datetime | None, seen: int, actor: Actor, reason: str, now: datetime
) -> SettingChange:
    """Let a value hold from a moment on, now if none is named. `seen`: the newest change its editor saw.

    Raises Invalid for a value outside the limits or a moment that has passed, Stale when somebody else was quicker.
    """
    _must_be_his(tunable, actor)
    reason, begins = desk.needs_reason(reason), starts_at or now
    if not tunable.least <= value <= tunable.most:
        limits = {"least": tunable.words(tunable.least), "most": tunable.words(tunable.most)}
        raise Invalid(errors=[_wrong("value", _("要在 %(least)s 到 %(most)s 之间") % limits)])
    if not now <= begins <= now + FARTHEST:
        raise Invalid(errors=[_wrong("starts_at", _("从现在起到一年内，不能改过去的"))])
    newest = SettingChange.objects.filter(key=tunable.key).order_by("-number").values_list("number", flat=True).first()
    if seen != (newest or 0):
        raise Stale(_("刚刚有人改过这一项，看过再改。"))
    before = tunable.at(begins)
    if value == before:
        raise Invalid(errors=[_wrong("value", _("和那时的值一样，不用改"))])
    try:
        with transaction.atomic():
            row = SettingChange.objects.create(
                key=tunable.key, number=seen + 1, value=value, starts_at=begins, changed_at=now,
                changed_by_id=actor.staff_id, changed_by_name=actor.name[:64], reason=reason,
            )  # fmt: skip
    except IntegrityError:  # both saw the same: the second is told
        raise Stale(_("刚刚有人改过这一项，看过再改。")) from None
    audit.record(
        actor, "setting.changed", "setting", resource_id=tunable.key, before={"value": before},
        after={"value": value, "starts_at": begins.isoformat(), "number": row.number}, reason=reason,
    )  # fmt: skip
    return row


@transaction.atomic
def withdraw(row: SettingChange, *, actor: Actor, now: datetime) -> None:
    """Take back a change that has not begun. Raises Conflict."""
    tunable = _known[row.key]
    _must_be_his(tunable, actor)
    waiting = SettingChange.objects.filter(pk=row.pk, withdrawn_at=None, starts_at__gt=now)
    if not waiting.update(withdrawn_at=now):
        raise Conflict(_("已经生效或撤回了"))
    audit.record(
        actor,
        "setting.withdrawn",
        "setting",
        resource_id=row.key,
        before={"value": int(row.value), "number": row.number},
    )


def _wrong(field: str, message: object) -> dict[str, str]:
    return {"field": field, "code": "invalid", "message": str(message)}
