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
from yejibao.wecom.inbox import queries
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


ENTRIES = "/hq/inbox/entries/"


def test_the_latest_are_listed_one_by_one_and_each_can_be_replayed(hq: Client) -> None:
    one, gone = entry(state="done"), entry(state="done", body="")
    odd, waiting = entry("odd/kind", "unhandled"), entry(state="waiting")
    answer = hq.get(ENTRIES)
    page, html = text_of(answer), answer.content.decode()
    assert f"{one.pk} 客户 · 加了好友 {ADDED} 已处理" in page and "lan.chen" not in html
    assert [f"重放第 {row.pk} 条" in html for row in (one, gone, odd, waiting)] == [True, False, True, False]
    assert "正文过了保存期" in page and f"重放这一页（{one.pk} 到 {waiting.pk}）" in page
    only = hq.get(ENTRIES, {"kind": "odd/kind", "state": "unhandled"}).content.decode()
    assert re.findall(r'id="entry-(\d+)"', only) == [str(odd.pk)]
    assert "没有符合的" in text_of(hq.get(ENTRIES, {"kind": "-"}))
    assert hq.get(ENTRIES, {"state": "nonsense"}).status_code == 404
    prefilled = unescape(re.findall(r'href="(/hq/inbox/replay/\?first=[^"]+)"', html)[-1])
    assert "重放 1 条" in text_of(hq.get(prefilled))


def test_the_list_is_paged_by_key_with_as_many_queries_for_any_length(
    hq: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    rows = [entry() for _ in range(60)]
    with django_assert_max_num_queries(8):
        first = hq.get(ENTRIES).content.decode()
    further = unescape(re.findall(r'href="(/hq/inbox/entries/\?before=\d+)"', first)[0])
    rest = re.findall(r'id="entry-(\d+)"', hq.get(further).content.decode())
    assert (first.count('id="entry-'), rest[-1]) == (50, str(rows[0].pk))
    monkeypatch.setattr(queries, "SPAN", 10)  # a rare kind: looked for a stretch at a time
    InboxEntry.objects.filter(pk=rows[45].pk).update(kind="rare")
    looked = hq.get(ENTRIES, {"kind": "rare"}).content.decode()
    assert "最近这一段里没有" in looked and "再往前找" in looked
    again = unescape(re.findall(r'href="(/hq/inbox/entries/\?kind=rare&amp;before=\d+)"', looked)[0])
    assert f'id="entry-{rows[45].pk}"' in hq.get(again).content.decode()


def test_it_is_replayed_by_time_and_kind_as_by_the_command(hq: Client) -> None:
    old, new, other = entry(state="parked", minutes=300), entry(state="parked"), entry("odd/kind", "parked")
    since = (product_clock.now() - timedelta(hours=1)).astimezone(product_clock.SHANGHAI).strftime("%Y-%m-%dT%H:%M")
    asked = {"since": since, "kind": ADDED, "state": "parked"}
    counted = text_of(hq.get(REPLAY, asked))
    assert "重放 1 条" in counted and "1 条不动：类型不在要重放的之内" in counted
    hq.post(REPLAY, asked | {"idempotency_key": "t" * 32})
    states = dict(InboxEntry.objects.values_list("pk", "state"))
    assert states == {old.pk: "parked", new.pk: "waiting", other.pk: "parked"}
    assert AuditEntry.objects.get(action="inbox.replayed").after["kinds"] == [ADDED]
    for wrong, said in (({"since": "gestern"}, "看不懂的时间"), ({"kind": ADDED}, "编号或时间")):
        refused = hq.post(REPLAY, wrong | {"idempotency_key": "w" * 31 + said[0]})
        assert (refused.status_code, said in text_of(refused)) == (422, True)


@pytest.mark.parametrize("role", ["hq_crm", "guide"])
def test_others_do_not_see_the_list(org: Org, role: str) -> None:
    assert browser_of(role, org).get(ENTRIES).status_code == 403
