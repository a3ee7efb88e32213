"""群发助手: a guide confirms what HQ asks her to send."""

from typing import Any

import pytest

from tests.conftest import SandboxControl
from tests.demo.test_sandbox_client import choose, org  # noqa: F401  a fixture
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org
from yejibao.core import clock as product_clock
from yejibao.wecom.mass.models import MassSend
from yejibao.wecom.mass.steps import go_on

pytestmark = pytest.mark.django_db
PATH = "/sandbox/masses/"


def test_planned_confirmed_and_read_back(client: Any, org: Org, sandbox: SandboxControl) -> None:  # noqa: F811
    sandbox.post("settings", mass_dispatch_seconds=0)
    for _ in range(2):
        make_friend(make_member(owner=org.guide))
    choose(client, org.guide)
    assert "没有要发的" in client.get(PATH).content.decode()
    client.post(PATH, {"text": "周末来坐坐"})
    page = client.get(PATH).content.decode()
    assert ("周末来坐坐" in page, "2 位客户" in page, "等导购确认" in page) == (True, True, True)
    client.post(PATH, {"id": MassSend.objects.get().platform_id})
    assert "已发送，送达 2" in client.get(PATH).content.decode()
    MassSend.objects.update(next_at=product_clock.now())
    go_on()
    assert (MassSend.objects.get().state, len(sandbox.get("chat", userid=org.guide.wecom_user_id)["chats"])) == (
        "ended",
        2,
    )


def test_without_a_stand_in_there_is_none(client: Any, settings: Any) -> None:
    settings.WECOM_SANDBOX_CONTROL = ""
    assert client.get(PATH, headers={"Accept": "text/html"}).status_code == 404
