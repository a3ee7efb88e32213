"""Skip rules, assignment, caps, holds and changes: what the engine says about one step, and what it leaves behind."""

from datetime import date, timedelta

import pytest

from crm.aftersale.models import Ticket
from guides.attendance.models import Shift
from tasks.cadences import changes
from tasks.cadences.conservation import prove
from tasks.cadences.models import Cadence, Enrollment, Hand
from tasks.followups import upkeep
from tasks.followups.models import Reach, Task, TaskMove
from tasks.followups.opening import open_due
from tasks.followups.services import open_care_tasks
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import make_org, make_staff
from tests.factories.tasks import enroll, hand, load_rules, local, make_task, open_at, open_until, put_hand, task_of
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db

PAID = "2025-03-01 15:00"


@pytest.fixture
def org():
    load_rules()
    return make_org()


@pytest.fixture
def member(org):
    member = make_member(owner=org.guide, store=org.store)
    make_friend(member, org.guide)
    return member


@pytest.fixture
def cycle(org, member):
    """A cycle anchored on 2025-03-01 15:00, nothing opened yet."""
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    return Enrollment.objects.get()


def conserved() -> bool:
    return prove(cadence_id=Cadence.objects.get().pk).missing == 0


def resting(person, *days):
    Shift.objects.bulk_create([Shift(staff=person, day=date.fromisoformat(day), kind="rest") for day in days])


# ---------------------------------------------------------------- plan by purchase node


def test_plan_and_priority_follow_the_purchase_node(org, member):
    for number in range(5):
        enroll(make_order(member, paid_at=f"2025-0{number + 1}-01 12:00", guide=org.guide))
    first, *_, loyal = Enrollment.objects.order_by("pk")
    assert (first.buyer, first.plan) == ("first", ["m30", "d3", "d30", "d60", "d90"])
    assert [e.buyer for e in Enrollment.objects.order_by("pk")] == ["first", "repeat", "repeat", "repeat", "loyal"]
    assert loyal.plan == ["m30", "d3", "d90"]


def test_first_time_buyers_get_the_key_touch_early(org, cycle, member):
    open_until("2025-03-31 10:00")
    assert task_of(cycle, "d30").priority == 2
    enroll(make_order(member, paid_at="2025-06-01 12:00", guide=org.guide))
    again = Enrollment.objects.order_by("-pk")[0]
    open_until("2025-07-31 10:00")
    assert (task_of(again, "d30").priority, task_of(again, "d60").priority) == (3, 3)


# ---------------------------------------------------------------- who is not followed


@pytest.mark.parametrize(
    ("facts", "member_facts", "reason"),
    [
        ({"kind": "top_up"}, {}, "order_kind"),
        ({"kind": "group"}, {}, "order_kind"),
        ({"amount_fen": 0}, {}, "amount_zero"),
        ({}, {"is_employee": True}, "employee"),
        ({}, {"status": "closed"}, "member_inactive"),
        ({"status": "returned", "net_amount_fen": 0}, {}, "amount_zero"),
    ],
)
def test_not_eligible_leaves_its_reason(org, facts, member_facts, reason):
    member = make_member(owner=org.guide, **member_facts)
    order = make_order(member, paid_at=PAID, guide=org.guide, **facts)
    assert enroll(order) == {"not_eligible": 1}
    assert order.enrollment_causes.get().reason == reason
    assert conserved()


def test_a_stranger_at_the_till_is_not_followed(org):
    order = make_order(None, paid_at=PAID, guide=org.guide)
    enroll(order)
    assert order.enrollment_causes.get().reason == "no_member"


def test_the_same_orders_twice_start_nothing_new(org, member):
    orders = [make_order(member, paid_at=PAID, guide=org.guide), make_order(member, paid_at=PAID, guide=org.guide)]
    assert enroll(*orders) == {"anchor": 1, "joined": 1}
    assert enroll(*orders) == {}
    assert Enrollment.objects.count() == 1


