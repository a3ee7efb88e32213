"""HQ edits rules: a draft, its publication, and the recompute of the hands that still stand under the old rules.

An edit makes a new version and holds for what is not yet due. Until the recompute is through, the tick re-reads the
published rule, so no step opens by the old one. A step inserted behind the hand is not opened any more.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from yejibao.core import audit, clock
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.scope import Actor

from . import moments
from .models import CadenceStep, CadenceVersion

State = CadenceVersion.State
EDITABLE = ("open_day", "due_day", "expire_day", "offset_minutes", "priority", "why", "headline", "on_time_target")


@transaction.atomic
def copy_version(version: CadenceVersion, *, actor: Actor, now: datetime, note: str = "") -> CadenceVersion:
    """Return the cadence's draft, made from a version; the one that exists already is returned as it is."""
    _may_edit(actor)
    draft = CadenceVersion.objects.filter(cadence_id=version.cadence_id, state=State.DRAFT).first()
    if draft:
        return draft
    newest = (
        CadenceVersion.objects.filter(cadence_id=version.cadence_id)
        .order_by("-number")
        .values_list("number", flat=True)[0]
    )
    draft = CadenceVersion.objects.create(
        cadence_id=version.cadence_id, number=newest + 1, rules=version.rules, note=note, created_at=now,
        created_by_id=actor.staff_id,
    )  # fmt: skip
    steps = list(version.steps.all())
    for step in steps:
        step.pk, step.version_id = None, draft.pk
    CadenceStep.objects.bulk_create(steps)
    return draft


@transaction.atomic
def edit_step(
    draft: CadenceVersion, key: str, *, actor: Actor, changes: Mapping[str, Any], now: datetime
) -> CadenceStep:
    """Change the windows and words of one step of a draft. Raises Invalid naming every field that does not fit."""
    _may_edit(actor)
    if draft.state != State.DRAFT:
        raise Conflict(_("只有草稿可以改，先从线上版复制一份"))
    step = draft.steps.select_for_update().get(key=key)
    for name, value in changes.items():
        if name not in EDITABLE:
            raise Invalid(errors=[{"field": name, "code": "unknown", "message": "这一项不能改"}])
        setattr(step, name, value)
    problems = list(check_step(step)) + _order_problems(draft, step)
    if problems:
        raise Invalid(_("有几处要改一下"), errors=problems)
    step.save(update_fields=list(changes))
    return step


def check_step(step: CadenceStep) -> list[dict[str, str]]:
    """Return what is wrong with a step's windows: each `{field, code, message}`."""

    def wrong(field: str, message: str) -> dict[str, str]:
        return {"field": field, "code": "range", "message": message}

    if step.offset_minutes is not None:
        return [] if 5 <= step.offset_minutes <= 240 else [wrong("offset_minutes", "首次致谢在 5 到 240 分钟之间")]
    problems = []
    opens, due, ends = step.open_day or 0, step.due_day or 0, step.expire_day or 0
    if not 1 <= opens <= 365:
        problems.append(wrong("open_day", "打开日在第 1 到 365 天之间"))
    if due < opens:
        problems.append(wrong("due_day", "截止日不能早于打开日"))
    if ends < due:
        problems.append(wrong("expire_day", "失效日不能早于截止日"))
    if ends - opens > 60:
        problems.append(wrong("expire_day", "从打开到失效最多 60 天"))
    if not 1 <= step.priority <= 5:
        problems.append(wrong("priority", "优先级是 1 到 5"))
    return problems


def _order_problems(draft: CadenceVersion, step: CadenceStep) -> list[dict[str, str]]:
    """Steps stand in the order of their days, else the hand would have to go back."""
    days = [(step if other.pk == step.pk else other).open_day or 0 for other in draft.steps.order_by("position")]
    if days == sorted(days) and len(set(days[1:])) == len(days[1:]):
        return []
    return [{"field": "open_day", "code": "order", "message": "各节点的日子要一个比一个晚"}]


@transaction.atomic
def publish_version(draft: CadenceVersion, *, actor: Actor, now: datetime) -> CadenceVersion:
    """Put a draft online and retire the old version; the recompute of the hands follows in batches."""
    _may_edit(actor)
    if not CadenceVersion.objects.filter(pk=draft.pk, state=State.DRAFT).exists():
        raise Conflict(_("这一版已经发布过了"))
    old = CadenceVersion.objects.select_for_update().filter(cadence_id=draft.cadence_id, state=State.PUBLISHED).first()
    if old:
        CadenceVersion.objects.filter(pk=old.pk).update(state=State.RETIRED)
    CadenceVersion.objects.filter(pk=draft.pk).update(
        state=State.PUBLISHED, published_at=now, published_by_id=actor.staff_id, recompute_after_id=0
    )
    audit.record(
        actor,
        "cadence.published",
        draft,
        before={"version": old.number if old else None},
        after={"version": draft.number},
    )
    draft.refresh_from_db()
    return draft


@transaction.atomic
def drop_draft(draft: CadenceVersion, *, actor: Actor) -> None:
    """Throw a draft away."""
    _may_edit(actor)
    CadenceVersion.objects.filter(pk=draft.pk, state=State.DRAFT).delete()


def _may_edit(actor: Actor) -> None:
    if not actor.may("template.edit"):
        problem = Forbidden()
        problem.code = "perm.template.edit"
        raise problem


