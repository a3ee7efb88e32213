"""The bare views the product's pages are measured against, with a WSGI application of their own; none is in the product."""

from datetime import time, timedelta

from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.generics import ListAPIView

application = get_wsgi_application()

from crm.members.models import Member  # noqa: E402
from guides.org.models import OrgUnit, Staff  # noqa: E402
from tasks.followups.models import Task  # noqa: E402
from tasks.review.counting import ANSWERED, SUMS, counts  # noqa: E402
from yejibao.core import clock  # noqa: E402


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def one_query(request: HttpRequest, pk: int) -> HttpResponse:
    """Django with one indexed query: a row by its primary key, in a hundred bytes of HTML."""
    task = Task.objects.get(pk=pk)
    return HttpResponse(f"<!doctype html><title>{task.pk}</title><p>{task.why}</p><p>{task.due_at:%Y-%m-%d %H:%M}</p>")


class MemberRow(serializers.ModelSerializer[Member]):
    class Meta:
        model = Member
        fields = ("public_id", "name", "salutation", "gender", "tier_631", "member_level")


class StaffRow(serializers.ModelSerializer[Staff]):
    class Meta:
        model = Staff
        fields = ("id", "name")


class TaskRow(serializers.ModelSerializer[Task]):
    """What the product's list says of a task, the plain way."""

    member = MemberRow()
    assignee = StaffRow()

    class Meta:
        model = Task
        fields = (
            "id", "task_type", "node", "state", "priority", "channel", "open_at", "due_at", "expire_at", "done_at", "hidden_until",
            "outcome", "evidence_level", "why", "member", "assignee",
        )  # fmt: skip


class TaskRows(ListAPIView[Task]):
    """A plain list of 20: ModelSerializer, select_related, no sign-in."""

    serializer_class = TaskRow
    pagination_class = None

    def get_queryset(self) -> object:  # type: ignore[override]
        mine = Task.objects.filter(assignee_id=self.kwargs["pk"], state="open")
        return mine.select_related("member", "assignee").order_by("priority", "due_at", "pk")[:20]


def live_review(request: HttpRequest, pk: int) -> HttpResponse:
    """What the boards' daily rows replace: this month of a unit counted from the tasks themselves, by the unit below."""
    unit, now = OrgUnit.objects.get(pk=pk), clock.now()
    today = clock.local_day(now)
    first, end = today.replace(day=1), today + timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH wanted AS MATERIALIZED (
                SELECT %(first)s::date AS day, s.id AS store_id, %(starts)s::timestamptz AS starts, %(ends)s::timestamptz AS ends
                FROM guides_store s JOIN guides_orgunit o ON o.id = s.unit_id WHERE o.path LIKE %(path)s
            )
            SELECT split_part(substr(o.path, %(below)s), '/', 1), c.task_type, {SUMS} FROM ({counts()}) c
            JOIN guides_store s ON s.id = c.store_id JOIN guides_orgunit o ON o.id = s.unit_id GROUP BY 1, 2
            """,
            {
                "first": first, "starts": clock.local_moment(first, time()), "ends": clock.local_moment(end, time()),
                "path": f"{unit.path}%", "below": len(unit.path or "") + 1, "now": now, "answered": list(ANSWERED),
            },
        )  # fmt: skip
        rows = cursor.fetchall()
    return HttpResponse("<!doctype html>" + "".join(f"<p>{' '.join(map(str, row))}</p>" for row in rows))


urlpatterns = [
    path("review/<int:pk>/", live_review),
    path("healthz", healthz),
    path("task/<int:pk>/", one_query),
    path("tasks/of/<int:pk>/", TaskRows.as_view()),
]
