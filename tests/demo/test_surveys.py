"""The demo's surveys: four weeks of answers, the unhappy ones mended but one."""

from datetime import timedelta

from crm.aftersale.models import Ticket
from crm.surveys.models import Survey
from tests.conftest import TestClock
from tests.factories.crm import make_member, make_order
from tests.factories.guides import make_org
from yejibao.demo import surveys


def test_four_weeks_of_answers(db: None, clock: TestClock) -> None:
    now = clock.travel("2026-11-23 10:10")
    org = make_org()
    for number in range(30):
        make_order(
            make_member(owner=org.guide), paid_at=now - timedelta(days=4 + number % 20, hours=1), store=org.store
        )
    surveys.build(now=now)
    surveys.build(now=now)
    stars = [one.stars for one in Survey.objects.answered()]  # type: ignore[attr-defined]
    assert Survey.objects.count() == 30 and 8 <= len(stars) <= 20
    assert (
        sum(one <= 2 for one in stars) == Ticket.objects.filter(channel="survey_low_score").count() == surveys.UNHAPPY
    )
    assert Ticket.objects.exclude(state="closed").count() == 1
