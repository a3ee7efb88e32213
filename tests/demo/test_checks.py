"""The demo's 质检: drawn from its own tickets, half of it scored, once."""

import pytest

from crm.aftersale.checking.models import ServiceCheck
from tests.crm.aftersale.test_checking import closed
from tests.factories.guides import holder_of, make_org
from yejibao.core.clock import parse_iso
from yejibao.demo import checks

pytestmark = pytest.mark.django_db


def test_half_of_what_was_drawn_is_scored_once() -> None:
    org = make_org()
    desk = holder_of("customer_service", org)
    for _ in range(4):
        closed(org, org.guide, at="2026-03-04 15:00")
    for _twice in range(2):
        checks.build(now=parse_iso("2026-03-09 12:00"))
    scored = ServiceCheck.objects.filter(checked_at__isnull=False)
    assert (ServiceCheck.objects.count(), scored.count(), {one.checked_by for one in scored}) == (4, 2, {desk})
