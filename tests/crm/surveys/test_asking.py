"""Who is asked how it was, and when: days, hours, caps and refusals are those of surveys.yaml."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm.surveys import services
from crm.surveys.models import Survey, SurveyDay, SurveyRefusal
from crm.surveys.rules import rules
from crm.surveys.services import asking
from crm.surveys.tokens import hashed
from tests.factories.crm import make_member, make_order, make_ticket
from tests.factories.guides import Org, make_org
from yejibao.core import tunables
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.domain_files import read_yaml
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
BOOK = read_yaml(Path(__file__).resolve().parents[3] / "crm" / "data" / "surveys.yaml")
MORNING = parse_iso("2026-03-05 10:00")  # two days after the purchases of the 3rd


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide)


def asked() -> list[tuple[str, Any]]:
    return [(one.cause, one.member) for one in Survey.objects.order_by("pk")]


def test_chips_lead_to_topics_of_complaints_and_each_is_once() -> None:
    from crm.aftersale.rules import rules as aftersale

    for kind in rules().kinds.values():
        keys = [chip.key for chip in kind.chips]
        assert len(keys) == len(set(keys)), kind.key
        assert {chip.topic for chip in kind.bad} <= set(aftersale().topics)
    assert [row["key"] for row in BOOK["kinds"]] == Survey.Kind.values


def test_a_purchase_is_asked_about_two_days_later_once(org: Org, member: Any) -> None:
    order = make_order(member, paid_at="2026-03-03 15:00", guide=org.guide)
    make_order(member, paid_at="2026-03-04 15:00", guide=org.guide)  # its day has not come
    assert services.ask_due(now=MORNING)["asked"] == 1
    assert services.ask_due(now=MORNING + timedelta(minutes=10)) == {"asked": 0}
    (survey,) = Survey.objects.all()
    assert (survey.cause, survey.order, survey.guide, survey.store) == (
        f"order:{order.pk}",
        order,
        org.guide,
        order.store,
    )
    assert (survey.about_at, survey.asked_at, survey.expires_at) == (
        order.paid_at,
        MORNING,
        MORNING + timedelta(days=14),
    )
    assert survey.token_hash == hashed(survey.token) and survey.token not in survey.token_hash
    assert SurveyDay.objects.get().asked == 1
    services.ask_due(now=MORNING + timedelta(days=1))
    assert Survey.objects.count() == 2


@pytest.mark.parametrize("moment", ["2026-03-05 09:59", "2026-03-05 20:00", "2026-03-05 23:30"])
def test_nobody_is_asked_outside_the_hours(member: Any, moment: str) -> None:
    make_order(member, paid_at="2026-03-03 15:00")
    assert services.ask_due(now=parse_iso(moment)) == {"asked": 0}


def test_a_parcel_counts_from_the_day_it_was_signed_for(member: Any) -> None:
    make_order(member, paid_at="2026-03-03 15:00", is_delivery=True)  # on its way
    late = make_order(member, paid_at="2026-02-20 15:00", is_delivery=True, received_at="2026-03-03 18:00")
    assert services.ask_due(now=MORNING)["asked"] == 1
    assert asked() == [(f"order:{late.pk}", member)]


def test_a_ticket_is_asked_about_the_day_after_it_was_closed(org: Org, member: Any) -> None:
    closed = {"state": "closed", "opened_at": "2026-03-01 10:00", "closed_at": "2026-03-04 18:00"}
    done = make_ticket(member, **closed)
    other = make_member(owner=org.guide)
    make_ticket(other, **closed, stars=5)  # rated on its own page
    make_ticket(make_member(owner=org.guide), **closed, channel="survey_low_score")  # came of few stars itself
    make_ticket(make_member(owner=org.guide), **(closed | {"state": "cancelled"}))
    make_ticket(make_member(owner=org.guide), **(closed | {"closed_at": "2026-03-05 09:00"}))  # tomorrow
    assert services.ask_due(now=MORNING)["asked"] == 1
    assert Survey.objects.get().ticket == done


def test_who_is_not_asked_and_why(org: Org) -> None:
    def bought(**facts: Any) -> Any:
        member = make_member(owner=org.guide, **facts)
        return member, make_order(member, paid_at="2026-03-03 15:00")

    bought(do_not_contact=True)
    bought(marketing_opt_out=["wecom_message"])
    bought(is_employee=True)
    refused, _order = bought()
    SurveyRefusal.objects.create(member=refused)
    waiting, _order = bought()
    make_ticket(waiting, opened_at="2026-03-04 10:00")
    member, _order = bought()
    _member, back = bought()
    type(back).objects.filter(pk=back.pk).update(net_amount_fen=0, status="returned")
    make_order(None, paid_at="2026-03-03 15:00", store=org.store)
    make_order(member, paid_at="2026-03-03 16:00", kind="top_up")
    assert services.ask_due(now=MORNING) == {"asked": 1, "refused": 4, "ticket_open": 1}
    assert Survey.objects.get().member == member


def test_one_member_is_asked_twice_in_thirty_days_at_most_and_once_a_day(member: Any) -> None:
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        make_order(member, paid_at=f"{day} 15:00")
        make_order(member, paid_at=f"{day} 16:00")
    told = [services.ask_due(now=parse_iso(f"2026-03-{day} 10:00")) for day in ("03", "04", "05")]
    assert [one["asked"] for one in told] == [1, 1, 0] and told[2]["capped"] == 1
    assert [one.about_at.astimezone().minute for one in Survey.objects.all()] == [0, 0]
    assert (
        services.ask_due(now=parse_iso("2026-04-05 10:00"))["asked"] == 0
    )  # what was not asked then is not asked later


def test_hq_switches_it_off_and_sets_the_days(org: Org, member: Any) -> None:
    make_order(member, paid_at="2026-03-03 15:00")
    row = {"starts_at": None, "seen": 0, "actor": Actor.system(), "reason": "试", "now": parse_iso("2026-03-01 10:00")}
    tunables.change(tunables.find("survey-purchase-days"), value=0, **row)  # type: ignore[arg-type]
    assert services.ask_due(now=MORNING) == {"asked": 0}
    later = row | {"seen": 1, "now": parse_iso("2026-03-05 11:00")}
    tunables.change(tunables.find("survey-purchase-days"), value=3, **later)  # type: ignore[arg-type]
    assert services.ask_due(now=parse_iso("2026-03-05 12:00"))["asked"] == 0
    assert services.ask_due(now=parse_iso("2026-03-06 12:00"))["asked"] == 1


def test_a_job_that_was_stopped_goes_on_where_it_was(org: Org, member: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "STORES_AT_ONCE", 1)
    monkeypatch.setattr(asking, "ROWS_AT_ONCE", 2)
    make_order(member, paid_at="2026-03-03 15:00", store=org.store)
    make_order(make_member(owner=org.stranger), paid_at="2026-03-03 15:00", store=org.other_store)
    for _ in range(5):
        make_ticket(
            make_member(owner=org.guide), state="closed", opened_at="2026-03-01 10:00", closed_at="2026-03-04 18:00"
        )
    (bought, _received, closed, _collected) = asking.WALKS
    assert asking._batch(bought, MORNING)["asked"] == 1  # killed here, between two stores
    assert asking._batch(closed, MORNING)["asked"] == 2
    assert services.ask_due(now=MORNING)["asked"] == 1 + 3
    assert Survey.objects.count() == 7


def test_a_missed_day_is_made_up_for_three_days_long(member: Any) -> None:
    services.ask_due(now=parse_iso("2026-03-01 10:00"))
    for day in range(1, 9):
        make_order(make_member(store=member.main_store), paid_at=f"2026-03-{day:02} 15:00", store=member.main_store)
    services.ask_due(now=parse_iso("2026-03-10 10:00"))
    days = [local_day(one.about_at).day for one in Survey.objects.order_by("about_at")]
    assert days == [5, 6, 7, 8]


@pytest.mark.parametrize("rows", [1, 9])
def test_asking_needs_the_same_statements_for_any_number(org: Org, rows: int, django_assert_num_queries: Any) -> None:
    for _ in range(rows):
        make_order(make_member(owner=org.guide), paid_at="2026-03-03 15:00")
    with django_assert_num_queries(13):  # two settings, the hand with its first row, stores, judged, asked; savepoints
        asking._batch(asking.WALKS[0], MORNING)
    assert Survey.objects.count() == rows
