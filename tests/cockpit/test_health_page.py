"""系统健康: for each fault of the degradation table the page says what is wrong, what it means and who does what."""

import re
import socket
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from tasks.cadences.models import CadenceVersion, Hand
from tasks.review.models import FiguresRun
from tests.factories.crm import make_member, make_order
from tests.factories.guides import holder_of, sign_in
from tests.factories.tasks import enroll, load_rules, make_task
from yejibao.cockpit.health import read_lines, worst_first
from yejibao.cockpit.remedies import PARTS, unread
from yejibao.core import health as checks
from yejibao.core import heart, jobtrace, probes, signs
from yejibao.core.models import Heartbeat, OutboxEvent
from yejibao.wecom import gateway, store

pytestmark = pytest.mark.django_db

PAGE = "/hq/health/"


@pytest.fixture(autouse=True)
def _own_door():
    gateway._gateway.cache_clear()
    yield
    gateway._gateway.cache_clear()
    store._store.cache_clear()


@pytest.fixture
def hq(org):
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of("hq_operator", org))


@pytest.fixture
def well(org, now, monkeypatch):
    """A house in which all is well."""
    for name in signs.MAX_SILENCE_SECONDS:
        heart.beat(name)
    FiguresRun.objects.update_or_create(pk=1, defaults={"ran_at": now})
    monkeypatch.setattr(signs, "_disk", lambda: (0.3, 400.0))
    return org


def silent(name: str, seconds: float, **facts: Any) -> None:
    heart.beat(name, **facts)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_heartbeat SET at = clock_timestamp() - %s * interval '1 second' WHERE name = %s",
            [seconds, name],
        )


def text_of(response: Any) -> str:
    html = re.sub(r"(?s)<(script|style|svg|template).*?</\1>|<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", unescape(html))


def section(page: str, name: str) -> str:
    """Return the words of one part that is not well."""
    found = re.search(
        rf'(?s)<section class="card hl-fault[^>]*aria-label="{name}(?:出错|变慢|待处理)">(.*?)</section>', page
    )
    assert found, f"{name} is not among the faults"
    return text_of(SimpleNamespace(content=found[1].encode()))


def said(hq: Client, name: str) -> str:
    return section(hq.get(PAGE).content.decode(), name)


# ---------------------------------------------------------------- the page


def test_all_is_well_in_one_sentence(hq, well):
    page = text_of(hq.get(PAGE))
    assert "个环节都正常" in page and "从收银进单到导购手机上的提醒，没有断的、没有堵的，也没有等人处理的。" in page
    assert "出错" not in page and "变慢" not in page and "待处理" not in page
    for part in PARTS:
        assert part.name in page or part.shows


@pytest.mark.parametrize(("role", "status"), [("hq_operator", 200), ("sys_admin", 200), ("store_manager", 403), ("guide", 403)])  # fmt: skip
def test_it_is_for_those_who_run_the_house(org, role, status):
    browser = sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org))
    assert browser.get(PAGE).status_code == status


def test_the_worst_comes_first(hq, well, message):
    message("parked", errcode=60020)
    message("pending", minutes=5)
    silent("sender", 700)
    page = hq.get(PAGE).content.decode()
    assert re.findall(r'class="card hl-fault[^>]*aria-label="([^"]+)"', page) == ["发送器出错", "推送发件箱变慢"]
    assert "1 处出错" in page and "1 处变慢" in page
    assert "其余" in page