# ---------------------------------------------------------------- delivery


@pytest.mark.parametrize(
    ("received", "told_at", "opens", "anchor"),
    [
        ("2025-03-03 18:00", "2025-03-03 18:00", "2025-03-06 09:30", "2025-03-03"),
        (None, None, "2025-03-09 09:30", "2025-03-06"),
        ("2025-03-08 12:00", "2025-03-08 12:00", "2025-03-11 09:30", "2025-03-08"),
        ("2025-03-10 12:00", "2025-03-10 12:00", "2025-03-09 09:30", "2025-03-06"),
    ],
)
def test_delivery_counts_from_the_day_it_was_signed_for(org, member, received, told_at, opens, anchor):
    order = make_order(member, paid_at=PAID, guide=org.guide, kind="mall", is_delivery=True)
    enroll(order)
    cycle = Enrollment.objects.get()
    open_until("2025-03-03 12:00")
    assert hand(cycle) == ("d3", "2025-03-09 09:30")
    if received:
        open_until(told_at)
        order.received_at = parse_iso(received)
        order.save()
        changes.follow_receipts([order.pk], now=parse_iso(told_at))
    open_until("2025-03-31 10:00")
    cycle.refresh_from_db()
    assert (local(task_of(cycle, "d3").open_at), cycle.day_anchor_date.isoformat()) == (opens, anchor)


def test_delivery_example_moves_all_later_nodes(org, member):
    order = make_order(
        member, paid_at=PAID, guide=org.guide, kind="mall", is_delivery=True, received_at="2025-03-03 18:00"
    )
    enroll(order)
    open_until("2025-06-10 10:00")
    opened = {t.node: local(t.open_at) for t in Task.objects.exclude(node="m30")}
    assert opened == {
        "d3": "2025-03-06 09:30",
        "d30": "2025-04-02 09:30",
        "d60": "2025-05-02 09:30",
        "d90": "2025-06-01 09:30",
    }


# ---------------------------------------------------------------- returns, exchange, alteration, tickets


def give_back(order, fen=None):
    fen = fen or order.net_amount_fen
    order.refunded_fen += fen
    order.net_amount_fen -= fen
    order.status = "paid" if order.net_amount_fen else "returned"
    order.save()


def test_full_return_cancels_and_leaves_one_care_task(org, cycle):
    open_at(PAID)
    give_back(cycle.anchor_order)
    cancelled = changes.follow_returns([cycle.anchor_order_id], now=parse_iso("2025-03-03 12:00"))
    open_care_tasks(cancelled, returned_on=date(2025, 3, 3), now=parse_iso("2025-03-03 12:00"))
    open_care_tasks(cancelled, returned_on=date(2025, 3, 3), now=parse_iso("2025-03-03 12:00"))
    cycle.refresh_from_db()
    assert (cycle.status, cycle.closed_reason, cycle.steps_cancelled, hand(cycle)[0]) == (
        "cancelled",
        "returned_full",
        4,
        None,
    )
    assert task_of(cycle, "m30").state == "cancelled"
    care = Task.objects.get(task_type="aftersale_care")
    assert (local(care.due_at), care.nature, care.enrollment_id) == ("2025-03-04 22:00", "service", None)
    assert conserved()


def test_return_before_the_engine_heard_of_it_is_caught_at_opening(org, cycle):
    give_back(cycle.anchor_order)
    assert open_at(PAID) == {"cancel:returned_full": 1}
    cycle.refresh_from_db()
    assert (cycle.status, cycle.steps_cancelled) == ("cancelled", 5)


