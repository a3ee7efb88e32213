"""自主巡店: a manager's duty each week, ended by handing one in."""

from typing import Any

import pytest

from guides.events import PatrolSubmitted
from tasks.duties.models import Duty
from tasks.duties.self_patrols import follow, open_week
from tests.factories.guides import make_org, make_staff
from tests.factories.patrol import begin, hand_in, load, said, sync, value
from yejibao.core.clock import SHANGHAI, parse_iso
from yejibao.core.outbox.models import OutboxEvent

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-23 09:30")  # a Monday
FIVE = ("hygiene_floor", "hygiene_shelf", "hygiene_smell", "fitting_service", "cashier_process")


def test_each_manager_has_one_a_week_and_a_self_patrol_ends_it(clock: Any) -> None:
    clock.travel(NOW)
    org = make_org()
    other = make_staff("store_manager", store=org.other_store)
    assert [open_week(now=NOW), open_week(now=NOW)] == [{"opened": 2}, {"opened": 0}]
    duty = Duty.objects.get(assignee=org.manager)
    assert (duty.title, duty.url) == ("新街口店本周自主巡店", f"/m/patrol/stores/{org.store.pk}/")
    assert duty.due_at.astimezone(SHANGHAI) == parse_iso("2026-11-25 22:00")
    assert duty.expire_at.astimezone(SHANGHAI) == parse_iso("2026-11-29 22:00")
    load()
    clock.travel(parse_iso("2026-11-24 10:00"))
    visit = begin(org.manager, org.store, kind="self")
    sync(visit, said(**{key: value(5) for key in FIVE}))
    hand_in(visit)
    event = PatrolSubmitted(**OutboxEvent.objects.filter(topic=PatrolSubmitted.topic).get().payload)
    assert [follow([event], now=NOW), follow([event], now=NOW)] == [1, 0]
    assert dict(Duty.objects.values_list("assignee_id", "state")) == {org.manager.pk: "done", other.pk: "open"}
