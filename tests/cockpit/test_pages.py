"""推送健康 over HTTP: who may look, what the buttons do, and that nothing is done twice."""

import re
from html import unescape
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tasks.cadences.models import Hand
from tests.factories.crm import make_member, make_order
from tests.factories.guides import holder_of, sign_in
from tests.factories.tasks import enroll, load_rules
from yejibao.cockpit import push_health
from yejibao.core.clock import parse_iso
from yejibao.core.heart import beat
from yejibao.core.models import AuditEntry, OutboxEvent, OutboxMessage

pytestmark = pytest.mark.django_db

PUSH, RESEND, CLOSE = "/hq/push/", "/hq/push/resend/", "/hq/push/close/"


@pytest.fixture
def hq(org):
    return browser_of("hq_operator", org)


def browser_of(role, org):
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org))


def text_of(response) -> str:
    html = re.sub(r"(?s)<(script|style|svg|template).*?</\1>|<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", unescape(html))


def states() -> list[str]:
    return list(OutboxMessage.objects.order_by("pk").values_list("state", flat=True))


@pytest.mark.parametrize("role", ["hq_operator", "sys_admin"])
def test_those_who_run_the_house_see_it(org, message, role):
    for code in (81013, 81013, 45009):
        message("failed", errcode=code)
    message("sent")
    page = text_of(browser_of(role, org).get(PUSH))
    for words in ("有 2 类要处理", "今天已推 1", "送达率 25.00%", "没送到 3", "其中 3 条可一键重发", "收件人不在应用可见范围 81013 2",
                  "调用太快，被企业微信限流 45009 1", "重发能重发的 3 条", "发送器", "守恒核对"):  # fmt: skip
        assert words in page, words


@pytest.mark.parametrize("role", ["store_manager", "hq_crm", "executive", "guide"])
def test_others_are_told_so(org, message, role):
    one = message("failed", errcode=81013)
    browser = browser_of(role, org)
    assert browser.get(PUSH).status_code == 403
    assert browser.post(f"/hq/push/messages/{one.pk}/resend/").status_code == 403
    assert "你没有这个权限" in text_of(browser.get(PUSH))
    assert states() == ["failed"]


def test_an_empty_house_says_so(hq):
    page = text_of(hq.get(PUSH))
    for words in ("没有要处理的", "今天已推 —", "送达率 —", "没有积压", "都送到了", "每晚一次，还没跑过"):
        assert words in page, words


def test_it_does_not_say_all_is_well_while_the_house_is_not(hq, monkeypatch):
    monkeypatch.setattr(push_health, "house_troubles", lambda *, now: [("出错", 1)])
    page = hq.get(PUSH)
    assert "推送没有要处理的 系统健康 1 处出错" in text_of(page) and 'href="/hq/health/"' in page.content.decode()
    monkeypatch.setattr(push_health, "house_troubles", lambda *, now: [])
    assert "推送健康 没有要处理的" in text_of(hq.get(PUSH))


def test_the_house_is_asked_once_a_minute_and_what_waits_for_a_person_is_left_out(org, now, monkeypatch):
    asked = []
    lines = [SimpleNamespace(said=said) for said in ("正常", "出错", "待处理", "变慢", "变慢")]
    monkeypatch.setattr(push_health.health, "read_lines", lambda now: asked.append(now) or lines)
    cache.delete(f"push-house:{int(now.timestamp()) // 60}")
    assert [push_health.house_troubles(now=now) for _ in range(2)] == [[("出错", 1), ("变慢", 2)]] * 2
    assert len(asked) == 1
    cache.delete(f"push-house:{int(now.timestamp()) // 60}")


def test_what_is_missing_in_the_proof_is_an_alarm(hq):
    beat("conservation:3369", missing=2, purchases=10, opened=20)
    assert "守恒核对少了 2 件" in text_of(hq.get(PUSH))


@pytest.mark.parametrize("path", [PUSH, "/hq/push/causes/81013/"])
def test_pages_need_the_same_queries_for_any_length(hq, message, path):
    counted = []
    for many in (1, 4):
        for _ in range(many):
            message("failed", errcode=81013)
            message("parked", errcode=60020)
        hq.get(path)
        with CaptureQueriesContext(connection) as asked:
            hq.get(path)
        counted.append(len(asked))
    assert counted[0] == counted[1] < 60


