"""The five smart reminders: when each is due, its words with the numbers of the file, whom it reaches, how often."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from guides.notices.models import Notification
from guides.org.models import Staff, Store
from guides.patrol.book import book
from guides.patrol.reminders import facts as known
from guides.patrol.reminders import rules
from guides.patrol.reminders.facts import MemberWork, Performance
from guides.patrol.reminders.models import PatrolReminder
from guides.patrol.reminders.rules import Limits, StoreFacts
from guides.patrol.reminders.services import remind
from tests.factories.guides import Org, actor, holder_of
from tests.factories.patrol import make_visit
from tests.guides.patrol.conftest import NOW
from yejibao.core import clock as product_clock
from yejibao.core.models import OutboxMessage
from yejibao.core.outbox import drain_events

RULES = {row["key"]: row for row in book()["smart_reminders"]}
LIMITS = Limits(days={"A": 30, "B": 30, "C": 45, "D": 60})
TODAY = date(2026, 6, 16)


def store(**facts: Any) -> StoreFacts:
    known_facts = {
        "store_id": 1, "name": "新街口店", "grade": "A", "kind": "self_operated", "region": "3", "branch": "2",
        "opened_on": date(2020, 1, 1), "last_on": TODAY - timedelta(days=10), "last_tenths": 41,
    }  # fmt: skip
    return StoreFacts(**known_facts | facts)


def test_the_five_of_the_file_are_there() -> None:
    assert set(RULES) == set(PatrolReminder.Key.values)
    assert {key: one.default for key, one in rules.DAYS.items()} == {"A": 30, "B": 30, "C": 45, "D": 60}
    assert (rules.DAYS_NEW.default, rules.LOW_SCORE.default, rules.LOW_SCORE_DAYS.default) == (15, 35, 14)
    assert (rules.GAP.default, rules.DROP.default, rules.COMPLETION.default, rules.TAGS.default) == (10, 20, 60, 50)
    assert {key: rules.repeat_days(key) for key in RULES} == {
        "low_frequency": 7, "performance_at_risk": 10, "low_score": 7, "rectify_overdue": 2, "member_work_weak": 14,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("grade", "days", "due"),
    [("A", 30, False), ("A", 31, True), ("C", 45, False), ("C", 46, True), ("D", 60, False), ("D", 61, True)],
)
def test_low_frequency_by_grade(grade: str, days: int, due: bool) -> None:
    found = rules.low_frequency(store(grade=grade, last_on=TODAY - timedelta(days=days)), today=TODAY, limits=LIMITS)
    assert (found is not None) == due
    if found:
        limit = LIMITS.days[grade]
        assert found.text == f"新街口店已{days}天未巡店（{grade}级店标准{limit}天），请安排。"
        assert found.to == ("area_supervisor",)


def test_seven_more_days_and_the_region_hears() -> None:
    at = [
        rules.low_frequency(store(last_on=TODAY - timedelta(days=days)), today=TODAY, limits=LIMITS)
        for days in (37, 38)
    ]
    assert [one.to for one in at if one] == [("area_supervisor",), ("area_supervisor", "region_manager")]


def test_a_new_store_has_a_shorter_limit() -> None:
    young = {"opened_on": TODAY - timedelta(days=80), "last_on": TODAY - timedelta(days=16)}
    found = rules.low_frequency(store(**young), today=TODAY, limits=LIMITS)
    assert found is not None and found.text == "新街口店已16天未巡店（新店标准15天），请安排。"
    never = rules.low_frequency(store(last_on=None), today=TODAY, limits=LIMITS)
    assert never is not None and never.text == "新街口店还没有巡店记录（A级店标准30天），请安排。"


# models.md: one store, June, day 15 done: target 80,000, net sales 30,400, 400 visitors, 76 orders, 160 items
JUNE = Performance(month_fen=3_040_000, target_fen=8_000_000, visitors=400, orders=76, items=160)
PEERS = [{"footfall": 410, "conversion": 0.28, "attach": 2.05, "price": 19_200}] * 5


def test_the_story_of_june_to_the_digit() -> None:
    own = rules.factors_of(JUNE)
    assert (own["conversion"], round(own["attach"], 2), own["price"]) == (0.19, 2.11, 19_000)
    weak = rules.weak_factor(own, PEERS)
    assert weak is not None
    assert (weak[0], round(weak[1], 2)) == ("conversion", 0.68)
    found = rules.performance_at_risk(store(), JUNE, today=TODAY, limits=LIMITS, weak=rules.FACTORS[weak[0]])
    assert found is not None
    assert found.text == "新街口店本月达成38%，落后时间进度12个百分点，弱项：进店转化率，建议本周巡店帮扶。"
    assert found.to == ("area_supervisor", "region_manager")


def test_the_diagnosis_of_the_file_to_the_digit() -> None:
    example = {
        "footfall": 3600, "pf": 3500, "conv": 0.21, "pc": 0.30, "attach": 2.1, "pa": 2.0, "price": 43000, "pp": 42000,
    }  # fmt: skip
    own = {
        "footfall": example["footfall"],
        "conversion": example["conv"],
        "attach": example["attach"],
        "price": example["price"],
    }
    peers = [{"footfall": example["pf"], "conversion": example["pc"], "attach": example["pa"], "price": example["pp"]}]
    weak = rules.weak_factor(own, peers)
    assert weak is not None and (weak[0], round(weak[1], 2)) == ("conversion", 0.70)
    assert rules.weak_factor(own | {"conversion": 0.27}, peers) is None  # 0.90 is well


def test_before_the_eighth_a_target_says_little() -> None:
    for day, due in ((7, False), (8, True)):
        found = rules.performance_at_risk(store(), JUNE, today=date(2026, 6, day), limits=Limits(days={}, gap=-100))
        assert (found is not None) == due


@pytest.mark.parametrize(("fen", "due"), [(80_01, False), (80_00, True), (0, True)])
def test_down_by_a_fifth_against_last_year(fen: int, due: bool) -> None:
    sold = Performance(recent_fen=fen, recent_last_year_fen=100_00)
    found = rules.performance_at_risk(store(), sold, today=TODAY, limits=LIMITS)
    assert (found is not None) == due
    if fen == 80_00 and found:
        assert found.text == "新街口店近14天净销售比去年同期下降20%，建议本周巡店帮扶。"


def test_a_low_score_waits_two_weeks() -> None:
    def at(days: int, tenths: int) -> Any:
        one = store(last_on=TODAY - timedelta(days=days), last_tenths=tenths)
        return rules.low_score(one, today=TODAY, limits=LIMITS)

    assert (at(13, 34), at(14, 35)) == (None, None)
    assert at(14, 34).text == "新街口店上次巡店3.4分，请复查。"


def test_overdue_is_the_managers_at_once_and_the_supervisors_after_a_day() -> None:
    assert rules.rectify_overdue(store()) is None
    first, later = rules.rectify_overdue(store(overdue=2)), rules.rectify_overdue(store(overdue=2, overdue_a_day=1))
    assert first is not None and later is not None
    assert (first.text, first.to) == ("新街口店有2项整改已逾期。", ("store_manager",))
    assert later.to == ("store_manager", "area_supervisor")


@pytest.mark.parametrize(
    ("weeks", "tags", "text"),
    [
        (((59, 100), (50, 100)), (0, 0), "新街口店导购任务完成率59%，建议CRM专项巡店。"),
        (((59, 100), (60, 100)), (0, 0), None),
        (((0, 0), (0, 0)), (0, 0), None),
        (((90, 100), (90, 100)), (499, 1000), "新街口店标签完整率50%，建议CRM专项巡店。"),
        (((90, 100), (90, 100)), (500, 1000), None),
    ],
)
def test_weak_work_for_members(weeks: Any, tags: tuple[int, int], text: str | None) -> None:
    work = MemberWork(weeks=weeks, tags_filled=tags[0], tags_wanted=tags[1])
    found = rules.member_work_weak(store(), work, limits=LIMITS)
    assert (found.text if found else None) == text
    if found:
        assert found.to == ("branch_member_manager",)


def test_peers_are_of_the_kind_and_grade_near_first() -> None:
    own = store()
    near = [store(store_id=n, region="3") for n in range(2, 7)]
    far = [store(store_id=n, region="9") for n in range(7, 12)]
    other = [store(store_id=20, grade="B"), store(store_id=21, kind="dealer")]
    assert rules.peers_of(own, [own, *near, *far, *other]) == near
    assert rules.peers_of(own, [own, *near[:4], *far, *other]) == [*near[:4], *far]


# ---------------------------------------------------------------- the night


@pytest.fixture
def supplied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let suppliers answer with what a test says."""

    def say(**answers: Any) -> None:
        monkeypatch.setattr(
            known, "_known", {key: lambda ids, now, value=value: value for key, value in answers.items()}
        )

    say()
    return say


