"""What the rules page reads beside the rules: how well each step is done, and the words that are said on it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum

from tasks.review.figures import rate
from tasks.review.models import FiguresRun, UnitDay
from tasks.review.queries.units import open_unit
from tasks.scripts.models import Script
from tasks.scripts.queries import KNOWN_FROM
from tasks.scripts.words import BUYER_LABELS, PRODUCT_LABELS, TONE_LABELS, with_labels
from yejibao.core.errors import NotFound
from yejibao.core.scope import Actor

from .models import CadenceStep
from .words import REQUIRES

RATE_DAYS = 30


@dataclass(frozen=True)
class DoneRates:
    """Completion of each step over the last 30 days, for what the reader may see, and when it was counted."""

    by_step: dict[str, float | None]
    counts: dict[str, tuple[int, int]]  # done, due
    unit: str
    as_of: datetime | None


def done_rates(actor: Actor, steps: list[CadenceStep], *, today: date) -> DoneRates:
    """Return task_completion_rate (models.yaml) by step key: done of done, overdue and expired; None where none was due."""
    try:
        unit = open_unit(actor, None)
    except NotFound:
        return DoneRates({}, {}, "", None)
    since = today - timedelta(days=RATE_DAYS - 1)
    rows = (
        UnitDay.objects.filter(unit=unit, day__gte=since, day__lte=today, task_type__in=[s.task_type for s in steps])
        .values("task_type")
        .annotate(done=Sum("done_count"), overdue=Sum("overdue_count"), expired=Sum("expired_count"))
        .order_by("task_type")
    )
    by_type = {row["task_type"]: (row["done"], row["done"] + row["overdue"] + row["expired"]) for row in rows}
    counts = {step.key: by_type.get(step.task_type, (0, 0)) for step in steps}
    return DoneRates(
        {key: rate(*pair) for key, pair in counts.items()}, counts, unit.name,
        FiguresRun.objects.filter(pk=1).values_list("ran_at", flat=True).first(),
    )  # fmt: skip


@dataclass(frozen=True)
class SaidCard:
    """One script of a step: whom it fits, how often it went out in 90 days, how many answered."""

    title: str
    tags: list[str]
    text: str
    used: int | None
    reply_rate: float | None
    is_enabled: bool


def scripts_of(actor: Actor, step: CadenceStep) -> list[SaidCard]:
    """Return the scripts of a step, the most used first, what fits everybody before what fits few."""
    scripts = Script.objects.visible_to(actor).filter(is_current=True, task_type=step.task_type, audience="member")
    found = [
        SaidCard(
            title=TONE_LABELS.get(script.tone, "话术"),
            tags=_tags(script),
            text=with_labels(script.text).replace("〔", "⟦").replace("〕", "⟧"),
            used=script.used_90_count if script.counted_at else None,
            reply_rate=script.replied_90_count / script.used_90_count if script.used_90_count >= KNOWN_FROM else None,
            is_enabled=script.is_enabled,
        )
        for script in scripts.order_by("-is_enabled", "-used_90_count", "pk")
    ]
    return sorted(found, key=lambda card: (not card.is_enabled, -(card.used or 0), len(card.tags)))


def _tags(script: Script) -> list[str]:
    tags = [PRODUCT_LABELS.get(script.product, ""), BUYER_LABELS.get(script.buyer, "")]
    tags += [{"delivery": "快递单", "store": "到店单"}.get(script.channel, "")]
    tags += [{"next_day": "次日补谢"}.get(script.timing, "")]
    return [tag for tag in tags if tag] + [REQUIRES[one] for one in script.requires if one in REQUIRES] or ["通用"]
