"""The lines of the export: figures by store, guide and step, never by member."""

from collections.abc import Iterator

from django.db import connection

from guides.org.models import OrgUnit, Staff

from ..counting import SUMS
from ..figures import Figures
from ..models import TaskDay, UnitDay
from ..periods import Period
from .board import Board, figures_of
from .drill import step_name

Line = tuple[str, str, str, Figures]


def export_lines(board: Board, period: Period, *, kind: str, most: int) -> Iterator[Line]:
    """Return (store, guide, step, figures); one line more than `most` at the most, so that too many is seen."""
    if board.is_store and board.sees_guides:
        name = board.unit.store.short_name
        return (
            (name, row.name, step_name(task_type), found)
            for row in board.rows
            for task_type, found in sorted(row.by_type.items())
        )
    return _below(board.unit, period, kind=kind, most=most, by_guide=board.sees_guides)


def _below(unit: OrgUnit, period: Period, *, kind: str, most: int, by_guide: bool) -> Iterator[Line]:
    if by_guide:
        source = f"""
            SELECT s.short_name, p.name, t.task_type, {SUMS}
            FROM {TaskDay._meta.db_table} t JOIN guides_store s ON s.id = t.store_id JOIN guides_orgunit o ON o.id = s.unit_id
            JOIN {Staff._meta.db_table} p ON p.id = t.guide_id
            WHERE o.path LIKE %(path)s AND t.day >= %(start)s AND t.day <= %(end)s AND t.task_type LIKE %(kind)s
            GROUP BY s.id, p.id, t.task_type ORDER BY s.code, p.id, t.task_type LIMIT %(most)s
        """
    else:
        source = f"""
            SELECT s.short_name, '', t.task_type, {SUMS}
            FROM {UnitDay._meta.db_table} t JOIN guides_store s ON s.unit_id = t.unit_id JOIN guides_orgunit o ON o.id = s.unit_id
            WHERE o.path LIKE %(path)s AND t.day >= %(start)s AND t.day <= %(end)s AND t.task_type LIKE %(kind)s
            GROUP BY s.id, t.task_type ORDER BY s.code, t.task_type LIMIT %(most)s
        """
    with connection.cursor() as cursor:
        cursor.execute(
            source,
            {"path": f"{unit.path}%", "start": period.start, "end": period.end, "kind": f"{kind}%", "most": most + 1},
        )
        for store, guide, task_type, *values in cursor.fetchall():
            yield store, guide, step_name(task_type), figures_of(values)
