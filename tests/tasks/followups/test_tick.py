"""One beat: what it does, and what it leaves when it is stopped half-way."""

from datetime import date
from typing import Any

import pytest
from django.db import DatabaseError

from crm.members.models import Member
from guides.org.models import RoleAssignment, Store
from tasks.cadences.models import Enrollment, Hand
from tasks.followups import opening
from tasks.followups import tick as beat
from tasks.followups.models import Task
from tasks.followups.tick import tick
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member, make_order, make_store
from tests.factories.guides import Org, make_org, make_staff
from tests.factories.tasks import enroll, hand, load_rules, make_task, open_at, open_until, put_hand
from yejibao.core.clock import parse_iso
from yejibao.core.models import OutboxMessage

pytestmark = pytest.mark.django_db

PAID = "2025-03-01 15:00"


@pytest.fixture
def org(clock: TestClock) -> Org:
    clock.travel(PAID)
    load_rules()
    return make_org()


def buyer(org: Org, **facts: Any) -> Member:
    member = make_member(owner=org.guide, **facts)
    make_friend(member)
    return member


def buy(member: Member, paid_at: str = PAID, **facts: Any) -> Enrollment:
    order = make_order(member, paid_at=paid_at, **({"guide": member.owner_guide} | facts))
    enroll(order)
    return Enrollment.objects.get(member=member)


def test_a_beat_opens_expires_and_tells(org: Org) -> None:
    make_task(buyer(org), org.guide, now=parse_iso("2025-02-20 10:00"))
    buy(buyer(org))
    assert tick(now=parse_iso(PAID)) == {"expired": 1, "open": 1, "told urgent": 1, "told due": 1}
    assert tick(now=parse_iso(PAID)) == {}


def test_older_days_of_the_demo_tell_nobody(org: Org) -> None:
    buy(buyer(org))
    assert tick(now=parse_iso(PAID), tells=False) == {"open": 1}
    assert not OutboxMessage.objects.exists()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_killed_half_way_nothing_is_half_done(
    org: Org, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """All that one batch did was written when it was killed; none of it stands, and the next beat does it."""
    cycle = buy(buyer(org))
    real = opening.prepared

    def killed(*args: Any) -> Any:
        real(*args)
        assert Task.objects.count() == 1
        raise error

    monkeypatch.setattr(opening, "prepared", killed)
    with pytest.raises(error):
        tick(now=parse_iso(PAID))
    assert (Task.objects.count(), hand(cycle)[0], cycle.status, OutboxMessage.objects.count()) == (
        0,
        "m30",
        "active",
        0,
    )
    monkeypatch.setattr(opening, "prepared", real)
    assert tick(now=parse_iso(PAID))["open"] == 1
    assert hand(cycle)[0] == "d3"


def test_one_part_that_fails_does_not_stop_the_others(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> int:
        raise DatabaseError("a row nobody expected")

    monkeypatch.setattr(beat, "expire_tasks", broken)
    buy(buyer(org))
    counts = tick(now=parse_iso(PAID))
    assert (counts["failed expired"], counts["open"], counts["told urgent"]) == (1, 1, 1)


# ---------------------------------------------------------------- edges of assignment and caps


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"item_name": "藏青羊毛套西", "color": "藏青"}, "藏青羊毛套西"), ({"item_name": "羊毛套西", "color": "藏青"}, "藏青羊毛套西"),
        ({"item_name": "羊毛套西（藏青）", "color": "藏青"}, "羊毛套西（藏青）"), ({"item_name": "羊毛套西", "color": ""}, "羊毛套西"),
        ({"item_name": "", "color": "藏青"}, "衣服"),
    ],
)  # fmt: skip
def test_the_reason_says_the_colour_once(org: Org, item: dict[str, str], said: str) -> None:
    buy(buyer(org), lines=[{"size": "175/92A", "care_key": "suit_wool", "paid_fen": 128000, **item}])
    open_until("2025-03-04 10:00")
    for why in Task.objects.values_list("why", flat=True):
        assert said in why and "藏青藏青" not in why


def test_a_member_without_a_main_store_is_the_sellers(org: Org) -> None:
    member = make_member(owner=None, phone_consent=True)
    cycle = buy(member, guide=org.guide, store=org.store)
    open_until("2025-03-04 10:00")
    assert set(cycle.tasks.values_list("assignee", "store")) == {(org.guide.pk, org.store.pk)}


def test_a_store_without_anybody_waits_for_somebody(org: Org) -> None:
    store = make_store()
    member = make_member(owner=None, store=store, phone_consent=True)
    cycle = buy(member, guide=None, store=store, kind="mall")
    assert open_at(PAID) == {"wait": 1}
    manager = make_staff("store_manager", store=store)
    assert open_at("2025-03-01 15:10") == {"open": 1}
    assert cycle.tasks.get().assignee_id == manager.pk


def test_a_manager_whose_time_is_over_gets_nothing(org: Org) -> None:
    member = make_member(owner=None, store=org.store, phone_consent=True)
    RoleAssignment.objects.filter(staff=org.manager).update(ends_on=date(2025, 2, 28))
    deputy = make_staff("guide", store=org.store)
    buy(member, guide=None, kind="mall")
    assert open_at(PAID) == {"wait": 1}
    Store.objects.filter(pk=org.store.pk).update(duty_guide=deputy)
    assert open_at("2025-03-01 15:10") == {"open": 1}


def test_overdue_tasks_take_room_in_a_full_day_but_never_from_service(org: Org) -> None:
    """She has twenty left over from before: selling steps move on, first touch and fit question still come."""
    old = parse_iso("2025-03-29 10:00")
    for _ in range(20):
        enrollment = buy(buyer(org), "2025-02-01 12:00")
        make_task(enrollment.member, org.guide, now=old, enrollment=enrollment, node="d30", task_type="followup_d30",
                  due_at=parse_iso("2025-03-30 22:00"), expire_at=parse_iso("2025-04-05 22:00"))  # fmt: skip
    Hand.objects.all().delete()
    selling = buy(buyer(org), PAID)
    put_hand(selling, step="d30", due="2025-03-31 09:30", skipped=2)
    service = buy(buyer(org), "2025-03-31 09:40")
    assert open_at("2025-03-31 09:40") == {"shift:guide_cap": 1, "open": 1}
    assert hand(selling) == ("d30", "2025-04-01 09:30")
    assert service.tasks.get().node == "m30"
    Task.objects.filter(node="d30").update(state="expired")
    assert open_at("2025-04-01 09:30")["open"] == 1


def test_overflow_goes_only_to_a_backup_who_can_reach_him(org: Org) -> None:
    helper = make_staff("guide", store=org.store)
    org.guide.backup_guide = helper
    org.guide.save()
    for _ in range(20):
        enrollment = buy(buyer(org), "2025-02-01 12:00")
        make_task(enrollment.member, org.guide, now=parse_iso("2025-03-29 10:00"), enrollment=enrollment, node="d30")
    Hand.objects.all().delete()
    last_day = parse_iso("2025-04-07 09:40")
    cycles = []
    for consent in (True, False):
        cycle = buy(buyer(org, phone_consent=consent), PAID)
        put_hand(cycle, step="d30", due=last_day, skipped=2)
        cycles.append(cycle)
    assert open_at("2025-04-07 09:40") == {"open:guide_cap": 1, "skip:guide_cap": 1}
    task = cycles[0].tasks.get()
    assert (task.assignee_id, task.channel) == (helper.pk, "manual_call")
