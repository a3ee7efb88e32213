"""From patrol_checklist.yaml to a version of the checklist. Twice is like once; visits keep the version they began with."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from guides.org.actors import role_names

from .book import book
from .models import Checklist, ChecklistItem


class ChecklistRefused(ValueError):
    """Something in the file does not fit together."""


@transaction.atomic
def load_checklist(*, now: datetime, source: dict[str, Any] | None = None) -> Checklist:
    """Return the current version; a file that changed becomes a new one. Raises ChecklistRefused, and loads nothing."""
    source = source or book()
    if faults := _faults(source):
        raise ChecklistRefused("; ".join(faults))
    sha = hashlib.sha256(json.dumps(source, sort_keys=True, default=str).encode()).hexdigest()
    with connection.cursor() as cursor:  # two loaders at once make one version
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('patrol-checklist', 0))")
    found = Checklist.objects.filter(source_sha=sha).first()
    if found is None:
        last = Checklist.objects.order_by("-number").values_list("number", flat=True).first() or 0
        facts = {name: value for name, value in source.items() if name not in ("version", "items")}
        found = Checklist.objects.create(number=last + 1, source_sha=sha, facts=facts, loaded_at=now)
        red = set(source["scoring"]["red_line_items"])
        ChecklistItem.objects.bulk_create(
            ChecklistItem(
                checklist=found,
                standard={str(score): text for score, text in row["standard"].items()},
                is_red_line=row["key"] in red,
                **{name: row[name] for name in _COPIED},
            )
            for row in source["items"]
        )
    if not found.is_current:
        Checklist.objects.filter(is_current=True).update(is_current=False)
        Checklist.objects.filter(pk=found.pk).update(is_current=True)
        found.is_current = True
    return found


_COPIED = ("seq", "key", "name", "category", "department", "weight", "photo", "rectify_role", "rectify_hours")


def _faults(source: dict[str, Any]) -> list[str]:
    items, categories = source["items"], {row["key"]: row for row in source["categories"]}
    faults = [f"item {key} twice" for key, count in Counter(row["key"] for row in items).items() if count > 1]
    weights: Counter[str] = Counter()
    for row in items:
        weights[row["category"]] += row["weight"]
        if row["category"] not in categories or row["department"] not in source["departments"]:
            faults.append(f"item {row['key']}: unknown category or department")
        if row["rectify_role"] not in role_names() or {1, 3, 5} - set(row["standard"]):
            faults.append(f"item {row['key']}: role or standard")
    for key, row in categories.items():
        count = sum(item["category"] == key for item in items)
        if (weights[key], count) != (row["weight_sum"], row["items"]):
            faults.append(f"category {key}: {weights[key]} of {row['weight_sum']}, {count} of {row['items']} items")
    if sum(weights.values()) != source["weight_total"]:
        faults.append(f"weights sum to {sum(weights.values())}, not {source['weight_total']}")
    if missing := set(source["scoring"]["red_line_items"]) - {row["key"] for row in items}:
        faults.append(f"red lines without an item: {sorted(missing)}")
    return faults
