"""The real input, scaled down: the first customers of the log through import, replay and proof; twice is like once."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from crm.orders.models import Order
from tasks.cadences.models import Enrollment, EnrollmentCause
from tasks.followups.models import Task

pytestmark = pytest.mark.django_db
FILE = Path(__file__).parents[2] / "crm" / "data" / "cdnow_purchases.csv.gz"


def run(*words: Any) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=StringIO())
    return out.getvalue()


def counted(text: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    return answer


def test_a_month_of_real_purchases_loses_nothing_and_repeats_nothing():
    run("build_demo", "--company-only")
    run("import_orders", FILE, "--map", "cdnow", "--hold", "--limit-customers", "40")
    assert Order.objects.filter(known_at=None).count() == Order.objects.count() > 60
    period = ("replay", "--from", "1997-01-01", "--to", "1997-02-09", "--beat", "240", "--json")
    first = counted(run(*period))
    assert first["missing"] == 0
    arrived = Order.objects.exclude(known_at=None)
    assert first["purchases"] == arrived.count() == EnrollmentCause.objects.count()
    assert first["anchor"] + first["joined"] + first["small"] + first["not_eligible"] == first["purchases"]
    assert first["opened_by_node"].keys() >= {"m30", "d3", "d30"}
    assert first["done"] > 0 and first["expired"] > 0 and first["pushes"]["sent"] > 0
    assert first["pushes"]["sent"] == first["sandbox_delivered"]

    before = set(Task.objects.values_list("pk", "state", "done_at"))
    run("import_orders", FILE, "--map", "cdnow", "--hold", "--limit-customers", "40")
    second = counted(run(*period))
    same = ("purchases", "enrollments", "opened", "done", "expired", "superseded", "steps_skipped", "pushes", "missing")
    assert {key: second[key] for key in same} == {key: first[key] for key in same}
    assert set(Task.objects.values_list("pk", "state", "done_at")) == before


def test_the_log_gives_the_counts_the_rules_say():
    """The whole file's cycles without playing the days: data/README's table for the first thousand customers' share."""
    run("build_demo", "--company-only")
    run("import_orders", FILE, "--map", "cdnow", "--hold", "--limit-customers", "300")
    from crm.orders.services import release_orders
    from tasks.cadences.enrolling import enroll_orders
    from yejibao.core.clock import parse_iso

    now = parse_iso("1998-07-01 00:00")
    release_orders(until=now, now=now)
    orders = Order.objects.order_by("paid_at", "pk")
    enroll_orders(list(orders.values_list("pk", flat=True)), now=now)
    rows = list(orders.values_list("member_id", "paid_on", "net_amount_fen"))
    full_days = {(member, day) for member, day, fen in rows if fen >= 9900}
    small_days = {(member, day) for member, day, fen in rows if 0 < fen < 9900} - full_days
    assert Enrollment.objects.filter(kind="full").count() == len(full_days)
    assert Enrollment.objects.filter(kind="small").count() == len(small_days)
    assert EnrollmentCause.objects.filter(role="small").count() == sum(0 < fen < 9900 for *_, fen in rows)
    assert EnrollmentCause.objects.filter(role="not_eligible", reason="amount_zero").count() == sum(
        fen == 0 for *_, fen in rows
    )
