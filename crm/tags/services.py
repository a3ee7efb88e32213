"""Writing tags of members: what each source says is kept, one of them counts (tags.yaml: filling_rules)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from crm.events import MemberTagged
from crm.members.models import Member
from crm.members.services import lock_members
from yejibao.core import outbox
from yejibao.core.errors import Forbidden, Invalid, NotFound
from yejibao.core.scope import Actor

from .models import MemberTag, Tag, TagChange, TagValue
from .rules import FILLED_HOLDS, Word, is_said, ranks, strongest

TEXT_UP_TO = 60
Values = Sequence[str]

# merging: what both members have from the same source stays with the one that is gone
COLLIDES = "EXISTS (SELECT 1 FROM crm_membertag k WHERE k.member_id = %(kept)s AND k.tag_id = t.tag_id AND k.source = t.source)"


class NotEditable(Invalid):
    code, title = "tag.not_editable", _("这个标签是系统算的，不能手改")


class WrongValue(Invalid):
    code, title = "tag.wrong_value", _("标签的值不对")


def set_tag(
    member: Member,
    tag: Tag | str,
    value: str | int | bool | Values | None,
    *,
    source: str,
    actor: Actor,
    at: datetime,
    now: datetime | None = None,
) -> bool:
    """Note what `source` says of a member's tag at `at`; None takes it back. Returns whether what counts has changed.

    What the same source said later than `at` stays: news may come in any order. People (GUIDE) write only config tags, of
    members whose card they may open. Raises NotEditable, WrongValue, Forbidden or NotFound.
    """
    found = tag if isinstance(tag, Tag) else Tag.objects.filter(key=tag, is_enabled=True).first()
    if found is None:
        raise NotFound(_("没有这个标签"))
    _check(member, found, source, actor)
    words = {} if value is None else {(member.pk, found.pk): checked(found, value)}
    removed = [(member.pk, found.pk)] if value is None else []
    return bool(write_tags(words, removed=removed, source=source, actor=actor, at=at, now=now or at))


def _check(member: Member, tag: Tag, source: str, actor: Actor) -> None:
    if source not in ranks():
        raise ValueError(f"no such source: {source}")
    if actor.is_system:
        return
    if not actor.may("member.edit_tag"):
        raise Forbidden(permission="member.edit_tag")
    if not Member.objects.visible_to(actor).filter(pk=member.pk).exists():
        raise NotFound()
    if tag.type != Tag.Type.CONFIG:
        raise NotEditable()


@transaction.atomic
def write_tags(
    words: dict[tuple[int, int], list[str]],
    *,
    removed: Collection[tuple[int, int]] = (),
    source: str,
    actor: Actor,
    at: datetime,
    now: datetime,
    by: Mapping[tuple[int, int], int] | None = None,
) -> int:
    """Write checked values of (member, tag) pairs from one source with a few statements; return how many now count anew.

    For callers with many at once (a sync, an import): `set_tag` is this for one. Tells the others what changed. `by` names
    the person who said it, pair by pair, where that is not the actor.
    """
    who = by or {}
    pairs = [*words, *removed]
    members = set(lock_members(member for member, _tag in pairs))
    pairs = [pair for pair in pairs if pair[0] in members]
    if not pairs:
        return 0
    columns = [[member for member, _ in pairs], [tag for _, tag in pairs]]
    held = {(one.member_id, one.tag_id): one for one in _held(columns, source)}
    fresh, changed, ended = [], [], []
    for pair in pairs:
        one, values = held.get(pair), words.get(pair)
        if one is not None and one.at > at:
            continue
        if values is None:
            ended += [one.pk] if one else []
        elif one is None:
            fresh.append(
                MemberTag(
                    member_id=pair[0],
                    tag_id=pair[1],
                    source=source,
                    values=values,
                    is_effective=False,
                    at=at,
                    by_id=who.get(pair, actor.staff_id),
                )  # fmt: skip
            )
        else:
            one.values, one.at, one.by_id = values, at, who.get(pair, actor.staff_id)
            changed.append(one)
    before = _effective(columns)
    MemberTag.objects.filter(pk__in=ended).delete()
    MemberTag.objects.bulk_create(fresh, batch_size=2000)
    MemberTag.objects.bulk_update(changed, ["values", "at", "by_id"], batch_size=1000)
    settle(columns[0], columns[1], now=now)
    after = _effective(columns)
    told = [
        (pair, before.get(pair, []), after.get(pair, []))
        for pair in pairs
        if before.get(pair, []) != after.get(pair, [])
    ]
    _note_changes(told, source=source, actor=actor, at=at, who=who)
    return len(told)


def _held(columns: list[list[int]], source: str) -> list[MemberTag]:
    return list(
        MemberTag.objects.raw(
            "SELECT t.* FROM crm_membertag t JOIN unnest(%s::bigint[], %s::bigint[]) AS p(member, tag) "
            "ON p.member = t.member_id AND p.tag = t.tag_id WHERE t.source = %s",
            [*columns, source],
        )
    )


def _effective(columns: list[list[int]]) -> dict[tuple[int, int], list[str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.member_id, t.tag_id, t.values FROM crm_membertag t JOIN unnest(%s::bigint[], %s::bigint[]) "
            "AS p(member, tag) ON p.member = t.member_id AND p.tag = t.tag_id WHERE t.is_effective",
            columns,
        )
        return {(member, tag): values for member, tag, values in cursor.fetchall()}


def settle(member_ids: Sequence[int], tag_ids: Sequence[int], *, now: datetime) -> int:
    """Decide anew which source counts for these (member, tag) pairs; return how many pairs have one."""
    words: dict[tuple[int, int], list[MemberTag]] = defaultdict(list)
    for one in MemberTag.objects.raw(
        "SELECT t.* FROM crm_membertag t JOIN (SELECT DISTINCT * FROM unnest(%s::bigint[], %s::bigint[]) AS u(member, tag)) p "
        "ON p.member = t.member_id AND p.tag = t.tag_id",
        [list(member_ids), list(tag_ids)],
    ):
        words[one.member_id, one.tag_id].append(one)
    winners: list[int] = []
    losers: list[int] = []
    for held in words.values():
        best = strongest([Word(one.source, one.at) for one in held], now=now)
        for one in held:
            counts = (one.source, one.at) == (best.source, best.at)
            if counts != one.is_effective:
                (winners if counts else losers).append(one.pk)
    if losers:
        MemberTag.objects.filter(pk__in=losers).update(is_effective=False)
    if winners:
        MemberTag.objects.filter(pk__in=winners).update(is_effective=True)
    return len(words)


def _note_changes(
    told: Sequence[tuple[tuple[int, int], list[str], list[str]]],
    *,
    source: str,
    actor: Actor,
    at: datetime,
    who: Mapping[tuple[int, int], int],
) -> None:
    if not told:
        return
    TagChange.objects.bulk_create(
        [
            TagChange(
                member_id=member,
                tag_id=tag,
                old=old,
                new=new,
                source=source,
                by_id=who.get((member, tag), actor.staff_id),
                at=at,
            )
            for (member, tag), old, new in told
        ],
        batch_size=2000,
    )
    keys = dict(Tag.objects.filter(pk__in={tag for (_, tag), _, _ in told}).values_list("pk", "key"))
    outbox.publish_many(
        MemberTagged(member, keys[tag], source, who.get((member, tag), actor.staff_id), at.isoformat())
        for (member, tag), _, _ in told
    )


@transaction.atomic
def age_tags(*, now: datetime, batch: int = 5000) -> int:
    """Let computed values come back where a filled-in one has had its year. Nightly; returns how many tags changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.member_id, t.tag_id FROM crm_membertag t
            WHERE t.is_effective AND t.at <= %(before)s AND t.source = ANY(%(said)s) AND EXISTS (
                SELECT 1 FROM crm_membertag o WHERE o.member_id = t.member_id AND o.tag_id = t.tag_id AND o.id <> t.id
                  AND NOT (o.source = ANY(%(said)s) AND o.at <= %(before)s))
            LIMIT %(batch)s
            """,
            {"before": now - FILLED_HOLDS, "said": [one for one in ranks() if is_said(one)], "batch": batch},
        )
        pairs = cursor.fetchall()
    if not pairs:
        return 0
    lock_members(member for member, _ in pairs)  # whose word is being written meanwhile: it has no year behind it
    columns = [[member for member, _ in pairs], [tag for _, tag in pairs]]
    before = _effective(columns)
    settle(*columns, now=now)
    after = _effective(columns)
    told = [(pair, before[pair], after[pair]) for pair in before if before[pair] != after.get(pair)]
    _note_changes(told, source="model", actor=Actor.system(), at=now, who={})
    return len(pairs)


# ---------------------------------------------------------------- what a value may be

_RANGE = re.compile(r"^(\d+)-(\d+)$")
YES_NO = {"true": "是", "false": "否", "1": "是", "0": "否", "是": "是", "否": "否"}


def checked(tag: Tag, value: str | int | bool | Values) -> list[str]:
    """Return a value as it is stored: one text, or several of a multi_enum in the order of the tree. Raises WrongValue."""
    if tag.value_type in Tag.CHOICES:
        wanted = [value] if isinstance(value, str) else [str(one) for one in value]  # type: ignore[union-attr]
        known = list(
            TagValue.objects.filter(tag=tag, is_enabled=True).order_by("position").values_list("value", flat=True)
        )
        unknown = [one for one in wanted if one not in known]
        if unknown or not wanted or (tag.value_type == "enum" and len(wanted) != 1):
            raise WrongValue(
                _("%(tag)s 没有这个选项：%(value)s") % {"tag": tag.name, "value": "、".join(unknown or wanted)}
            )
        return [one for one in known if one in wanted]
    text = str(value).strip()
    match tag.value_type:
        case "bool":
            text = YES_NO.get(text.casefold(), "")
        case "int" | "money_fen":
            limits = _RANGE.match(tag.rule)
            is_right = re.fullmatch(r"-?\d{1,15}", text) and (
                limits is None or int(limits[1]) <= int(text) <= int(limits[2])
            )
            text = str(int(text)) if is_right else ""
        case "decimal":
            text = text if re.fullmatch(r"-?\d{1,12}(\.\d{1,6})?", text) else ""
        case "date":
            text = _date(text)
    if not text or len(text) > TEXT_UP_TO:
        raise WrongValue(_("%(tag)s 填得不对：%(rule)s") % {"tag": tag.name, "rule": tag.rule})
    return [text]


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


# ---------------------------------------------------------------- two members become one


def make_room(kept_id: int, gone_id: int, now: datetime) -> None:
    """Let nothing of the gone one's count before his tags go over, so that no tag has two that do."""
    MemberTag.objects.filter(member_id=gone_id, is_effective=True).update(is_effective=False)


def settle_pair(kept_id: int, gone_id: int, now: datetime) -> None:
    """Decide anew what counts of both."""
    pairs = list(MemberTag.objects.filter(member_id__in=[kept_id, gone_id]).values_list("member_id", "tag_id"))
    settle([member for member, _ in pairs], [tag for _, tag in pairs], now=now)