def test_one_word_a_person_a_day_with_the_numbers(
    org: Org, supervisor: Staff, clock: Any, supplied: Callable[..., None]
) -> None:
    region = holder_of("region_manager", org)
    Store.objects.update(opened_on=date(2020, 1, 1), grade="A")
    make_visit(supervisor, org.store, score=3)  # 3.0, and all of it to be mended
    drain_events()
    Notification.objects.all().delete()
    clock.travel("2026-12-25 08:50")  # 34 days later
    supplied(performance={org.store.pk: Performance(month_fen=3_800, target_fen=10_000)})
    counts = remind(now=product_clock.now())
    assert counts == {"low_frequency": 2, "performance_at_risk": 1, "low_score": 1, "rectify_overdue": 1, "people": 3}
    texts = {one.key: one.text for one in PatrolReminder.objects.filter(store=org.store)}
    assert texts["low_frequency"] == "新街口店已34天未巡店（A级店标准30天），请安排。"
    assert texts["low_score"] == "新街口店上次巡店3.0分，请复查。"
    assert texts["rectify_overdue"] == "新街口店有48项整改已逾期。"
    # 24 of 31 days gone: 77.4 %, and 38 % done
    assert texts["performance_at_risk"] == "新街口店本月达成38%，落后时间进度39.4个百分点，建议本周巡店帮扶。"
    told = {one.staff_id: one for one in Notification.objects.all()}
    assert set(told) == {supervisor.pk, region.pk, org.manager.pk}
    assert told[org.manager.pk].text == "新街口店有48项整改已逾期。"
    assert told[supervisor.pk].title == "巡店频次偏低 1、业绩达成有风险 1、上次巡店得分低 1、整改逾期 1"
    assert told[supervisor.pk].text.startswith("新街口店已34天未巡店（A级店标准30天），请安排。")
    assert OutboxMessage.objects.filter(kind="notice", subject__contains="patrol_reminder").count() == 3


