"""What a form or an address holds, or nothing."""

from datetime import date, time

import pytest
from django.http import QueryDict

from yejibao.core import desk


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-11-28", date(2026, 11, 28)),
        (" 2026-11-28T15:00 ", date(2026, 11, 28)),
        ("2026-02-30", None),
        ("next week", None),
        ("", None),
        (None, None),
    ],
)
def test_a_day_no_calendar_has_is_none(text, day):
    assert desk.day(text) == day


@pytest.mark.parametrize(("text", "hour"), [("09:30", time(9, 30)), ("25:00", None), ("", None), (None, None)])
def test_an_hour_no_clock_has_is_none(text, hour):
    assert desk.hour(text) == hour


def test_what_every_form_carries_is_no_content():
    post = QueryDict("csrfmiddlewaretoken=a&idempotency_key=b&levels=V1&levels=V2&name=")
    assert desk.posted(post) == {"levels": ["V1", "V2"], "name": [""]}
