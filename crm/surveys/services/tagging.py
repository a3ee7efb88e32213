"""What surveys say of a member as tags (tags.yaml: satisfaction_last and the review tags): positive or negative, and how often.

Only of answers that carry his name: a tag stands on the card his guide opens.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from crm.tags.models import Tag
from crm.tags.services import write_tags
from yejibao.core.scope import Actor

from ..rules import rules

SOURCE = "SURVEY"
LAST, NATURE, COUNT, CHANNEL, NEGATIVE, SURVEYS = (
    "satisfaction_last", "review_nature", "review_count", "review_channel", "negative_review_rate", "survey_count",
)  # fmt: skip
TAGS = (LAST, NATURE, COUNT, CHANNEL, NEGATIVE, SURVEYS)
AT_ONCE = 2_000

_FIGURES = """
SELECT m.id, (array_agg(s.stars ORDER BY s.answered_at DESC))[1], max(s.answered_at),
    count(*) FILTER (WHERE s.answered_at > %(review)s), count(*) FILTER (WHERE s.answered_at > %(survey)s),
    count(*) FILTER (WHERE s.answered_at > %(review)s AND s.stars = ANY(%(positive)s)),
    count(*) FILTER (WHERE s.answered_at > %(review)s AND s.stars = ANY(%(negative)s))
FROM unnest(%(ids)s::bigint[]) AS m(id) JOIN crm_survey s ON s.member_id = m.id
WHERE s.answered_at IS NOT NULL AND NOT s.is_anonymous GROUP BY m.id
"""
# Whose answers left a window in the last days: what is counted of them becomes less.
_AGED = """
SELECT DISTINCT member_id FROM crm_survey WHERE NOT is_anonymous AND (
    answered_at > %(review)s - %(step)s AND answered_at <= %(review)s OR answered_at > %(survey)s - %(step)s AND answered_at <= %(survey)s)
ORDER BY member_id
"""


def write_tags_of(member_ids: Collection[int], *, now: datetime) -> int:
    """Write the tags of these members from all they said; return how many now say something else. A few statements."""
    tags = dict(Tag.objects.filter(key__in=TAGS, is_enabled=True).values_list("key", "pk"))
    words: dict[tuple[int, int], list[str]] = {}
    removed: list[tuple[int, int]] = []
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, _windows(now) | {"ids": list(member_ids)} | _sides())
        found = cursor.fetchall()
    for member, last, _at, reviews, surveys, positive, negative in found:
        said = {LAST: rules().satisfaction[last], SURVEYS: str(surveys)} | _of_reviews(reviews, positive, negative)
        words |= {(member, tags[key]): [value] for key, value in said.items() if key in tags}
        removed += [(member, pk) for key, pk in tags.items() if key not in said]
    return write_tags(words, removed=removed, source=SOURCE, actor=Actor.system("surveys"), at=now, now=now)


def _of_reviews(reviews: int, positive: int, negative: int) -> dict[str, str]:
    """Return what the last two years say; nothing where there was no answer in them."""
    if not reviews:
        return {}
    nature = rules().nature
    sides = {nature[5]: positive, nature[1]: negative, nature[3]: reviews - positive - negative}
    # Of two sides that are equal the worse: nobody is called happy by half.
    most = max((nature[1], nature[3], nature[5]), key=lambda side: sides[side])
    return {NATURE: most, COUNT: str(reviews), CHANNEL: rules().channel, NEGATIVE: f"{negative / reviews:.2f}"}


def age_tags(*, now: datetime, days: int = 8) -> dict[str, int]:
    """Count again for whose answers left the windows since the last run. Weekly, a day over."""
    with connection.cursor() as cursor:
        cursor.execute(_AGED, _windows(now) | {"step": timedelta(days=days)})
        members = [pk for (pk,) in cursor.fetchall()]
    changed = sum(write_tags_of(members[at : at + AT_ONCE], now=now) for at in range(0, len(members), AT_ONCE))
    return {"members": len(members), "changed": changed}


def _windows(now: datetime) -> dict[str, Any]:
    return {"review": now - timedelta(days=rules().review_days), "survey": now - timedelta(days=rules().survey_days)}


def _sides() -> dict[str, list[int]]:
    nature = rules().nature
    return {
        "positive": [stars for stars, side in nature.items() if side == nature[5]],
        "negative": [stars for stars, side in nature.items() if side == nature[1]],
    }