def test_every_quarter_minute_the_middle_comes_anew(hq, well):
    assert 'hx-trigger="every 15s"' in hq.get(PAGE).content.decode()
    part = hq.get(PAGE, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="health"') and part.count('hx-swap-oob="true"') == 2


def test_every_fault_tells_guides_and_gives_a_next_step(hq, well):
    """No part can be ill without words: each check that cannot be read still says something."""
    for part in PARTS:
        for state in ("slow", "down"):
            fault = unread(part, {"state": state, "error": "OperationalError", "ok": False}, {})
            assert fault.means and fault.steps, part.key


def test_since_when_is_kept_between_looks(hq, well, settings, clock):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert "14:20 起" in said(hq, "Redis")
    clock.advance(minutes=7)
    FiguresRun.objects.update(ran_at=clock.now())
    assert "14:20 起" in said(hq, "Redis")
    assert Heartbeat.objects.get(name="health").facts["redis"][0] == "down"


# ---------------------------------------------------------------- what everything stands on


def test_redis_gone(hq, well, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    words = said(hq, "Redis")
    for part in ("出错", "连不上", "提醒慢几秒到半分钟", "一条不会丢", "systemctl restart redis", "总部 不用做什么"):
        assert part in words, part


def test_redis_hangs(hq, well, settings):
    with socket.socket() as deaf:  # takes the connection and never answers
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(8)
        settings.REDIS_URL = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        assert "连不上" in said(hq, "Redis")


def test_processes_that_wait_for_redis_say_so(hq, well, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    silent("worker", 600)
    silent("beat", 600)
    page = hq.get(PAGE).content.decode()
    assert "在等 Redis" in section(page, "后台任务") and "不用单独处理" in section(page, "后台任务")
    assert "在等 Redis" in section(page, "定时器")


def test_a_slow_database(hq, well, monkeypatch):
    with psycopg.connect(**_elsewhere()) as other:
        other.execute("LOCK TABLE crm_scoringrun IN ACCESS EXCLUSIVE MODE NOWAIT")
        monkeypatch.setattr(checks, "CHECK_SECONDS", 0.1)
        page = hq.get(PAGE).content.decode()
        assert "一秒内没读到" in section(page, "会员统计")
        assert "正常" in page


def _elsewhere() -> dict[str, Any]:
    facts = connection.settings_dict
    return {"dbname": facts["NAME"], "host": facts["HOST"], "user": facts["USER"], "password": facts["PASSWORD"] or None,
            "port": facts["PORT"] or None}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((900.0, 0.0, 0.1, 0.0), "答一句要 900 毫秒"),
        ((1.0, 5.0, 0.1, 0.0), "时钟和数据库差 5 秒"),
        ((1.0, 0.0, 0.9, 0.0), "连接用了 90%"),
        ((1.0, 0.0, 0.1, 1500.0), "有一个事务开了 25 分"),
    ],
)
def test_a_database_that_is_not_well(hq, well, monkeypatch, found, words):
    monkeypatch.setattr(signs, "_ask_database", lambda: signs._Database(*found))
    assert words in said(hq, "数据库")


def test_a_program_ahead_of_its_tables(hq, well, monkeypatch):
    monkeypatch.setattr(probes._migrations, "pending", ["tasks.0099_new"])
    monkeypatch.setattr(probes._migrations, "until", float("inf"))
    assert "manage.py migrate" in said(hq, "数据库结构")


@pytest.mark.parametrize(("used", "free", "word"), [(0.85, 30.0, "变慢"), (0.95, 5.0, "出错")])
def test_a_full_disk(hq, well, monkeypatch, used, free, word):
    monkeypatch.setattr(signs, "_disk", lambda: (used, free))
    words = said(hq, "磁盘")
    assert word in words and f"还剩 {free:.0f} GB" in words


# ---------------------------------------------------------------- processes


@pytest.mark.parametrize(
    ("process", "name", "means"),
    [
        ("sender", "发送器", "导购暂时收不到提醒，任务不会丢"),
        ("worker", "后台任务", "不再有新任务"),
        ("beat", "定时器", "到点的回访改由发送器叫醒"),
    ],
)
def test_a_silent_process(hq, well, process, name, means):
    silent(process, 600)
    words = said(hq, name)
    assert "10 分没有动静" in words and means in words and f"systemctl restart yejibao-{process}" in words
    assert "14:09 起" in words  # and a few milliseconds


def test_a_worker_without_beat_waits_for_it(hq, well):
    silent("beat", 600)
    silent("worker", 600)
    assert "在等定时器" in said(hq, "后台任务")


def test_a_sender_whose_clock_is_off(hq, well):
    heart.beat("sender", clock_off_seconds=3600)
    words = said(hq, "发送器")
    assert "时钟差 1 时" in words and "timedatectl set-ntp true" in words


def test_a_night_job_that_did_not_run(hq, well):
    jobtrace.note_run("crm.scoring.jobs.recount_members_nightly", ms=5)
    silent("job:crm.scoring.jobs.recount_members_nightly", 30 * 3600, failures=0)
    jobtrace.note_run("tasks.review.jobs.rebuild_days", ms=5)
    jobtrace.note_run("tasks.review.jobs.rebuild_days", ms=5, error="OperationalError")
    words = said(hq, "夜间任务")
    assert "会员消费统计、复盘数字夜间重建没跑成" in words


# ---------------------------------------------------------------- the chain


def test_messages_that_wait_too_long(hq, well, message):
    message("pending", minutes=8)
    words = said(hq, "推送发件箱")
    assert "1 条到点没发出去，最久 8 分" in words and "变慢" in words and "14:12 起" in words
    message("pending", minutes=40)
    assert "出错" in said(hq, "推送发件箱")


@pytest.mark.parametrize("state", ["failed", "parked"])
def test_messages_that_wait_for_a_person(hq, well, message, state):
    message(state, errcode=60020)
    page = hq.get(PAGE).content.decode()
    words = section(page, "推送发件箱")
    assert "待处理" in words and "1 条没送到，要人看一下" in words
    assert 'href="/hq/push/">去推送健康' in page


def test_a_platform_that_does_not_answer(hq, well, message, now):
    for _ in range(12):
        message("unknown", attempts=2, first_unknown_at=now - timedelta(minutes=3), minutes=-1)
    words = said(hq, "企业微信接口")
    assert "12 条没等到企业微信的准信" in words and "三小时内不会发两遍" in words


def test_an_open_breaker(hq, well, settings):
    gateway.default().budgets.trip("message/send")
    assert "被企业微信限流，60 秒后再试" in said(hq, "企业微信接口")


def test_an_open_breaker_without_redis(hq, well, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    gateway.default().budgets.trip("message/send")
    page = hq.get(PAGE).content.decode()
    assert "被企业微信限流" in section(page, "企业微信接口") and "连不上" in section(page, "Redis")


def test_a_wrong_secret(hq, well, message):
    message("pending", errcode=40091, errmsg="wrong secret", minutes=-2)
    words = said(hq, "企业微信接口")
    assert "应用密钥不对，拿不到令牌" in words and "出错" in words and "提醒全都发不出去" in words


def test_news_that_waits_and_news_set_aside(hq, well, now):
    event = OutboxEvent.objects.create(topic="crm.order_paid", payload={}, created_at=now - timedelta(minutes=6))
    assert "1 条在等，最久 6 分" in said(hq, "系统通知")
    OutboxEvent.objects.filter(pk=event.pk).update(parked_at=now)
    page = hq.get(PAGE).content.decode()
    assert "1 条没人接得住" in section(page, "系统通知")
    assert 'href="/hq/push/#aside-events"' in page
    assert 'id="aside-events"' in hq.get("/hq/push/").content.decode()


def test_steps_that_do_not_open(hq, well, now):
    load_rules()
    enroll(make_order(make_member(owner=well.guide), paid_at=now, guide=well.guide))
    Hand.objects.update(next_due_at=now - timedelta(minutes=12))
    assert "1 步到点没打开，最久 12 分" in said(hq, "回访引擎")
    Hand.objects.update(next_due_at=now + timedelta(hours=1), parked_tries=2, parked_why="x")
    page = hq.get(PAGE).content.decode()
    assert "1 位会员的下一步打不开" in section(page, "回访引擎")
    assert 'id="aside-cycles"' in hq.get("/hq/push/").content.decode()


def test_a_guide_who_was_not_told(hq, well, now, clock):
    task = make_task(make_member(owner=well.guide), well.guide, priority=1, tell_at=now - timedelta(minutes=9))
    assert "有加急任务 9 分没通知到导购" in said(hq, "任务通知")
    clock.travel("2026-11-21 23:30")  # the shop is closed: it waits for the morning
    FiguresRun.objects.update(ran_at=clock.now())
    assert "任务通知" not in [line.part.name for line in worst_first(read_lines(clock.now()))]
    assert task.priority == 1


def test_a_recompute_that_hangs(hq, well, now):
    load_rules()
    CadenceVersion.objects.update(recompute_after_id=1, published_at=now - timedelta(minutes=5))
    assert "正在算，不影响用" in text_of(hq.get(PAGE))
    CadenceVersion.objects.update(published_at=now - timedelta(hours=2))
    assert "新规则还没有算完" in said(hq, "规则重算")


@pytest.mark.parametrize(("minutes", "word"), [(8, "变慢"), (45, "出错")])
def test_boards_that_stand_still(hq, well, now, minutes, word):
    FiguresRun.objects.update(ran_at=now - timedelta(minutes=minutes))
    words = said(hq, "看板汇总")
    assert word in words and "数字停在" in words


def test_something_missing_in_the_proof(hq, well):
    heart.beat("conservation:3369", missing=3)
    words = said(hq, "守恒核对")
    assert "少了 3 件" in words and "出错" in words and "prove_conservation --json" in words
    silent("conservation:3369", 30 * 3600, missing=0)
    assert "昨晚没有核对" in said(hq, "守恒核对")