_RECOMPUTE = f"""
WITH batch AS (
    SELECT e.id FROM tasks_enrollment e WHERE e.cadence_id = %(cadence)s AND e.id > %(after)s AND e.next_due_at IS NOT NULL
    ORDER BY e.id LIMIT %(batch)s FOR UPDATE
), fresh AS (
    SELECT e.id, CASE WHEN step.offset_minutes IS NULL THEN ds.open_at ELSE ft.open_at END AS open_at
    FROM batch b JOIN tasks_enrollment e ON e.id = b.id
    JOIN tasks_cadencestep step ON step.version_id = %(version)s AND step.key = e.next_step
    JOIN crm_member m ON m.id = e.member_id
    LEFT JOIN guides_staff person ON person.id = CASE WHEN step.assignee = 'serving_guide'
        THEN coalesce(e.serving_guide_id, m.owner_guide_id) ELSE m.owner_guide_id END
    JOIN guides_store hours ON hours.id = coalesce(person.store_id, m.main_store_id, e.store_id)
    LEFT JOIN LATERAL (
        SELECT ft.* FROM (SELECT 1) one
        {moments.first_touch(touch="e.touch_at", known="e.known_at", hours="hours", step="step")}
        WHERE step.offset_minutes IS NOT NULL
    ) ft ON true
    LEFT JOIN LATERAL (
        SELECT ds.* FROM (SELECT 1) one
        {moments.day_step(anchor="e.day_anchor_date", moved="(e.step_days->>step.key)::date", hours="hours", step="step")}
        WHERE step.offset_minutes IS NULL
    ) ds ON true
), moved AS (
    UPDATE tasks_enrollment e SET next_due_at = f.open_at, cadence_version_id = %(version)s
    FROM fresh f WHERE e.id = f.id
)
SELECT max(id), count(*) FROM batch
"""


def recompute_hands(*, now: datetime, batch: int = 20000, seconds: float = 20.0) -> dict[str, int]:
    """Bring waiting hands under the published rules, in batches that go on where they stopped. Returns counts.

    Runs beside the tick: a hand that became due earlier is claimed at the next beat, one that moved ahead waits.
    """
    deadline = clock.monotonic() + seconds
    total = 0
    while clock.monotonic() < deadline:
        with transaction.atomic(), connection.cursor() as cursor:
            version = (
                CadenceVersion.objects.select_for_update(skip_locked=True)
                .filter(state=State.PUBLISHED, recompute_after_id__isnull=False)
                .order_by("pk")
                .first()
            )
            if version is None:
                break
            cursor.execute(
                _RECOMPUTE,
                {
                    "cadence": version.cadence_id,
                    "version": version.pk,
                    "after": version.recompute_after_id,
                    "batch": batch,
                },
            )
            last, number = cursor.fetchone()
            version.recompute_after_id = last
            version.save(update_fields=["recompute_after_id"])
            total += number
    return {"recomputed": total} if total else {}


_FORECAST = """
WITH steps AS (
    SELECT s.* FROM tasks_cadencestep s WHERE s.version_id = %(version)s
), waiting AS (
    SELECT e.id, e.plan[array_position(e.plan, e.next_step):] AS ahead, e.day_anchor_date, e.step_days, e.next_step, e.next_due_at,
        coalesce(m.owner_guide_id, e.serving_guide_id) AS guide_id
    FROM tasks_enrollment e JOIN crm_member m ON m.id = e.member_id
    WHERE e.cadence_id = %(cadence)s AND e.next_due_at IS NOT NULL
), opening AS (
    SELECT w.guide_id, greatest(coalesce((w.step_days->>s.key)::date, w.day_anchor_date + s.open_day), %(today)s) AS day
    FROM waiting w JOIN steps s ON s.key = ANY(w.ahead) AND s.open_day IS NOT NULL
), fresh AS (   -- purchases go on as in the last 28 days: their first touches and fit questions fall into the 30 days too
    SELECT o.guide_id, count(*) / 28.0 AS a_day FROM crm_order o JOIN tasks_enrollmentcause c ON c.order_id = o.id
    WHERE c.cadence_id = %(cadence)s AND c.role = 'anchor' AND o.paid_on > %(today)s::date - 28 AND o.paid_on <= %(today)s
    GROUP BY o.guide_id
), days AS (
    SELECT d::date AS day FROM generate_series(%(today)s::date, %(today)s::date + 29, interval '1 day') d
)
SELECT days.day, coalesce(planned.n, 0) AS planned, coalesce(planned.guides, 0) AS guides, coalesce(planned.most, 0) AS most,
    coalesce(planned.over, 0) AS over,
    coalesce((SELECT sum(f.a_day) * (1 + (SELECT count(*) FROM steps s WHERE s.open_day IS NOT NULL
        AND s.open_day <= days.day - %(today)s::date)) FROM fresh f), 0) AS expected_new
FROM days LEFT JOIN LATERAL (
    SELECT sum(n) AS n, count(*) AS guides, max(n) AS most, count(*) FILTER (WHERE n > %(ceiling)s) AS over FROM (
        SELECT guide_id, count(*) AS n FROM opening WHERE opening.day = days.day GROUP BY guide_id) per_guide
) planned ON true
ORDER BY days.day
"""


def forecast(version: CadenceVersion, *, today: date) -> list[dict[str, Any]]:
    """Return what a version would open on each of the next 30 days, on today's data: the dry run of the rules page.

    Each row: day, planned (steps of cycles that wait already), guides (with any), most (of one guide), over (guides above
    the daily ceiling), expected_new (steps of purchases yet to come, at the pace of the last 28 days).
    """
    ceiling = version.rules["caps"]["guide_3369"]
    with connection.cursor() as cursor:
        cursor.execute(
            _FORECAST, {"cadence": version.cadence_id, "version": version.pk, "today": today, "ceiling": ceiling}
        )
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def rules_online_since(cadence: str) -> datetime | None:
    """Return when the published version went online."""
    return (
        CadenceVersion.objects.filter(cadence__key=cadence, state=State.PUBLISHED)
        .values_list("published_at", flat=True)
        .first()
    )
