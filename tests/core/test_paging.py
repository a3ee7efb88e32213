"""A list by time is read on where it was left, whatever comes or goes meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guides.notices.models import Notification
from tests.factories.guides import make_org
from yejibao.core.paging import mark_of, page, read_mark

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 2, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "x", "20261121T020000000000", "20261121T020000000000_", "_7", "20261321T020000000000_7", "\x00_1"]
)
def test_what_is_no_mark_begins_anew(text: str) -> None:
    assert read_mark(text) is None


def test_a_mark_comes_back_as_it_was() -> None:
    assert read_mark(mark_of(NOW, 17)) == (NOW, 17)
    assert read_mark(mark_of(NOW, 17) + "9" * 40) is not None, "no number the database would choke on"


@pytest.mark.parametrize("is_rising", [False, True])
def test_pages_meet_without_gap_or_overlap(is_rising: bool, django_assert_num_queries: Any) -> None:
    reader = make_org().guide
    rows = Notification.objects.bulk_create(
        Notification(staff=reader, kind="task", key=f"k{number}", title="一", url="/", at=NOW - timedelta(hours=number // 3))
        for number in range(10)
    )  # fmt: skip
    wanted = [one.pk for one in sorted(rows, key=lambda one: (one.at, one.pk), reverse=not is_rising)]
    seen, mark = [], ""
    for number in range(4):
        with django_assert_num_queries(1):
            found, mark = page(Notification.objects.all(), "at", before=mark, size=3, is_rising=is_rising)
        seen += [one.pk for one in found]
        if number == 0:  # one more at the end one has passed: nothing moves
            at = NOW + timedelta(days=-9 if is_rising else 9)
            Notification.objects.create(staff=reader, kind="task", key="new", title="新", url="/", at=at)
    assert (seen, mark) == (wanted, "")
