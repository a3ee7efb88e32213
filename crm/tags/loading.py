"""From tags.yaml to rows: 12 groups with their subgroups, 366 tags with definitions, their values. Twice is like once."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from django.db import transaction

from .models import Tag, TagGroup, TagValue
from .rules import book, ranks

COMPARED = ("name", "group_id", "type", "value_type", "sources", "refresh", "rule", "is_required", "position")
WITH_VALUES = ("enum", "multi_enum")


class TagRefused(ValueError):
    """Something in the domain file does not fit together."""


@transaction.atomic
def load_tags(*, now: datetime, source: dict[str, Any] | None = None) -> dict[str, int]:
    """Load the tag tree; return counts of created, changed, same and switched off tags. Raises TagRefused, and loads none.

    A tag or value that is gone from the file is switched off and keeps what is known of members.
    """
    source = source or book()
    if faults := _faults(source):
        raise TagRefused("; ".join(faults))
    groups = _load_groups(
        source["groups"]
    )  # of two at once the second waits at the first group until the other is through
    held = {tag.key: tag for tag in Tag.objects.all()}
    tally: Counter[str] = Counter(dict.fromkeys(("created", "changed", "same", "off"), 0))
    fresh, changed = [], []
    for position, row in enumerate(source["tags"]):
        facts = _facts(row, groups, position)
        tag = held.get(row["key"])
        if tag is None:
            fresh.append(Tag(key=row["key"], **facts))
        elif tag.is_enabled and all(getattr(tag, name) == facts[name] for name in COMPARED):
            tally["same"] += 1
        else:
            for name, value in facts.items():
                setattr(tag, name, value)
            tag.is_enabled = True
            changed.append(tag)
    Tag.objects.bulk_create(fresh)
    Tag.objects.bulk_update(changed, [*COMPARED, "is_enabled"], batch_size=500)
    gone = set(held) - {row["key"] for row in source["tags"]}
    tally["off"] = Tag.objects.filter(key__in=gone, is_enabled=True).update(is_enabled=False)
    tally["created"], tally["changed"] = len(fresh), len(changed)
    _load_values(source["tags"], held | {tag.key: tag for tag in fresh})
    return dict(tally)


def _facts(row: dict[str, Any], groups: dict[str, TagGroup], position: int) -> dict[str, Any]:
    return {
        "name": row["name"],
        "group_id": groups[row["subgroup"]].pk,
        "type": row["type"],
        "value_type": row["value_type"],
        "sources": list(row["sources"]),
        "refresh": row["refresh"],
        "rule": str(row.get("rule", ""))[:255],
        "is_required": bool(row.get("required", False)),
        "position": position,
    }


def _load_groups(rows: list[dict[str, Any]]) -> dict[str, TagGroup]:
    groups: dict[str, TagGroup] = {}
    for position, row in enumerate(rows):
        top, _ = TagGroup.objects.update_or_create(
            key=row["key"], defaults={"name": row["name"], "note": str(row.get("note", ""))[:255], "position": position}
        )
        for place, below in enumerate(row["subgroups"]):
            groups[below["key"]], _ = TagGroup.objects.update_or_create(
                key=below["key"],
                defaults={
                    "name": below["name"],
                    "parent": top,
                    "source_class": below["source_class"],
                    "position": place,
                },
            )
    return groups


def _load_values(rows: list[dict[str, Any]], tags: dict[str, Tag]) -> None:
    wanted = {(tags[row["key"]].pk, value): place for row in rows for place, value in enumerate(row.get("values", ()))}
    held = {(one.tag_id, one.value): one for one in TagValue.objects.all()}
    TagValue.objects.bulk_create(
        [
            TagValue(tag_id=tag, value=value, position=at)
            for (tag, value), at in wanted.items()
            if (tag, value) not in held
        ],
        batch_size=2000,
    )
    moved = []
    for key, one in held.items():
        place, is_wanted = wanted.get(key, one.position), key in wanted
        if (one.position, one.is_enabled) != (place, is_wanted):
            one.position, one.is_enabled = place, is_wanted
            moved.append(one)
    TagValue.objects.bulk_update(moved, ["position", "is_enabled"], batch_size=2000)


def _faults(source: dict[str, Any]) -> list[str]:
    groups = {below["key"] for row in source["groups"] for below in row["subgroups"]}
    faults = [f"{key}: twice" for key, times in Counter(row["key"] for row in source["tags"]).items() if times > 1]
    for row in source["tags"]:
        key = row["key"]
        if row["subgroup"] not in groups:
            faults.append(f"{key}: unknown subgroup {row['subgroup']!r}")
        if row["type"] not in Tag.Type.values:
            faults.append(f"{key}: unknown type {row['type']!r}")
        if row["type"] == Tag.Type.CONFIG and (row["value_type"] in WITH_VALUES) != bool(row.get("values")):
            faults.append(f"{key}: an enum has values, and only an enum")
        faults += [f"{key}: unknown source {name!r}" for name in row["sources"] if name not in ranks()]
    faults += [
        f"required {key} is no tag" for key in set(source["required_tags"]) - {row["key"] for row in source["tags"]}
    ]
    return faults
