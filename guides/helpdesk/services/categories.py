"""What HQ changes of a category."""

from datetime import datetime
from typing import Any

from django.db import transaction

from guides.org import matrix
from guides.org.models import Staff
from yejibao.core import audit, clock, desk
from yejibao.core.errors import Forbidden, Invalid
from yejibao.core.scope import Actor

from ..models import HelpCategory
from ..scoped import ANSWER
from .telling import answerers

EDITED = ("first_response_minutes", "solve_hours", "is_for_dealers", "is_open", "duty_id", "head_id")
MINUTES, HOURS = (5, 2_880), (1, 240)


def duties_of(category: HelpCategory, now: datetime) -> list[Staff]:
    """Return who may be on duty."""
    return list(answerers(category, day=clock.local_day(now)).order_by("name", "pk")[:200])


def heads_for(now: datetime) -> list[Staff]:
    """Return who may head a department: whoever answers anything at HQ."""
    held = Staff.objects.employed().filter(store=None, role_assignments__role__in=matrix.holders(ANSWER))
    return list(held.distinct().order_by("name", "pk")[:300])


@transaction.atomic
def change_category(
    category: HelpCategory, *, minutes: int, hours: int, duty_id: int | None, head_id: int | None, is_for_dealers: bool,
    is_open: bool, seen: str, actor: Actor, now: datetime,
) -> HelpCategory:  # fmt: skip
    """Change how fast a category is answered, who is on duty and who heads it. Raises Forbidden, Stale or Invalid."""
    if not actor.may("account.manage"):
        raise Forbidden(permission="account.manage")
    held = HelpCategory.objects.select_for_update().get(pk=category.pk)
    desk.must_be_as_seen(held, EDITED, seen)
    _between(minutes, *MINUTES, "首次答复 5 到 2880 分钟")
    _between(hours, *HOURS, "解决时限 1 到 240 小时")
    if duty_id is not None and duty_id not in {one.pk for one in duties_of(held, now)}:
        raise Invalid("值班人要是这个岗位在职的同事")
    if head_id is not None and head_id not in {one.pk for one in heads_for(now)}:
        raise Invalid("负责人要是总部能答复的同事")
    before = {name: getattr(held, name) for name in EDITED}
    facts: dict[str, Any] = {
        "first_response_minutes": minutes, "solve_hours": hours, "is_for_dealers": is_for_dealers, "is_open": is_open,
        "duty_id": duty_id, "head_id": head_id,
    }  # fmt: skip
    for name, value in facts.items():
        setattr(held, name, value)
    held.edited_at = now
    held.save(update_fields=[*(name.removesuffix("_id") for name in EDITED), "edited_at"])
    audit.record(actor, "help.category_changed", held, before=before, after=facts)
    return held


def _between(value: int, least: int, most: int, said: str) -> None:
    if not least <= value <= most:
        raise Invalid(said)