def test_return_of_one_of_two_joined_orders_shrinks_the_items(org, cycle, member):
    second = make_order(member, paid_at="2025-03-01 17:00", guide=org.guide, lines=[
        {"item_name": "免烫衬衫", "color": "白", "size": "41", "care_key": "shirt", "paid_fen": 49800}])  # fmt: skip
    enroll(second)
    cycle.anchor_order.lines.update(returned_quantity=1)
    give_back(cycle.anchor_order)
    assert changes.follow_returns([cycle.anchor_order_id], now=parse_iso("2025-03-02 10:00")) == []
    cycle.refresh_from_db()
    assert (cycle.status, [item["name"] for item in cycle.items]) == ("active", ["免烫衬衫"])


def test_return_of_the_superseding_order_leaves_the_old_cycle_superseded(org, cycle, member):
    later = make_order(member, paid_at="2025-03-10 12:00", guide=org.guide)
    enroll(later)
    give_back(later)
    changes.follow_returns([later.pk], now=parse_iso("2025-03-11 12:00"))
    assert list(Enrollment.objects.order_by("pk").values_list("status", flat=True)) == ["superseded", "cancelled"]
    assert conserved()


def test_exchange_moves_the_fit_question_before_it_opens(org, cycle):
    open_at(PAID)
    changes.follow_exchanges([cycle.anchor_order_id], parse_iso("2025-03-03 12:00"), now=parse_iso("2025-03-03 12:00"))
    assert hand(cycle) == ("d3", "2025-03-06 09:30")
    open_until("2025-04-01 10:00")
    assert local(task_of(cycle, "d3").due_at) == "2025-03-06 22:00"
    assert local(task_of(cycle, "d30").open_at) == "2025-03-31 09:30"


def test_exchange_moves_the_dates_of_an_open_fit_question(org, cycle):
    open_until("2025-03-04 10:00")
    changes.follow_exchanges([cycle.anchor_order_id], parse_iso("2025-03-05 12:00"), now=parse_iso("2025-03-05 12:00"))
    task = task_of(cycle, "d3")
    assert (local(task.due_at), local(task.expire_at)) == ("2025-03-08 22:00", "2025-03-11 22:00")
    move = TaskMove.objects.get()
    assert (move.reason, local(move.old_due_at), local(move.new_due_at)) == (
        "exchange",
        "2025-03-04 22:00",
        "2025-03-08 22:00",
    )


def test_alteration_waits_for_the_pick_up(org, cycle, member):
    open_at(PAID)
    ticket = make_ticket(
        member,
        kind="alteration",
        order=cycle.anchor_order,
        opened_at=parse_iso("2025-03-02 12:00"),
        pickup_at=parse_iso("2025-03-06 12:00"),
    )
    changes.follow_alterations([ticket.pk], now=parse_iso("2025-03-02 12:00"))
    assert hand(cycle) == ("d3", "2025-03-07 09:30")


def test_alteration_without_a_date_waits_until_day_ten_at_the_latest(org, cycle, member):
    open_at(PAID)
    make_ticket(member, kind="alteration", order=cycle.anchor_order, opened_at=parse_iso("2025-03-02 12:00"))
    assert open_at("2025-03-04 09:30") == {"alter": 1}
    assert hand(cycle) == ("d3", "2025-03-11 09:30")
    assert open_at("2025-03-11 09:30") == {"open": 1}


def test_open_complaint_holds_selling_steps_and_releases_them_two_days_after(org, cycle, member):
    open_until("2025-03-05 10:00")
    ticket = make_ticket(member, kind="complaint", order=cycle.anchor_order, opened_at=parse_iso("2025-03-20 10:00"))
    open_until("2025-03-31 09:30")
    task = task_of(cycle, "d30")
    assert (task.held_reason, task.state) == ("aftersale", "open")
    assert upkeep.expire_tasks(now=parse_iso("2025-04-30 10:00")) == 2  # m30 and d3, not the held one
    Ticket.objects.filter(pk=ticket.pk).update(state="closed", closed_at=parse_iso("2025-04-02 12:00"))
    assert upkeep.release_held(now=parse_iso("2025-04-04 11:00"))["aftersale"] == 0
    assert upkeep.release_held(now=parse_iso("2025-04-04 12:00"))["aftersale"] == 1
    task.refresh_from_db()
    assert (task.held_at, local(task.due_at), local(task.expire_at)) == (None, "2025-04-04 22:00", "2025-04-07 22:00")


