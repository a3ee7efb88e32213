"""A cycle that cannot be opened: set aside with its cause, shown, tried again, and off the screen once it opens."""

import pytest

from tasks.cadences.conservation import prove
from tasks.cadences.models import Cadence, Enrollment
from tasks.cadences.parked import count_parked, list_parked, retry_parked
from tasks.followups.models import Task
from tests.factories.crm import make_member, make_order
from tests.factories.guides import actor, holder_of, make_org
from tests.factories.tasks import enroll, load_rules, open_at
from yejibao.core.clock import parse_iso
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db

PAID = "2025-03-01 15:00"


def test_from_the_bad_row_to_its_task():
    load_rules()
    org = make_org()
    enroll(make_order(make_member(owner=org.guide, name="王建平"), paid_at=PAID, guide=org.guide))
    items = Enrollment.objects.get().items
    Enrollment.objects.update(items={"not": "a list"})
    assert open_at("2025-03-01 15:20") == {"parked": 1}
    (parked,) = list_parked()
    assert (parked.step_name, parked.tries, parked.next_try_at) == ("30 分钟回访", 1, parse_iso("2025-03-01 16:20"))
    assert parked.why
    assert "王建平" not in parked.why
    assert prove(cadence_id=Cadence.objects.get().pk).skipped_by_reason == {}

    Enrollment.objects.update(items=items)
    now = parse_iso("2025-03-01 15:30")
    assert retry_parked(actor=actor(holder_of("hq_operator", org)), now=now) == 1
    assert AuditEntry.objects.get().action == "enrollment.retried"
    open_at(now)
    assert (Task.objects.count(), count_parked()) == (1, 0)
    assert Enrollment.objects.get().step_reasons == {}
    assert retry_parked(actor=actor(holder_of("hq_operator", org)), now=now) == 0
