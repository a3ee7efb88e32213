"""A receiver with keys, and the platform's hand that posts to it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import HttpResponse
from django.test import Client

from yejibao.wecom.inbox.working import work_off

from .official import Posted, WXBizMsgCrypt
from .samples import CORP

TOKEN, AES_KEY = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"  # of the documentation's sample
OTHER_TOKEN, OTHER_AES_KEY = "hJqcu3uJ9Tn2gXPmxx2w9kkCkCE2EPYo", "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt"


@pytest.fixture(autouse=True)
def _receivers(settings: Any) -> None:
    settings.WECOM_CORP_ID = CORP
    settings.WECOM_CALLBACKS = {"yejibao": (TOKEN, AES_KEY), "contacts": (OTHER_TOKEN, OTHER_AES_KEY)}


@pytest.fixture
def platform() -> WXBizMsgCrypt:
    return WXBizMsgCrypt(TOKEN, AES_KEY, CORP)


Post = Callable[..., HttpResponse]


@pytest.fixture
def post(client: Client, platform: WXBizMsgCrypt) -> Post:
    """Return a function that posts a callback; a text is sealed first."""

    def send(what: str | bytes | Posted, *, app: str = "yejibao", **seal: Any) -> HttpResponse:
        if app == "contacts" and not isinstance(what, Posted):
            what = WXBizMsgCrypt(OTHER_TOKEN, OTHER_AES_KEY, CORP).seal(what, **seal)
        posted = what if isinstance(what, Posted) else platform.seal(what, **seal)
        return client.post(f"/wecom/callback/{app}/?{urlencode(posted.query)}", posted.body, content_type="text/xml")

    return send


@pytest.fixture
def deliver(post: Post) -> Callable[..., dict[str, int]]:
    """Return a function that posts callbacks, turns the clock past all pauses and works them off."""

    def send(*messages: str, app: str = "yejibao") -> dict[str, int]:
        from datetime import timedelta

        from yejibao.core import clock

        for message in messages:
            assert post(message, app=app).content == b"success"
        return work_off(now=clock.now() + timedelta(seconds=5))

    return send
