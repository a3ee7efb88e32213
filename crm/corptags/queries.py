"""Reads across our tags and the platform's: what stands for what, and what a friend ought to have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from crm.tags.models import Tag
from crm.tags.rules import is_said, ranks
from yejibao.core import together

from .models import CorpTag, CorpTagGroup

MULTI = "multi_enum"


@dataclass(frozen=True)
class Meaning:
    """What a corp tag stands for."""

    tag_id: int
    value: str
    position: int
    is_multi: bool


def mapped_tags() -> QuerySet[Tag]:
    """Return the tags that have a group on the platform: filled in by people, with values, and by a guide among others.

    A tag set in the chat is the guide's word, so what only a survey may say stays out (tags.yaml: sources).
    """
    return Tag.objects.filter(
        type=Tag.Type.CONFIG, value_type__in=Tag.CHOICES, is_enabled=True, sources__contains=["GUIDE"]
    ).order_by("position")


def is_on() -> bool:
    """Tell whether somebody has wanted our tags on the platform yet."""
    return CorpTagGroup.objects.filter(tag__isnull=False).exists()


def meanings() -> dict[str, Meaning]:
    """Return what each living corp tag of ours stands for, by its id."""
    rows = CorpTag.objects.filter(value__is_enabled=True, gone_at=None).values_list(
        "tag_id", "value__tag_id", "value__value", "value__position", "value__tag__value_type"
    )
    return {key: Meaning(tag, value, position, kind == MULTI) for key, tag, value, position, kind in rows}


def said_sources() -> list[str]:
    """Return the sources that are people's words: those, and nothing computed, are written to the chat."""
    return [one for one in ranks() if is_said(one)]


# What members ought to have on the platform, as (member_id, ids).
WANTED = """
SELECT t.member_id, array_agg(DISTINCT c.tag_id ORDER BY c.tag_id) AS ids
FROM crm_membertag t JOIN crm_tagvalue v ON v.tag_id = t.tag_id AND v.value = ANY(t.values) AND v.is_enabled
JOIN crm_corptag c ON c.value_id = v.id AND c.gone_at IS NULL
WHERE t.member_id {members} AND t.is_effective AND t.source = ANY(%(said)s) GROUP BY t.member_id
"""


def wanted_ids(member_ids: Sequence[int]) -> dict[int, set[str]]:
    """Return the ids of the corp tags that members ought to have: what counts of them, where people have said it."""
    if not member_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            WANTED.format(members="= ANY(%(members)s)"), {"members": list(member_ids), "said": said_sources()}
        )
        return {member: set(ids) for member, ids in cursor.fetchall()}


# The names of what a friend of the actor's has on the platform and stands for none of ours, as "group：tag".
FOREIGN = together.Read(
    "foreign_tags",
    """(SELECT json_agg(g.name || '：' || t.name ORDER BY g."order" DESC, t."order" DESC, t.id)
    FROM crm_corptag t JOIN crm_corptaggroup g ON g.id = t.group_id
    WHERE t.value_id IS NULL AND t.gone_at IS NULL AND t.tag_id = ANY((SELECT x.corp_tag_ids FROM crm_friendlink x
        WHERE x.member_id = m.id AND x.guide_id = %(me)s ORDER BY x.added_at DESC, x.id DESC LIMIT 1)::varchar[]))""",
    lambda names: names or [],
)