def test_release_after_the_end_is_a_skip(org, cycle, member):
    open_until("2025-03-05 10:00")
    ticket = make_ticket(member, kind="return", order=cycle.anchor_order, opened_at=parse_iso("2025-03-20 12:00"))
    open_until("2025-03-31 09:30")
    Ticket.objects.filter(pk=ticket.pk).update(state="closed", closed_at=parse_iso("2025-04-06 12:00"))
    upkeep.release_held(now=parse_iso("2025-04-08 12:00"))
    task = task_of(cycle, "d30")
    assert (task.state, task.closed_reason) == ("skipped", "aftersale_open")
    assert conserved()


# ---------------------------------------------------------------- skip rules, in order


def test_do_not_contact_skips_every_node(org, cycle, member):
    member.do_not_contact = True
    member.save()
    open_until("2025-06-30 10:00")
    cycle.refresh_from_db()
    assert set(cycle.step_reasons.values()) == {"do_not_contact"}
    assert (cycle.steps_skipped, cycle.status) == (5, "completed")
    assert conserved()


def test_opt_out_skips_selling_steps_only(org, cycle, member):
    member.marketing_opt_out = ["wecom_message"]
    member.save()
    open_until("2025-06-30 10:00")
    cycle.refresh_from_db()
    assert sorted(cycle.tasks.values_list("node", flat=True)) == ["d3", "m30"]
    assert cycle.step_reasons == {"d30": "unsubscribed", "d60": "unsubscribed", "d90": "unsubscribed"}


@pytest.mark.parametrize(
    ("phone_consent", "tier", "opened"),
    [(True, "core", {"m30", "d3", "d90"}), (True, "common", {"m30", "d3"}), (False, "core", set())],
)
def test_lost_friend(org, phone_consent, tier, opened):
    member = make_member(owner=org.guide, phone_consent=phone_consent, tier_631=tier)
    make_friend(member, org.guide, state="deleted_by_member")
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_until("2025-06-30 10:00")
    tasks = Task.objects.all()
    assert {task.node for task in tasks} == opened
    assert {task.channel for task in tasks} <= {"manual_call"}


@pytest.mark.parametrize(
    ("phone_consent", "channels"),
    [(True, {"m30": "in_store", "d3": "manual_call", "d30": "manual_call"}), (False, {"m30": "in_store"})],
)
def test_not_a_friend_yet(org, phone_consent, channels):
    member = make_member(owner=org.guide, phone_consent=phone_consent)
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_until("2025-04-01 10:00")
    assert {task.node: task.channel for task in Task.objects.all()} == channels
    if not phone_consent:
        assert Enrollment.objects.get().step_reasons["d3"] == "no_channel"


def reach(member, guide, day):
    task = make_task(member, guide, task_type="aftersale_care")
    Reach.objects.create(member=member, guide=guide, task=task, channel="wecom_message", nature="service", level=2,
                         at=parse_iso(f"{day} 10:00"), day=date.fromisoformat(day))  # fmt: skip


def test_contacted_today_shifts_one_day(org, cycle, member):
    open_until("2025-03-10 10:00")
    reach(member, org.guide, "2025-03-31")
    assert open_at("2025-03-31 10:30") == {"shift:member_cap": 1}
    assert hand(cycle) == ("d30", "2025-04-01 09:30")
    assert open_at("2025-04-01 09:30") == {"open": 1}
    assert local(task_of(cycle, "d30").due_at) == "2025-04-02 22:00"


