"""我的: every tool somebody may use is one tap away, and opens."""

import pytest
from django.test import Client
from django.urls import reverse

from guides.org.actors import role_book
from tests.factories.guides import holder_of, make_org, sign_in
from yejibao.core import nav

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", ["guide", "store_manager", "area_supervisor", "hq_operator"])
def test_every_tool_of_a_role_is_drawn_and_opens(client: Client, role: str) -> None:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    sign_in(client, holder_of(role, make_org()))
    _before, _mark, rest = client.get("/me/").text.partition('aria-label="常用工具"')
    tools = rest.partition("</section>")[0]
    for place in nav._areas["tools"].values():
        href = reverse(place.url)
        holders = (*place.roles, *role_book()["permissions"].get(place.permission, ()))
        is_his = not (place.roles or place.permission) or role in holders
        assert (f'href="{href}"' in tools) == is_his, place.key
        if is_his:
            assert client.get(href).status_code == 200, place.key
