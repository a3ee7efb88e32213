"""The figures of 推送健康, counted by hand."""

import json
from datetime import timedelta

import pytest

from guides.org.models import Staff
from tasks.cadences.jobs import prove_nightly
from tasks.cadences.models import Hand
from tests.factories.crm import make_member, make_order
from tests.factories.tasks import enroll, load_rules
from yejibao.cockpit import push_flow, push_health
from yejibao.cockpit.causes import CAUSES, cause_of
from yejibao.core import clock
from yejibao.core.clock import parse_iso
from yejibao.core.heart import beat
from yejibao.core.models import OutboxEvent

pytestmark = pytest.mark.django_db


def test_delivery_is_sent_of_sent_failed_and_parked(message, now):
    for _ in range(7):
        message("sent")
    message("sent", attempts=3)
    message("failed", errcode=81013)
    message("parked", errcode=60020)
    for state in ("cancelled", "expired", "closed", "pending"):
        message(state)
    message("sent", minutes=24 * 60)
    message("failed", minutes=24 * 60)
    today, yesterday, _ = push_flow.flow("today", now=now)
    assert (today.sent, today.again, today.dead, today.rate) == (8, 1, 2, 0.8)
    assert (yesterday.sent, yesterday.dead, yesterday.rate) == (1, 1, 0.5)
    week, before, bars = push_flow.flow("7", now=now)
    assert (week.sent, week.dead, before.rate) == (9, 3, None)
    assert (bars.labels[-1], [row[-1] for row in bars.series], [row[-2] for row in bars.series]) == (
        "11-21", [7, 1, 2], [1, 0, 1],
    )  # fmt: skip