def test_weekly_cap_shifts_until_the_end_and_then_skips(org, cycle, member):
    open_until("2025-03-10 10:00")
    for day in ("2025-03-30", "2025-03-31", "2025-04-02", "2025-04-03", "2025-04-05", "2025-04-06", "2025-04-07"):
        reach(member, org.guide, day)
    for day in range(8):
        open_due(now=parse_iso("2025-03-31 10:00") + timedelta(days=day))
    cycle.refresh_from_db()
    assert cycle.step_reasons == {"d30": "member_cap"}
    assert conserved()


# ---------------------------------------------------------------- who does it


def test_first_touch_by_the_seller_the_rest_by_the_own_guide(org):
    seller = make_staff("guide", store=org.store)
    member = make_member(owner=org.guide, store=org.store)
    make_friend(member, org.guide)
    enroll(make_order(member, paid_at=PAID, guide=seller))
    open_until("2025-03-05 10:00")
    assert {t.node: t.assignee_id for t in Task.objects.all()} == {"m30": seller.pk, "d3": org.guide.pk}


def test_mall_order_without_a_guide_goes_to_the_own_guide_then_the_store(org):
    member = make_member(owner=org.guide, store=org.store)
    enroll(make_order(member, paid_at=PAID, kind="mall"))
    orphan = make_member(store=org.store)
    enroll(make_order(orphan, paid_at=PAID, kind="mall"))
    open_at(PAID)
    assert {t.member_id: t.assignee_id for t in Task.objects.all()} == {
        member.pk: org.guide.pk,
        orphan.pk: org.manager.pk,
    }


def test_rest_on_the_third_day_moves_the_due_one_day(org, cycle):
    resting(org.guide, "2025-03-04")
    open_until("2025-03-04 10:00")
    task = task_of(cycle, "d3")
    assert (task.assignee_id, local(task.due_at)) == (org.guide.pk, "2025-03-05 22:00")


def test_two_rest_days_go_to_the_backup_by_phone_if_no_friend(org, cycle, member):
    helper = make_staff("guide", store=org.store)
    org.guide.backup_guide = helper
    org.guide.save()
    member.phone_consent = True
    member.save()
    resting(org.guide, "2025-03-04", "2025-03-05")
    open_until("2025-03-04 10:00")
    task = task_of(cycle, "d3")
    assert (task.assignee_id, task.channel, task.owner_guide_id) == (helper.pk, "manual_call", org.guide.pk)
    assert TaskMove.objects.get().reason == "backup"


def test_no_backup_on_duty_goes_to_the_manager(org, cycle, member):
    member.phone_consent = True
    member.save()
    resting(org.guide, "2025-03-04", "2025-03-05")
    open_until("2025-03-04 10:00")
    assert task_of(cycle, "d3").assignee_id == org.manager.pk


def test_selling_step_waits_for_the_return_from_leave(org, cycle):
    open_until("2025-03-10 10:00")
    resting(org.guide, "2025-04-01", "2025-04-02", "2025-04-03", "2025-04-04")
    open_until("2025-03-31 10:00")
    task = task_of(cycle, "d30")
    assert (task.assignee_id, local(task.due_at)) == (org.guide.pk, "2025-04-05 22:00")


def test_first_touch_never_waits(org, member):
    helper = make_staff("guide", store=org.store)
    org.guide.backup_guide = helper
    org.guide.save()
    resting(org.guide, "2025-03-01")
    enroll(make_order(member, paid_at=PAID, guide=org.guide))
    open_at(PAID)
    assert Task.objects.get().assignee_id == helper.pk


def test_unopened_steps_wait_for_the_heir(org, cycle):
    open_at(PAID)
    org.guide.state = "resigned"
    org.guide.save()
    assert open_at("2025-03-04 09:30") == {"wait": 1}
    assert hand(cycle)[0] == "d3"


