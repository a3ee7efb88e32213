"""The address the platform calls: what it takes in, what it turns away, and that nothing else happens there."""

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import OperationalError
from django.test import Client

from yejibao.core import personal
from yejibao.wecom.inbox import pages, receivers
from yejibao.wecom.inbox.models import InboxEntry

from .conftest import Post
from .official import WXBizMsgCrypt
from .samples import AT, KINDS, sample

ADDED = "change_external_contact/add_external_contact"


def echo(client: Client, platform: WXBizMsgCrypt, message: str, **changes: str) -> Any:
    encrypted = platform.encrypt(message)
    query = {"timestamp": "1409659813", "nonce": "1372623149", "echostr": encrypted}
    query["msg_signature"] = platform.signature(query["timestamp"], query["nonce"], encrypted)
    return client.get(f"/wecom/callback/yejibao/?{urlencode(query | changes)}")


def test_the_console_gets_its_echo_as_it_is(client: Client, platform: WXBizMsgCrypt) -> None:
    answer = echo(client, platform, "1616140317555161061")  # without the db mark a query would fail the test
    assert (answer.status_code, answer.content) == (200, b"1616140317555161061")


def test_a_forged_echo_is_refused(client: Client, platform: WXBizMsgCrypt) -> None:
    answer = echo(client, platform, "1616140317555161061", msg_signature="0" * 40)
    assert (answer.status_code, answer.json()["code"]) == (403, "callback.signature")


@pytest.mark.django_db
def test_an_event_is_stored_and_answered(post: Post, clock: Any) -> None:
    now = clock.travel("2025-11-25 00:00:01")
    text = sample(ADDED)
    answer = post(text)
    assert (answer.status_code, answer.content) == (200, b"success")
    entry = InboxEntry.objects.get()
    assert (entry.source, entry.kind, entry.state, entry.priority) == ("yejibao", ADDED, "waiting", 0)
    assert (entry.happened_at.timestamp(), entry.received_at, entry.next_at) == (AT, now, now)
    assert (bytes(entry.digest), entry.body) == (hashlib.sha256(text.encode()).digest(), text)


@pytest.mark.django_db
def test_the_text_is_encrypted_at_rest(post: Post) -> None:
    from django.db import connection

    post(sample(ADDED))
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM wecom_inboxentry")
        (stored,) = cursor.fetchone()
    assert "WELCOMECODE" not in stored and "lan.chen" not in stored.lower()
    assert "WELCOMECODE-1" in personal.decrypt(stored, column="wecom_inboxentry.body")


@pytest.mark.django_db
def test_a_retry_is_encrypted_anew_and_still_known(post: Post) -> None:
    first = [post(sample(ADDED), nonce=str(number), timestamp=str(AT + number)).content for number in range(3)]
    assert first == [b"success"] * 3
    assert InboxEntry.objects.count() == 1


@pytest.mark.django_db
def test_two_events_of_one_second_are_two(post: Post) -> None:
    post(sample(ADDED))
    post(sample(ADDED, ExternalUserID="wmAnother"))
    assert InboxEntry.objects.count() == 2


@pytest.mark.django_db
def test_each_app_has_its_own_keys_and_rows(post: Post) -> None:
    text = sample("change_contact/delete_user")
    assert post(text, app="contacts").content == b"success"
    assert post(text).content == b"success"
    assert sorted(InboxEntry.objects.values_list("source", flat=True)) == ["contacts", "yejibao"]


def test_an_app_without_keys_has_no_address(client: Client) -> None:
    assert client.post("/wecom/callback/kf/?msg_signature=a&timestamp=1&nonce=2", b"", "text/xml").status_code == 404


def test_keys_that_are_none_close_the_address(client: Client, settings: Any) -> None:
    settings.WECOM_CALLBACKS = {"yejibao": ("token", "too-short")}
    assert client.get("/wecom/callback/yejibao/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_named(post: Post, kind: str) -> None:
    assert post(sample(kind)).content == b"success"
    assert InboxEntry.objects.get().kind == kind


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text",
    ["no xml at all", "<xml>", "<xml/>", "<html><body/></html>", "<xml><Event></Event></xml>", "<xml>&amp;</xml>",
     "<xml><Event>a b</Event><MsgType>event</MsgType></xml>", "<xml><Event>x</Event><Event>y</Event></xml>",
     "<xml><Event><b/></Event></xml>", "<xml>" + "<a>" * 3000 + "</a>" * 3000 + "</xml>", "<xml>\x00</xml>", "北京时间"],
)  # fmt: skip
def test_genuine_but_unreadable_is_kept(post: Post, text: str) -> None:
    assert post(text).content == b"success"
    entry = InboxEntry.objects.get()
    assert (entry.kind, entry.state, entry.body) == ("", "unhandled", text)


@pytest.mark.django_db
def test_messages_have_a_kind_of_their_own(post: Post) -> None:
    post("<xml><MsgType>text</MsgType><Content>你好</Content><MsgId>1</MsgId></xml>")
    assert InboxEntry.objects.get().kind == "message/text"


@pytest.mark.django_db
def test_a_request_makes_one_statement(post: Post, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        post(sample(ADDED))


@pytest.mark.django_db
def test_csrf_is_off_here_alone(platform: WXBizMsgCrypt) -> None:
    strict = Client(enforce_csrf_checks=True)
    posted = platform.seal(sample(ADDED))
    answer = strict.post(f"/wecom/callback/yejibao/?{urlencode(posted.query)}", posted.body, content_type="text/xml")
    assert answer.content == b"success"


def test_a_database_that_is_away_is_no_bug_of_the_platform(
    client: Client, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(pages, "take_in", away)
    answer = post(sample(ADDED))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")  # the platform calls again


@pytest.mark.django_db
def test_what_is_turned_away_is_counted_by_reason(
    client: Client, post: Post, platform: WXBizMsgCrypt, clock: Any
) -> None:
    posted = platform.seal(sample(ADDED))
    posted.query["msg_signature"] = "f" * 40
    for _ in range(3):
        post(posted)
    client.get("/wecom/callback/yejibao/")
    assert receivers.refused_on(clock.now()) == {"yejibao/signature": 3, "yejibao/parameters": 1}
    assert not InboxEntry.objects.exists()
