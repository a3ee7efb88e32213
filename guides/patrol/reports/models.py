"""巡店报告: what a visit was to each department, and who of them has read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class PatrolReportQuerySet(models.QuerySet["PatrolReport"]):
    def visible_to(self, actor: Actor) -> PatrolReportQuerySet:
        """Whole reports of visits within reach, a department's own of every visit, and what was shared with one."""
        from .scoped import report_filter

        return self.filter(report_filter(actor))


class PatrolReport(models.Model):
    """One department's reading of a visit, or the whole (`department` ""). `facts` stay as they were when it was made.

    What is mended afterwards shows on the page, which asks the findings; the PDF keeps its date.
    """

    visit = models.ForeignKey("guides.Visit", on_delete=models.CASCADE, related_name="reports", db_index=False)
    department = models.CharField(max_length=32, blank=True)
    number = models.CharField(max_length=40, unique=True)  # PR-NJ012-20261121-15
    store = models.ForeignKey("guides.Store", on_delete=models.PROTECT, related_name="patrol_reports")
    title = models.CharField(max_length=40)
    score_tenths = models.PositiveSmallIntegerField()
    problem_count = models.PositiveSmallIntegerField()
    made_at = models.DateTimeField()
    facts = models.JSONField()  # layout.py

    objects = PatrolReportQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["visit", "department"], name="patrol_report_once")]
        indexes = [
            models.Index(fields=["store", "-made_at", "-id"], name="patrol_report_of_store"),
            models.Index(fields=["department", "-made_at", "-id"], name="patrol_report_newest"),
        ]

    def __str__(self) -> str:
        return self.number


class ReportReader(models.Model):
    """Somebody a report was shared with. Read: he opened it."""

    class Why(models.TextChoices):
        DEPARTMENT = "department", _("部门")
        STORE = "store_manager", _("店长")
        AREA = "area_supervisor", _("区长")
        REGION = "region_manager", _("区经")
        PATROLLER = "patroller", _("巡店人")

    report = models.ForeignKey(PatrolReport, on_delete=models.CASCADE, related_name="readers", db_index=False)
    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+", db_index=False)
    why = models.CharField(max_length=16, choices=Why.choices)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["report", "staff"], name="report_reader_once")]
        indexes = [models.Index(fields=["staff", "-report"], name="report_reader_of")]
