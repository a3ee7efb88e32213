"""回调收件箱 over HTTP: what it shows, who may look, and that replay asks before it acts."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from tests.factories.guides import Org, holder_of, sign_in
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry
from yejibao.wecom.inbox.keeping import note
from yejibao.wecom.inbox.models import InboxEntry
from yejibao.wecom.inbox.receivers import count_refused

pytestmark = pytest.mark.django_db
PAGE, REPLAY = "/hq/inbox/", "/hq/inbox/replay/"
ADDED = "change_external_contact/add_external_contact"


def entry(kind: str = ADDED, state: str = "done", *, minutes: float = 5, **facts: Any) -> InboxEntry:
    at = product_clock.now() - timedelta(minutes=minutes)
    number = InboxEntry.objects.count()
    return InboxEntry.objects.create(
        **{"source": "yejibao", "digest": number.to_bytes(32, "big"), "kind": kind, "received_at": at, "next_at": at,
           "state": state, "body": "<xml><UserID>lan.chen</UserID></xml>"} | facts
    )  # fmt: skip


def browser_of(role: str, org: Org) -> Client:
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org))


@pytest.fixture
def hq(org: Org) -> Client:
    return browser_of("hq_operator", org)


def text_of(response: Any) -> str:
    html = re.sub(r"(?s)<(script|style|svg|template).*?</\1>|<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", unescape(html))


def test_it_shows_kinds_states_and_what_wants_a_person(hq: Client, now: Any) -> None:
    for _ in range(3):
        entry()
    entry(state="waiting", minutes=3)
    entry("template_card_event", "parked", attempts=5, error="externalcontact/get permanent 84061")
    entry("an_event_of_next_year/odd", "unhandled", error="unknown kind")
    entry("", "unhandled", minutes=60 * 30)  # of yesterday
    count_refused("yejibao", "signature")
    note("app", "1000002", at=now, state="inactive_alert")
    page = text_of(hq.get(PAGE))
    for words in ("24 小时收到 6", "等待处理 1", "最早一条已等 180 秒", "搁置 1", "没有部门认领 2", "拒收 1", "签名不对 1",
                  "客户 · 加了好友 change_external_contact/add_external_contact 4 3 1 0 0", "点卡片按钮", "不认识这一类",
                  "externalcontact/get permanent 84061", "5 次", "应用 1000002"):  # fmt: skip
        assert words in page, words
    assert "lan.chen" not in page
    assert "7 天收到 7" in text_of(hq.get(PAGE + "?range=7"))
    assert hq.get(PAGE + "?range=9").status_code == 404


def test_it_needs_the_same_queries_for_any_length(hq: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(60):
        entry(f"kind_{number % 7}", "parked")
    with django_assert_max_num_queries(13):
        first = hq.get(PAGE)
    assert text_of(first).count("重放第") == 0 and first.content.decode().count('id="entry-') == 50
    oldest = re.findall(r'id="entry-(\d+)"', first.content.decode())[-1]
    rest = hq.get(f"/hq/inbox/lines/?before={oldest}", headers={"HX-Request": "true"}).content.decode()
    assert rest.count('id="entry-') == 10


@pytest.mark.parametrize("role", ["store_manager", "hq_crm", "executive", "guide"])
def test_others_do_not_look_nor_replay(org: Org, role: str) -> None:
    one = entry(state="parked")
    browser = browser_of(role, org)
    assert [browser.get(PAGE).status_code, browser.post(REPLAY, {"first": one.pk}).status_code] == [403, 403]
    assert InboxEntry.objects.get().state == "parked"


def test_one_is_replayed_from_its_line(hq: Client) -> None:
    one, other = entry(state="parked", attempts=5), entry(state="parked")
    hq.get(PAGE)
    answer = hq.post(REPLAY, {"first": one.pk, "state": "parked", "idempotency_key": "k" * 32}, follow=True)
    assert "1 条重新处理" in text_of(answer)
    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.state, one.attempts, other.state) == ("waiting", 0, "parked")
    assert AuditEntry.objects.get(action="inbox.replayed").after["count"] == 1


def test_a_range_is_counted_first(hq: Client) -> None:
    rows = [entry(state=state) for state in ("parked", "unhandled", "done", "waiting")]
    first, last = rows[0].pk, rows[-1].pk
    assert "重放 2 条" in text_of(hq.get(REPLAY, {"first": first, "last": last}))
    everything = {"first": first, "last": last, "state": ["parked", "unhandled", "done"]}
    assert "重放 3 条" in text_of(hq.get(REPLAY, everything))
    assert not InboxEntry.objects.filter(priority=9).exists()
    hq.post(REPLAY, everything | {"idempotency_key": "r" * 32})
    assert InboxEntry.objects.filter(priority=9, state="waiting").count() == 3


def test_a_range_that_is_none_is_said(hq: Client) -> None:
    answer = hq.post(REPLAY, {"first": 9, "last": 3, "idempotency_key": "x" * 32})
    assert (answer.status_code, "编号范围不对" in text_of(answer)) == (422, True)
    assert hq.get(REPLAY, {"first": "abc"}).status_code == 404