def test_rest_days_entered_later_move_open_work(org, cycle, member):
    helper = make_staff("guide", store=org.store)
    org.guide.backup_guide = helper
    org.guide.save()
    member.phone_consent = True
    member.save()
    open_until("2025-03-04 10:00")
    resting(org.guide, "2025-03-04", "2025-03-05")
    upkeep.cover_absence(org.guide.pk, ["2025-03-04"], now=parse_iso("2025-03-04 11:00"))
    task = task_of(cycle, "d3")
    assert (task.assignee_id, TaskMove.objects.get(task=task).reason) == (helper.pk, "backup")


# ---------------------------------------------------------------- the guide's day


def crowd(org, number, *, tier="common", paid=PAID):
    """`number` members whose d30 opens on 2025-03-31, with m30 and d3 already behind them."""
    members = [make_member(owner=org.guide, store=org.store, tier_631=tier) for _ in range(number)]
    for member in members:
        make_friend(member, org.guide)
        enroll(make_order(member, paid_at=paid, guide=org.guide))
    put_hand(*Enrollment.objects.filter(hand__isnull=False), step="d30", due="2025-03-31 09:30", skipped=2)
    return members


def test_overflow_of_a_full_day_moves_on_by_value(org):
    crowd(org, 18)
    core = crowd(org, 5, tier="core")
    assert open_at("2025-03-31 09:30") == {"open": 20, "shift:guide_cap": 3}
    assert Task.objects.filter(member__in=core).count() == 5
    assert set(Hand.objects.filter(next_step="d30").values_list("next_due_at", flat=True)) == {
        parse_iso("2025-04-01 09:30")
    }
    assert conserved()


def test_overflow_past_its_end_goes_to_a_backup_with_room_or_is_skipped(org):
    crowd(org, 20)
    open_at("2025-03-31 09:30")
    late = make_member(owner=org.guide, store=org.store, phone_consent=True)
    make_friend(late, org.guide)
    enroll(make_order(late, paid_at="2025-02-22 12:00", guide=org.guide))
    fresh = Enrollment.objects.filter(member=late)
    put_hand(*fresh, step="d30", due="2025-03-31 09:40", skipped=2)
    assert open_at("2025-03-31 09:40") == {"skip:guide_cap": 1}
    assert (
        fresh.get().step_reasons == {"d30": "guide_cap", "m30": "late_data"}
        or fresh.get().step_reasons["d30"] == "guide_cap"
    )


def test_first_touch_and_fit_question_are_always_shown(org):
    crowd(org, 20)
    open_at("2025-03-31 09:30")
    member = make_member(owner=org.guide, store=org.store)
    make_friend(member, org.guide)
    enroll(make_order(member, paid_at="2025-03-31 10:00", guide=org.guide))
    assert open_at("2025-03-31 10:00") == {"open": 1}


# ---------------------------------------------------------------- guards


def test_a_step_opens_once(org, cycle):
    open_at(PAID)
    put_hand(cycle, step="m30", due=PAID)  # a hand that was put back
    open_at(PAID)
    assert Task.objects.count() == 1


def test_repurchase_the_engine_has_not_heard_of_waits_for_its_event(org, cycle, member):
    open_at(PAID)
    make_order(member, paid_at="2025-03-03 12:00", guide=org.guide)
    assert open_at("2025-03-04 09:30") == {"wait": 1}


def test_one_bad_row_does_not_stop_the_others(org, cycle, member):
    other = make_member(owner=org.guide, store=org.store)
    make_friend(other, org.guide)
    enroll(make_order(other, paid_at="2025-03-01 15:10", guide=org.guide))
    Enrollment.objects.filter(pk=cycle.pk).update(items={"not": "a list"})
    counts = open_at("2025-03-01 15:20")
    assert (counts.get("parked"), counts.get("open")) == (1, 1)


def test_opening_needs_the_same_queries_for_any_length(org, django_assert_num_queries):
    crowd(org, 3)
    with django_assert_num_queries(8):  # lock, claim, judge-and-move, and the empty second look, each in a savepoint
        open_at("2025-03-31 09:30")
