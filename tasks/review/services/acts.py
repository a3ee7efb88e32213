"""Acts of the boards beyond those of the follow-ups: taking a hand-over back, the export."""

import io
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import xlsxwriter
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from guides.org.models import OrgUnit, Staff
from tasks.followups.models import Task, TaskMove
from tasks.followups.services import reassign
from yejibao.core import audit, clock, words
from yejibao.core.errors import Conflict, Invalid, TooMany
from yejibao.core.models import AuditEntry
from yejibao.core.scope import Actor

from ..figures import Figures, rate
from ..periods import Period

TAKE_BACK_WITHIN = timedelta(seconds=60)  # the toast stands for five, ten in care mode
EXPORT_ROWS = 5000  # role_rules of org_and_roles.yaml
EXPORTS_A_DAY = 5  # reliability-security §9
EXPORTED = "review.exported"


@transaction.atomic
def undo_reassign(*, actor: Actor, moved_at: datetime, now: datetime) -> int:
    """Give tasks back to those who had them before this actor's hand-over of that instant. Each a recorded act."""
    if now - moved_at > TAKE_BACK_WITHIN:
        raise Conflict(_("过了撤销的时间"))
    moves = list(
        TaskMove.objects.filter(by_id=actor.staff_id, at=moved_at, reason="reassign", task__state=Task.State.OPEN)
        .select_related("task", "old_assignee")
        .order_by("pk")
    )
    by_person: dict[int, tuple[Staff, list[Task]]] = {}
    for move in moves:
        if move.old_assignee and move.task.assignee_id == move.new_assignee_id:
            by_person.setdefault(move.old_assignee.pk, (move.old_assignee, []))[1].append(move.task)
    return sum(
        reassign(tasks, actor=actor, to=person, reason="撤销转交", now=now) for person, tasks in by_person.values()
    )


HEADS = (
    "应做", "完成", "完成率", "准时完成", "准时率", "超时", "过期没做", "待做", "暂缓", "触达", "触达率", "回复", "回复率", "约到店",
    "跟进成交单数", "跟进成交（元）",
)  # fmt: skip


def _values(found: Figures) -> list[Any]:
    return [
        found.due_count, found.done_count, found.completion, found.on_time_count, found.on_time, found.overdue_count,
        found.expired_count, found.upcoming_count, found.held_count, found.reached_count,
        rate(found.reached_count, found.targeted_count), found.replied_count, found.reply, found.booked_count,
        found.sales_count, found.sales_fen / 100,
    ]  # fmt: skip


@transaction.atomic
def export_figures(
    lines: Iterable[tuple[str, str, str, Figures]], *, actor: Actor, unit: OrgUnit, period: Period, by_guide: bool, as_of: datetime | None,
    now: datetime,
) -> bytes:  # fmt: skip
    """Return the figures as a workbook: (store, guide, step, figures) a row, never a member. Leaves an audit row.

    Raises Invalid above 5,000 rows and TooMany after five exports of a day.
    """
    rows = list(lines)
    if len(rows) > EXPORT_ROWS:
        raise Invalid(
            _("一次最多导出 %(most)s 行，这里有 %(rows)s 行。选小一点的范围再导")
            % {"most": EXPORT_ROWS, "rows": len(rows)}
        )
    midnight = clock.local_moment(clock.local_day(now), datetime.min.time())
    if AuditEntry.objects.filter(actor_id=actor.staff_id, action=EXPORTED, at__gte=midnight).count() >= EXPORTS_A_DAY:
        raise TooMany(_("今天已经导出 %(most)s 次，明天再导") % {"most": EXPORTS_A_DAY}, retry_after=3600)
    audit.record(
        actor, EXPORTED, unit,
        after={"from": str(period.start), "to": str(period.end), "rows": len(rows), "by_guide": by_guide},
    )  # fmt: skip
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out,
        {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False},
    )
    bold, gray = book.add_format({"bold": True}), book.add_format({"font_color": "#686E76"})
    share = book.add_format({"num_format": "0.0%"})
    sheet = book.add_worksheet("任务复盘")
    names = ["门店", "导购", "步骤"] if by_guide else ["门店", "步骤"]
    sheet.set_column(0, len(names) - 1, 14)
    sheet.set_column(len(names), len(names) + len(HEADS) - 1, 10)
    sheet.freeze_panes(3, 0)
    sheet.write_string(
        0, 0, f"任务复盘 {unit.name} {period.start} 至 {period.end}，数据到 {words.short_moment(as_of, now)}", bold
    )
    local = now.astimezone(clock.SHANGHAI)
    sheet.write_string(
        1,
        0,
        f"{actor.name}（{words.role_name(actor.working_role)}）{local:%Y-%m-%d %H:%M} 导出，仅供内部使用，请勿外传",
        gray,
    )
    for column, head in enumerate([*names, *HEADS]):
        sheet.write_string(2, column, head, bold)
    total = Figures()
    for number, (store, guide, step, found) in enumerate([*rows, ("合计", "", "", total)], start=3):
        texts = [store, guide, step] if by_guide else [store, step]
        for column, text in enumerate(texts):
            sheet.write_string(number, column, text)
        for column, value in enumerate(_values(found), start=len(texts)):
            if value is None:
                sheet.write_string(number, column, "—")
            else:
                sheet.write_number(number, column, value, share if "率" in HEADS[column - len(texts)] else None)
        if found is not total:
            total.add(found)
    book.close()
    return out.getvalue()