def test_it_is_not_said_again_before_its_days(
    org: Org, supervisor: Staff, clock: Any, supplied: Callable[..., None]
) -> None:
    Store.objects.update(opened_on=date(2020, 1, 1))
    assert remind(now=NOW)["low_frequency"] == 2
    assert remind(now=NOW) == {"people": 0}
    for days, said in ((6, 0), (7, 2)):
        assert remind(now=NOW + timedelta(days=days)).get("low_frequency", 0) == said


def test_weak_weeks_are_told_on_mondays(org: Org, supervisor: Staff, supplied: Callable[..., None]) -> None:
    branch = holder_of("branch_member_manager", org)
    for store in (org.store, org.other_store):
        make_visit(holder_of("region_manager", org), store)
    drain_events()
    supplied(member_tasks={org.store.pk: ((5, 10), (4, 10))})
    sunday, monday = NOW + timedelta(days=1), NOW + timedelta(days=2)
    assert remind(now=sunday) == {"people": 0}
    assert remind(now=monday) == {"member_work_weak": 1, "people": 1}
    told = Notification.objects.get(staff=branch)
    assert (told.title, told.text) == ("会员工作薄弱", "新街口店导购任务完成率50%，建议CRM专项巡店。")


def test_a_supplier_that_fails_leaves_the_others(org: Org, supervisor: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(ids: Any, *, now: Any) -> Any:
        raise ValueError("no")

    monkeypatch.setattr(known, "_known", {"performance": broken})
    Store.objects.update(opened_on=date(2020, 1, 1))
    assert remind(now=NOW)["low_frequency"] == 2


def test_the_real_suppliers_answer(org: Org) -> None:
    ids = [org.store.pk, org.other_store.pk]
    for key in ("performance", "member_tasks", "member_tags"):
        assert known._known[key](ids, now=NOW) == {}


def test_one_reads_those_of_ones_stores(org: Org, supervisor: Staff, supplied: Callable[..., None]) -> None:
    Store.objects.update(opened_on=date(2020, 1, 1))
    remind(now=NOW)
    assert PatrolReminder.objects.visible_to(actor(supervisor)).count() == 1
    assert PatrolReminder.objects.visible_to(actor(holder_of("region_manager", org))).count() == 2
    assert PatrolReminder.objects.visible_to(actor(org.guide)).count() == 0