def test_every_half_minute_the_middle_comes_anew(hq, message):
    message("failed", errcode=81013)
    whole = hq.get(PUSH).content.decode()
    assert 'hx-trigger="every 30s"' in whole
    part = hq.get(f"{PUSH}?range=7", headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="push" hx-get="/hq/push/?range=7"')
    assert part.count('hx-swap-oob="true"') == 2


@pytest.mark.parametrize("path", ["/hq/push/?range=99", "/hq/push/causes/nonsense/", "/hq/push/causes/81013/?before=x"])
def test_what_is_not_there_is_said_so(hq, path):
    answer = hq.get(path)
    assert (answer.status_code, "找不到" in text_of(answer)) == (404, True)


# ---------------------------------------------------------------- 重发


def test_all_that_can_be_resent_goes_out_again_once(hq, message, now):
    for facts in ({"errcode": 81013}, {"errcode": 45009}, {"errcode": 40003}):
        message("failed", **facts)
    message("parked", errcode=-1, first_unknown_at=now)
    page = hq.get(RESEND)
    assert "重发 2 条" in text_of(page)
    upto = re.search(r'name="upto" value="(\d+)"', page.content.decode())[1]
    message("failed", errcode=45009)  # after the look: not part of what was confirmed
    sent = {"upto": upto, "idempotency_key": "k1"}
    assert hq.post(RESEND, sent).status_code == 302
    assert hq.post(RESEND, sent).status_code == 302
    assert states() == ["closed", "closed", "failed", "parked", "failed", "pending", "pending"]
    assert "2 条重新排队了" in text_of(hq.get(PUSH))
    fresh = OutboxMessage.objects.filter(state="pending").order_by("pk")
    assert [one.retry_of.errcode for one in fresh] == [81013, 45009]
    assert [one.due_at for one in fresh] == [now, now]
    entry = AuditEntry.objects.get(action="message.resent")
    assert entry.after["count"] == 2


def test_one_cause_at_night_waits_for_the_morning(hq, message, clock):
    message("failed", errcode=81013)
    message("failed", errcode=45009)
    clock.travel("2026-11-21 22:30")
    page = hq.get(RESEND, {"cause": "81013"})
    assert "现在是免打扰时段，明天 9:30 起发出" in text_of(page)
    upto = re.search(r'name="upto" value="(\d+)"', page.content.decode())[1]
    hq.post(RESEND, {"cause": "81013", "upto": upto})
    (fresh,) = OutboxMessage.objects.filter(state="pending")
    assert (fresh.retry_of.errcode, fresh.due_at) == (81013, parse_iso("2026-11-22 09:30"))


def test_one_message_is_resent_and_leaves_the_list(hq, message):
    one = message("parked", errcode=60020)
    path = f"/hq/push/messages/{one.pk}/resend/"
    answer = hq.post(path, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content, "toast" in answer.headers["HX-Trigger"]) == (200, b"", True)
    again = hq.post(path)
    assert (again.status_code, "这条刚被处理过" in text_of(again)) == (409, True)
    assert states() == ["closed", "pending"]


def test_what_was_sent_is_not_resent(hq, message):
    one = message("sent")
    assert hq.post(f"/hq/push/messages/{one.pk}/resend/").status_code == 409
    assert hq.post("/hq/push/messages/987654321/resend/").status_code == 404
    assert states() == ["sent"]


# ---------------------------------------------------------------- 关闭


def test_a_cause_is_closed_with_a_reason(hq, message):
    message("failed", errcode=40003)
    message("failed", errcode=81013)
    page = hq.get(CLOSE, {"cause": "40003"})
    upto = re.search(r'name="upto" value="(\d+)"', page.content.decode())[1]
    silent = hq.post(CLOSE, {"cause": "40003", "upto": upto})
    assert (silent.status_code, "写一句为什么关闭" in text_of(silent)) == (422, True)
    hq.post(CLOSE, {"cause": "40003", "upto": upto, "reason": "人已离职"})
    assert states() == ["closed", "failed"]
    assert OutboxMessage.objects.get(errcode=40003).closed_reason == "人已离职"
    entry = AuditEntry.objects.get(action="message.closed")
    assert (entry.reason, entry.after["count"]) == ("人已离职", 1)


def test_one_message_is_closed_with_a_reason(hq, message):
    one = message("failed", errcode=81013)
    path = f"/hq/push/messages/{one.pk}/close/"
    assert hq.post(path).status_code == 422
    answer = hq.post(path, {"reason": "这条过时了", "cause": "81013"})
    assert answer.headers["Location"] == PUSH  # the last of its sort: back to the whole
    assert (states(), "关闭了" in text_of(hq.get(PUSH))) == (["closed"], True)
    assert hq.get(CLOSE, {"cause": "81013"}).status_code == 404


# ---------------------------------------------------------------- set aside inside the house


def test_events_set_aside_are_tried_again_or_closed(hq, org, now):
    made = [
        OutboxEvent.objects.create(
            topic="crm.order_paid", payload={}, created_at=now, parked_at=now, attempts=5, error="X: y"
        )
        for _ in range(2)
    ]
    assert "没办成的系统通知 2 条" in text_of(hq.get(PUSH))
    assert hq.post(f"/hq/push/events/{made[0].pk}/close/").status_code == 422
    hq.post(f"/hq/push/events/{made[0].pk}/close/", {"reason": "测试数据"})
    hq.post("/hq/push/events/retry/")
    closed, again = (OutboxEvent.objects.get(pk=one.pk) for one in made)
    assert (closed.done_at is not None, again.parked_at, again.attempts) == (True, None, 0)
    assert sorted(AuditEntry.objects.values_list("action", flat=True)) == ["event.closed", "event.retried"]


def test_cycles_set_aside_are_looked_at_again(hq, org, now):
    load_rules()
    enroll(make_order(make_member(owner=org.guide, name="王建平"), paid_at=now, guide=org.guide))
    Hand.objects.update(parked_tries=1, next_due_at=parse_iso("2026-11-21 15:20"))
    page = text_of(hq.get(PUSH))
    assert "引擎放到一边的 1 位会员" in page
    assert "王**" in page
    assert "王建平" not in page
    hq.post("/hq/push/cycles/retry/")
    assert Hand.objects.get().next_due_at == now
    assert AuditEntry.objects.get().action == "enrollment.retried"
