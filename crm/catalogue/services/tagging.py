"""What 商品部 says of a style: its story, its selling points, the values of its tags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, files
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

from ..models import ProductTag, StyleColor, StyleTag
from ..queries.finding import COLUMNS
from ..scoped import EDIT, must_hold

STORY_MOST, POINTS_MOST = 2_000, 255
MOST_VALUES = 10


@transaction.atomic
def edit_style(style: StyleColor, *, story: str, selling_points: str, actor: Actor) -> StyleColor:
    """Change what the brand tells of a style-colour."""
    must_hold(actor, EDIT)
    if len(story) > STORY_MOST or len(selling_points) > POINTS_MOST:
        raise Invalid(
            _("故事最多 %(story)d 字，卖点最多 %(points)d 字。") % {"story": STORY_MOST, "points": POINTS_MOST}
        )
    before: dict[str, Any] = {}
    for name, value in (("story", story.strip()), ("selling_points", selling_points.strip())):
        if getattr(style, name) != value:
            before[name] = getattr(style, name)
            setattr(style, name, value)
    if before:
        style.save(update_fields=list(before))
        audit.record(actor, "style.edited", style, before=before, after={name: getattr(style, name) for name in before})
    return style


@transaction.atomic
def set_tag(style: StyleColor, tag: ProductTag, values: Sequence[str], *, actor: Actor, now: datetime) -> None:
    """Let a style-colour carry these values of a tag and no others. Raises Invalid for a value the tag does not have.

    Tags that are columns come with the goods, those by rule are computed at night: neither is set by hand.
    """
    must_hold(actor, EDIT)
    if tag.key in COLUMNS or tag.kind == ProductTag.Kind.RULE:
        raise Invalid(_("「%(name)s」不用手工填。") % {"name": tag.name})
    wanted = list(dict.fromkeys(value.strip()[:64] for value in values if value.strip()))
    if tag.values and not set(wanted) <= set(tag.values):
        raise Invalid(_("「%(name)s」没有这个值。") % {"name": tag.name})
    if len(wanted) > (MOST_VALUES if tag.value_type in ("multi_enum", "list") else 1):
        raise Invalid(_("「%(name)s」选得太多了。") % {"name": tag.name})
    rows = StyleTag.objects.select_for_update().filter(style=style, tag=tag)
    before = list(rows.order_by("pk").values_list("value", flat=True))
    if before == wanted:
        return
    rows.exclude(value__in=wanted).delete()
    StyleTag.objects.bulk_create(
        [StyleTag(style=style, tag=tag, value=value, source=StyleTag.Source.HQ, at=now) for value in wanted if value not in before],
        ignore_conflicts=True,
    )  # fmt: skip
    audit.record(actor, "style.tagged", style, before={tag.key: before}, after={tag.key: wanted})


@transaction.atomic
def picture_style(style: StyleColor, names: Sequence[UUID], *, removes: bool, actor: Actor) -> None:
    """Hang uploaded pictures on a style-colour, or take down those that hang there."""
    must_hold(actor, EDIT)
    if removes:
        files.forget("goods", [style.pk])
    elif actor.staff_id is not None:
        files.attach(list(names), room="goods", owner_id=style.pk, by_id=actor.staff_id)
    audit.record(actor, "style.pictured", style, after={"added": len(names), "removed": removes})
