"""Pages drawn flat: addresses as Django makes them, one token an answer."""

from uuid import uuid4

from django.http import HttpRequest
from django.middleware.csrf import _does_token_match, get_token
from django.template import RequestContext, Template
from django.urls import reverse

from yejibao.core import flat


def test_an_address_is_what_django_gives() -> None:
    one = uuid4()
    assert flat.address("crm:members") == reverse("crm:members")
    assert flat.address("tasks:task", 7) == reverse("tasks:task", args=[7])
    for _ in range(2):
        assert flat.address("crm:member-tag", one, "hobby") == reverse("crm:member-tag", args=[one, "hobby"])


def test_all_forms_of_an_answer_carry_one_token() -> None:
    request = HttpRequest()
    get_token(request)
    fields = {flat.token_field(request), flat.token_field(request)}
    fields.add(Template("{% csrf_token %}").render(RequestContext(request)))
    assert len(fields) == 1
    assert _does_token_match(flat.token(request), request.META["CSRF_COOKIE"])
