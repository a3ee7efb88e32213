"""The platform's list of groups and tags, as it is kept here; what stands for ours and is not as it ought to be is wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db import connection, transaction

from crm.tags.models import TagValue
from yejibao.wecom import corptags as platform
from yejibao.wecom.events import CorpTagChanged
from yejibao.wecom.gateway import Gateway

from ..models import CorpTag, CorpTagGroup
from ..queries import is_on

State = CorpTagGroup.State


def read_list(door: Gateway, *, now: datetime) -> dict[str, int]:
    """Read the platform's whole list of groups and tags and keep it. Returns counts. Call with no transaction open."""
    groups = platform.list_groups(door)
    with transaction.atomic():
        return keep_groups(groups, now=now, is_all=True)


def follow_list(events: Sequence[CorpTagChanged], *, door: Gateway, now: datetime) -> dict[str, int]:
    """Something happened to groups or tags: read the list again; what was ours is wanted back."""
    return read_list(door, now=now) if events and is_on() else {}


def keep_groups(
    groups: Sequence[platform.CorpTagGroup], *, now: datetime, is_all: bool = False, made: Collection[str] = ()
) -> dict[str, int]:
    """Write groups with their tags as the platform has them. `is_all`: what is not among them is gone.

    A tag goes by its name; one that was renamed goes by its id, as long as no other bears the name. Inside a transaction.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('corp_tags'))")
    held = {row.group_id: row for row in CorpTagGroup.objects.exclude(group_id="").select_related("tag")}
    fresh = [
        CorpTagGroup(group_id=one.group_id, name=one.name[:64], order=one.order, state=State.READY, synced_at=now)
        for one in groups
        if one.group_id not in held
    ]
    CorpTagGroup.objects.bulk_create(fresh)
    held |= {row.group_id: row for row in fresh}
    known = {one.tag_id: one for one in CorpTag.objects.all()}
    gone = _note_gone_tags(groups, known, {held[one.group_id].pk for one in groups}, is_all=is_all, now=now)
    values = _values()
    rows: list[CorpTag] = []
    for one in groups:
        rows += _read_tags(one, held[one.group_id], values.get(held[one.group_id].tag_id or 0, {}), known, made)
    _write_tags(rows)
    for one in groups:
        _judge(held[one.group_id], one, values, is_all=is_all)
    lost = _note_gone_groups({one.group_id for one in groups}, held) if is_all else 0
    counts = {"groups": len(groups), "tags": len(rows), "gone_tags": gone, "gone_groups": lost}
    return {name: count for name, count in counts.items() if count}


def _values() -> dict[int, dict[str, int]]:
    """Return the values in use of the tags that have a group, with their ids."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = TagValue.objects.filter(is_enabled=True, tag__corp_group__isnull=False)
    for tag, value, pk in rows.values_list("tag_id", "value", "pk"):
        found[tag][value] = pk
    return found


def _read_tags(
    one: platform.CorpTagGroup,
    group: CorpTagGroup,
    ours: dict[str, int],
    known: dict[str, CorpTag],
    made: Collection[str],
) -> list[CorpTag]:
    """Return the rows of a group's tags, each with the value it stands for."""
    names = {tag.name for tag in one.tags}
    by_id = {pk: name for name, pk in ours.items()}
    rows = []
    for tag in one.tags:
        row = known.get(tag.tag_id) or CorpTag(tag_id=tag.tag_id)
        # One that was renamed still stands for its value, and so does one whose value is no longer used.
        is_known = group.tag_id and row.value_id and by_id.get(row.value_id) not in names
        row.value_id = ours.get(tag.name) or (row.value_id if is_known else None)
        row.name, row.order, row.group, row.gone_at = tag.name[:64], tag.order, group, None
        row.is_ours = row.is_ours or tag.tag_id in made
        rows.append(row)
    return rows


def _write_tags(rows: Sequence[CorpTag]) -> None:
    old = [row for row in rows if row.pk]
    # Names may have changed places: a value stands with one tag at a time.
    CorpTag.objects.filter(pk__in=[row.pk for row in old]).update(value=None)
    CorpTag.objects.bulk_update(old, ["name", "order", "group", "value", "gone_at", "is_ours"], batch_size=1000)
    CorpTag.objects.bulk_create([row for row in rows if not row.pk], batch_size=1000)


def _judge(group: CorpTagGroup, one: platform.CorpTagGroup, values: dict[int, dict[str, int]], *, is_all: bool) -> None:
    """Write what a group is like; one of ours that lacks a value or bears another name is wanted."""
    lacks = bool(group.tag_id and values.get(group.tag_id, {}).keys() - {tag.name for tag in one.tags})
    is_wrong = lacks or (group.tag is not None and group.tag.name != one.name)
    state = State.WANTED if is_wrong else State.READY
    if group.state == State.FAILED and (is_wrong or not is_all):
        state = State.FAILED  # it was said why; tried again with the next sweep
    if (group.name, group.order, group.state) != (one.name[:64], one.order, state):
        CorpTagGroup.objects.filter(pk=group.pk).update(name=one.name[:64], order=one.order, state=state)


def _note_gone_tags(
    groups: Sequence[platform.CorpTagGroup],
    known: dict[str, CorpTag],
    looked_at: Collection[int],
    *,
    is_all: bool,
    now: datetime,
) -> int:
    listed = {tag.tag_id for one in groups for tag in one.tags}
    gone = [
        one.pk
        for key, one in known.items()
        if key not in listed and one.gone_at is None and (is_all or one.group_id in looked_at)
    ]
    return CorpTag.objects.filter(pk__in=gone).update(gone_at=now)


def _note_gone_groups(listed: Collection[str], held: dict[str, CorpTagGroup]) -> int:
    missing = [row for key, row in held.items() if key not in listed]
    ours = CorpTagGroup.objects.filter(pk__in=[row.pk for row in missing if row.tag_id])
    others = CorpTagGroup.objects.filter(pk__in=[row.pk for row in missing if not row.tag_id]).exclude(state=State.GONE)
    return ours.update(state=State.WANTED, group_id="") + others.update(state=State.GONE)
