"""What an open page asks for again and again: 304 while it is the same, the part once anything in it changed."""

import pytest
from django.http import HttpResponse
from django.template import Context, Template
from django.test import RequestFactory

from crm.members.models import Member
from tests.factories.crm import make_member
from yejibao.core import live


def ask(mark: str, had: str = "") -> HttpResponse:
    headers = {"If-None-Match": had} if had else {}
    return live.answer(RequestFactory().get("/x/", headers=headers), mark, lambda: HttpResponse("part"))


def test_the_same_is_not_made_twice() -> None:
    first = ask("a1")
    assert (first.status_code, first["ETag"]) == (200, '"a1"')
    again = ask("a1", first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", '"a1"')
    assert ask("a1", f"W/{first['ETag']}").status_code == 304  # packed on the way
    assert ask("a2", first["ETag"]).content == b"part"


@pytest.mark.django_db
def test_a_mark_knows_every_column() -> None:
    number = make_member().pk
    member, again = Member.objects.get(pk=number), Member.objects.get(pk=number)
    before = live.mark(member, 3, "open")
    assert before == live.mark(again, 3, "open")
    assert before != live.mark(member, 4, "open")
    member.salutation = "王哥"
    assert before != live.mark(member, 3, "open")


def test_the_attributes_of_a_live_part() -> None:
    html = Template("<div {% live url mark %}></div>").render(Context({"url": "/x/?a=1&b=2", "mark": "a1"}))
    assert html == (
        '<div data-live="5" data-mark="a1" hx-get="/x/?a=1&amp;b=2" hx-trigger="live" hx-swap="innerHTML"></div>'
    )