def test_ten_minutes_a_column_from_the_first_wave_on(message, now):
    message("sent", minutes=4 * 60 + 45)  # 09:35
    message("sent", minutes=15, attempts=2)  # 14:05
    message("pending", minutes=5, attempts=2)
    message("failed", minutes=3)
    _, _, bars = push_flow.flow("today", now=now)
    assert (bars.labels[0], bars.labels[-1], len(bars.labels)) == ("9:30", "14:20", 30)
    assert [row[0] for row in bars.series] == [1, 0, 0]
    assert [row[-3:] for row in bars.series] == [[0, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert bars.spoken == "送达 3 条，其中重试 2 条，没送到 1 条"


def test_nothing_yet_has_no_rate(org, now):
    today, _, bars = push_flow.flow("today", now=now)
    assert (today.rate, set(map(sum, bars.series))) == (None, {0})


def test_the_queue_counts_what_is_due_and_what_is_tried_again(message, now):
    message("pending", minutes=3)
    message("pending", minutes=1)
    message("pending", minutes=-30)
    message("pending", attempts=2, errcode=45009)
    message("unknown", first_unknown_at=now)
    found = push_health.queue(now=now)
    assert (found.waiting, found.later, found.retrying, found.unknown) == (2, 1, 1, 1)
    assert found.oldest_words(now) == "最久 3 分"


def test_the_queue_by_branch(message, now, org):
    branch = int(org.store.unit.path.split("/")[1])
    for minutes in (1, 3):
        message("pending", minutes=minutes, lane=branch)
    message("unknown", minutes=200, lane=0, first_unknown_at=now)
    message("pending", minutes=-30, lane=branch)
    message("sent", lane=branch)
    found = [(one.name, one.waiting, one.oldest) for one in push_health.branch_queues(now=now)]
    assert found == [("江苏分公司", 2, "最久 3 分"), ("总部", 1, "最久 3 时 20 分")]


CASES = [
    ({"state": "failed", "errcode": 81013}, "81013", True),
    ({"state": "failed", "errcode": 0, "errmsg": "invaliduser"}, "invaliduser", True),
    ({"state": "failed", "errcode": 0, "errmsg": "unlicenseduser"}, "unlicenseduser", True),
    ({"state": "parked", "errcode": 60020}, "60020", True),
    ({"state": "parked", "errcode": 60011}, "60011", True),
    ({"state": "parked", "errcode": 48002, "unknown": True}, "48002", True),
    ({"state": "parked", "errcode": -1, "unknown": True}, "unknown", False),
    ({"state": "parked", "errcode": None, "unknown": True}, "unknown", False),
    ({"state": "parked", "errmsg": "render: KeyError"}, "render", True),
    ({"state": "failed", "errcode": 45009}, "45009", True),
    ({"state": "failed", "errcode": 42001}, "42001", True),
    ({"state": "failed", "errcode": 40003}, "40003", False),
    ({"state": "failed", "errcode": 87654}, "87654", True),
    ({"state": "failed"}, "other", True),
]


@pytest.mark.parametrize(("facts", "key", "resendable"), CASES)
def test_each_answer_has_a_cause_in_words(message, now, facts, key, resendable):
    facts = dict(facts)
    if facts.pop("unknown", False):
        facts["first_unknown_at"] = now
    message(facts.pop("state"), **facts)
    (trouble,) = push_health.troubles()
    assert (trouble.cause.key, trouble.cause.is_resendable) == (key, resendable)
    assert trouble.cause.what
    assert trouble.cause.todo
    assert [row.pk for row in push_health.messages_of([key])] == [trouble.upto]


def test_the_dictionary_speaks_chinese_and_names_what_the_platform_says_most():
    wanted = {"81013", "60020", "60011", "48002", "45009", "40014", "42001", "invaliduser", "-1", "unknown", "40091"}
    assert wanted <= set(CAUSES)
    assert all(not any(letter.isascii() and letter.islower() for letter in one.what) for one in CAUSES.values())
    assert cause_of("99999").code == "99999"


def test_causes_say_whom_they_hit(org, message, now):
    message("failed", errcode=81013, minutes=200)
    message("failed", errcode=81013, kind="task", minutes=30)
    message("failed", errcode=81013, to=org.stranger.wecom_user_id)
    message("parked", errcode=60020, kind="task")
    first, second = push_health.troubles()
    assert (first.count, first.whom) == (3, "2 位同事，2 家店，任务摘要、任务卡")
    assert (first.first_at, first.last_at) == (now - timedelta(minutes=200), now - timedelta(minutes=10))
    assert second.whom == "1 位同事，新街口店，全是任务卡"


def test_single_messages_show_no_name_in_full(org, message):
    card = {"msgtype": "textcard", "textcard": {"title": "王建平 · 3 天回访", "description": "刚买走藏青羊毛套西"}}
    message("failed", errcode=81013, kind="task", body_bytes=json.dumps(card).encode())
    message("failed", errcode=81013, to="somebody.gone", body_bytes=b"not json")
    Staff.objects.filter(pk=org.guide.pk).update(state="resigned")
    (gone, line), more = push_health.list_messages("81013")
    assert (line.who, line.store, line.title, line.is_gone) == ("林**", "新街口店", "王** · 3 天回访", True)
    assert (gone.who, gone.title, gone.is_gone, more) == ("查无此人", "", True, None)


def test_an_answer_to_a_card_shows_no_name_in_full_either(org, message):
    said = {"msgtype": "text", "text": {"content": "王建平 · 30 分钟回访：15:05 记为已联系\n<a href=…>打开任务</a>"}}
    message("failed", errcode=81013, kind="card_said", body_bytes=json.dumps(said).encode())
    [line], _ = push_health.list_messages("81013")
    assert (line.kind, line.title) == ("卡片回话", "王** · 30 分钟回访：15:05 记为已联系")


def test_long_lists_come_in_pages(message, monkeypatch):
    monkeypatch.setattr(push_health, "PAGE", 2)
    made = [message("failed", errcode=81013).pk for _ in range(5)]
    seen, before = [], None
    for _ in range(3):
        lines, before = push_health.list_messages("81013", before=before)
        seen += [line.pk for line in lines]
    assert (seen, before) == (made[::-1], None)


def test_what_is_tried_again_says_that_nobody_has_to_act(message, now):
    message("unknown", attempts=1, first_unknown_at=now)
    message("pending", attempts=2, errcode=45009)
    message("pending", attempts=1, errcode=40091)
    said = {one.cause.key: one.cause.todo for one in push_health.retried_causes()}
    assert said == {
        "unknown": "用同一条内容再试，三小时内不会发两遍",
        "45009": "会自己再试，不用管",
        "40091": "让信息中心核对应用密钥；改好后会自己发出去",
    }


@pytest.mark.logs_people
def test_events_set_aside_show_no_text_of_their_error(org, now):
    OutboxEvent.objects.create(
        topic="crm.order_paid", payload={}, created_at=now, parked_at=now, attempts=5, error="KeyError: '13800132075'"
    )
    OutboxEvent.objects.create(topic="crm.order_paid", payload={}, created_at=now, parked_at=now, done_at=now)
    (event,) = push_health.parked_events()
    assert (event.topic, event.attempts, event.error) == ("付款", 5, "KeyError")


def test_cycles_set_aside_by_the_engine_are_shown_until_they_open(org, now):
    load_rules()
    enroll(make_order(make_member(owner=org.guide), paid_at=now, guide=org.guide))
    assert push_health.parked_cycles() == []
    Hand.objects.update(parked_tries=2, parked_why="task_due_before_expiry")
    (cycle,) = push_health.parked_cycles()
    assert (cycle.step, cycle.tries, cycle.why) == ("m30", 2, "task_due_before_expiry")


def test_the_proof_tells_when_and_whether_something_is_missing(org, now):
    assert push_health.proof(now=now).proved_at is None
    load_rules()
    prove_nightly()
    fine = push_health.proof(now=now)
    assert (fine.is_ok, fine.is_alarm, fine.missing) == (True, False, 0)
    beat("conservation:3369", missing=3, purchases=100, opened=250)
    bad = push_health.proof(now=now)
    assert (bad.is_ok, bad.is_alarm, bad.missing, bad.purchases) == (False, True, 3, 100)


def test_channels_speak_of_every_process(org, now):
    beat("sender")
    beat("beat")
    lines = {line.part.name: line for line in push_health.channels(now=now)}
    assert (lines["发送器"].tone, lines["发送器"].said) == ("green", "正常")
    assert (lines["后台任务"].tone, lines["后台任务"].said, lines["后台任务"].told) == ("red", "出错", "没有动静")
    assert {"企业微信接口", "推送发件箱", "系统通知", "回访引擎", "Redis", "定时器"} <= set(lines)


@pytest.mark.parametrize(
    ("at", "leaves"),
    [
        ("2026-11-21 14:20", "2026-11-21 14:20"),
        ("2026-11-21 21:59", "2026-11-21 21:59"),
        ("2026-11-21 22:00", "2026-11-22 09:30"),
        ("2026-11-21 08:00", "2026-11-21 09:30"),
    ],
)
def test_a_push_to_staff_waits_for_the_morning_in_quiet_hours(at, leaves):
    assert push_health.may_leave_at(parse_iso(at)) == parse_iso(leaves)


def test_the_number_beside_the_menu_counts_sorts_of_trouble(message, now):
    for code in (81013, 81013, 60020):
        message("failed", errcode=code)
    OutboxEvent.objects.create(topic="crm.order_paid", payload={}, created_at=now, parked_at=now)
    assert push_health.open_matters() == 3
    assert clock.now() == now
