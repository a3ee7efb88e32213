"""Every date example of followup_3369.yaml, through the real engine."""

from datetime import time
from pathlib import Path
from typing import Any

import pytest

from tasks.cadences.models import Enrollment
from tasks.followups.models import Task
from tasks.followups.opening import open_due
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import make_staff, make_store
from tests.factories.tasks import enroll, hand, load_rules, local, open_until
from yejibao.core.domain_files import read_yaml

pytestmark = pytest.mark.django_db

BOOK = read_yaml(Path(__file__).parents[3] / "tasks/data/followup_3369.yaml")
DATED = [example for example in BOOK["computation_examples"] if "node" in example]


@pytest.fixture
def guide():
    load_rules()
    return make_staff("guide")


def place(example: dict[str, Any]) -> Any:
    opens, closes = (example.get("store_hours") or "09:30-22:00").split("-")
    return make_store(opens_at=time.fromisoformat(opens), closes_at=time.fromisoformat(closes))


@pytest.mark.parametrize("example", DATED, ids=lambda e: f"{e['node']}-{e['anchor']}-{e.get('known_at', '')}")
def test_date_example(example):
    load_rules()
    store = place(example)
    guide = make_staff("guide", store=store)
    member = make_member(owner=guide)
    make_friend(member, guide)
    order = make_order(member, paid_at=example["anchor"], known_at=example.get("known_at"), guide=guide)
    enroll(order)
    cycle = Enrollment.objects.get()
    if "skipped" in example:
        assert cycle.step_reasons == {example["node"]: example["skipped"]}
        assert hand(cycle)[0] == "d3"
        return
    if example["node"] == "m30":
        step, opens = hand(cycle)
        assert step == "m30"
        if "open" in example:
            assert opens == example["open"]
    open_until("2025-12-31 12:00")
    task = Task.objects.get(enrollment=cycle, node=example["node"])
    if "open" in example:
        assert local(task.open_at) == example["open"]
    for key, value in (("due", task.due_at), ("expire", task.expire_at)):
        if key in example:
            assert local(value) == example[key]
    if "timing" in example:
        assert task.context["timing"] == example["timing"]


def buyer(guide: Any) -> Any:
    """A member who is his guide's friend."""
    member = make_member(owner=guide)
    make_friend(member, guide)
    return member


def test_two_orders_one_day_are_one_cycle(guide):
    member = buyer(guide)
    first = make_order(member, paid_at="2025-03-01 15:00", guide=guide)
    enroll(first)
    second = make_order(member, paid_at="2025-03-01 18:00", guide=guide, amount_fen=30000)
    assert enroll(second) == {"joined": 1}
    cycle = Enrollment.objects.get()
    open_due(now=second.paid_at)
    task = Task.objects.get()
    assert (local(task.due_at), len(task.context["items"]), len(cycle.items)) == ("2025-03-01 15:30", 2, 2)


def test_full_order_absorbs_the_small_one_of_its_date(guide):
    member = buyer(guide)
    small = make_order(member, paid_at="2025-03-01 11:00", guide=guide, amount_fen=5900)
    assert enroll(small) == {"small": 1}
    open_due(now=small.paid_at)
    full = make_order(member, paid_at="2025-03-01 15:00", guide=guide)
    assert enroll(full) == {"anchor": 1}
    cycle = Enrollment.objects.get()
    assert (cycle.kind, cycle.anchor_order_id, cycle.steps_planned) == ("full", full.pk, 5)
    assert hand(cycle) == ("d3", "2025-03-04 09:30")
    task = Task.objects.get()
    assert (local(task.due_at), len(task.context["items"])) == ("2025-03-01 11:30", 2)


def test_small_order_in_a_running_cycle_has_its_own_thanks_and_nothing_else(guide):
    member = buyer(guide)
    enroll(make_order(member, paid_at="2025-03-01 15:00", guide=guide))
    small = make_order(member, paid_at="2025-03-10 12:00", guide=guide, amount_fen=5900)
    assert enroll(small) == {"small": 1}
    big, little = Enrollment.objects.order_by("pk")
    assert (big.status, big.kind, little.kind, little.plan) == ("active", "full", "small", ["m30"])
    open_due(now=small.paid_at)
    assert local(Task.objects.get(enrollment=little).due_at) == "2025-03-10 12:30"
    assert hand(little) == (None, None)


def test_order_older_than_the_cycle_is_refused(guide):
    member = buyer(guide)
    enroll(make_order(member, paid_at="2025-03-10 15:00", guide=guide))
    late = make_order(member, paid_at="2025-03-02 12:00", known_at="2025-03-11 10:00", guide=guide)
    assert enroll(late) == {"not_eligible": 1}
    assert late.enrollment_causes.get().reason == "older_than_cycle"


def test_repurchase_supersedes_and_carries_the_fit_question_over(guide):
    member = buyer(guide)
    first = make_order(member, paid_at="2025-03-01 15:00", guide=guide)
    enroll(first)
    open_due(now=first.paid_at)
    second = make_order(member, paid_at="2025-03-02 12:00", guide=guide)
    enroll(second)
    old, new = Enrollment.objects.order_by("pk")
    assert (old.status, old.steps_superseded, old.superseded_by_id, hand(old)[0]) == ("superseded", 4, new.pk, None)
    assert Task.objects.get(enrollment=old).state == "superseded"
    assert [item["line"] for item in new.carry_over_items] == [item["line"] for item in old.items]
    open_until("2025-03-05 12:00")
    assert Task.objects.get(enrollment=new, node="d3").context["carry_over_items"] == new.carry_over_items
    assert local(Task.objects.get(enrollment=new, node="d3").open_at) == "2025-03-05 09:30"


def test_example_of_superseding(guide):
    member = buyer(guide)
    enroll(make_order(member, paid_at="2025-03-01 15:00", guide=guide))
    open_until("2025-04-01 10:00")
    enroll(make_order(member, paid_at="2025-04-10 11:00", guide=guide))
    old, new = Enrollment.objects.order_by("pk")
    assert (old.steps_superseded, sorted(old.tasks.values_list("node", flat=True))) == (2, ["d3", "d30", "m30"])
    open_until("2025-07-10 10:00")
    opened = {task.node: local(task.open_at) for task in new.tasks.all()}
    assert opened == {
        "m30": "2025-04-10 11:00", "d3": "2025-04-13 09:30", "d30": "2025-05-10 09:30", "d60": "2025-06-09 09:30",
        "d90": "2025-07-09 09:30",
    }  # fmt: skip
