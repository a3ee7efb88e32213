"""The dry run: what the next 30 days would bring by a rule, counted as by hand."""

from datetime import date

import pytest

from tasks.cadences.forecast import Busy, forecast
from tasks.cadences.models import Hand
from tasks.cadences.publishing import edit_step
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import make_staff
from tests.factories.tasks import enroll, open_until
from yejibao.core.clock import parse_iso

from .test_publishing import NOW, PAID, cycle_of, draft_with

pytestmark = pytest.mark.django_db

TODAY = date(2025, 3, 10)


def planned(result) -> dict[str, int]:
    return {day.day.isoformat(): day.planned for day in result.days if day.planned}


def test_the_dry_run_counts_as_by_hand(hq, org, online):
    """Guide A: one who bought on 03-01 (waits for d30), one on 03-09 (waits for d3, then d30); guide B: one on 02-10."""
    cycle_of(org.guide)
    cycle_of(org.guide, "2025-03-09 15:00")
    cycle_of(org.stranger, "2025-02-10 15:00")
    open_until("2025-03-10 09:00")
    result = forecast(online, today=TODAY)
    assert planned(result) == {
        "2025-03-12": 2,  # d3 of 03-09 and d30 of 02-10
        "2025-03-31": 1,  # d30 of 03-01
        "2025-04-08": 1,  # d30 of 03-09; d60 of 02-10 is on 04-11, after the 30 days
    }
    assert (len(result.days), result.days[0].day, result.days[-1].day) == (30, TODAY, date(2025, 4, 8))
    assert (result.planned, result.guides, result.over, result.skipped) == (4, 2, 0, 0)
    assert result.per_guide_day == pytest.approx(4 / 2 / 30)
    assert result.busiest[0] == Busy(date(2025, 3, 12), "晓雯", "新街口店", 1)
    # 2 cycles in 28 days; at that pace each of the 30 days brings an m30, the last 27 a d3, none a d30
    assert result.expected_new == round(2 / 28 * (30 + 27))


def test_a_draft_moves_only_what_is_ahead_of_the_hand(hq, org, online):
    cycle_of(org.guide)  # d3 done with: a draft that moves d3 does not bring it back
    cycle_of(org.guide, "2025-03-09 15:00")
    open_until("2025-03-10 09:00")
    draft = draft_with(hq, online, "d3", open_day=10, due_day=11, expire_day=13)
    edit_step(draft, "d30", actor=hq, changes={"open_day": 20, "due_day": 22, "expire_day": 27}, now=NOW)
    assert planned(forecast(draft, today=TODAY)) == {"2025-03-19": 1, "2025-03-21": 1, "2025-03-29": 1}
    assert planned(forecast(online, today=TODAY)) == {"2025-03-12": 1, "2025-03-31": 1, "2025-04-08": 1}


def test_what_is_due_already_counts_today_and_what_is_past_does_not(hq, org, online):
    cycle = cycle_of(org.guide)
    open_until("2025-03-04 10:00")
    assert planned(forecast(online, today=date(2025, 4, 3)))["2025-04-03"] == 1  # since 03-31, expires 04-07
    gone = forecast(online, today=date(2025, 4, 8))
    assert (planned(gone), gone.skipped) == ({"2025-04-30": 1}, 1)
    Hand.objects.filter(pk=cycle.pk).update(next_due_at=parse_iso("2025-04-04 09:30"))  # put off by a cap
    assert planned(forecast(online, today=date(2025, 4, 3)))["2025-04-04"] == 1


@pytest.mark.parametrize(
    ("facts", "opens"),
    [
        ({}, 1),
        ({"do_not_contact": True}, 0),
        ({"status": "closed"}, 0),
        ({"marketing_opt_out": ["wecom_message"]}, 0),
        ({"marketing_opt_out": ["sms"]}, 1),
        ({"friend": False}, 1),
        ({"friend": False, "consent": False}, 0),
    ],
)
def test_what_would_be_skipped_by_today_is_counted_apart(org, online, facts, opens):
    cycle = cycle_of(org.guide, consent=facts.pop("consent", True), friend=facts.pop("friend", True))
    open_until("2025-03-04 10:00")
    type(cycle.member).objects.filter(pk=cycle.member_id).update(**facts)
    result = forecast(online, today=TODAY)
    assert (result.planned, result.skipped) == (opens, 1 - opens)


def test_days_above_the_ceiling_are_counted_by_guide(org, online):
    for _ in range(21):
        cycle_of(org.guide)
    for _ in range(20):
        cycle_of(org.stranger)
    open_until("2025-03-04 10:00")
    result = forecast(online, today=TODAY)
    assert (result.over, max(day.most for day in result.days), result.ceiling) == (1, 21, 20)


def test_small_orders_bring_their_thanks_alone(org, online):
    member = make_member(owner=org.guide, store=org.store)
    enroll(make_order(member, paid_at="2025-03-09 23:00", guide=org.guide, amount_fen=5900))
    assert planned(forecast(online, today=TODAY)) == {"2025-03-10": 1}


def test_a_member_nobody_looks_after_counts_for_no_guide(org, online):
    member = make_member(store=org.store)
    make_friend(member, make_staff(store=org.store))
    enroll(make_order(member, paid_at=PAID, store=org.store))
    result = forecast(online, today=TODAY)
    assert (result.guides, result.over) == (0, 0)
    assert result.per_guide_day is None
