"""任务与计划, 设置, 集成, 没发出去的消息: who may look, what the acts do once and with a reason, and that no secret is shown."""

import ast
import inspect
import re
import sys
import textwrap
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import PeriodicTask

from tests.factories.guides import holder_of, sign_in
from yejibao import schedule
from yejibao.celery import app as celery
from yejibao.cockpit.job_words import NOT_COUNTED, WHAT_FOR, count_word, count_words
from yejibao.core import beats, jobtrace, progress, secret_marks, tunables
from yejibao.core import clock as product_clock
from yejibao.core.errors import Forbidden, Stale
from yejibao.core.models import AuditEntry, OutboxEvent, SettingChange
from yejibao.core.outbox import messages
from yejibao.core.scope import Actor
from yejibao.wecom.syncing.models import SyncRun

from .test_pages import text_of

pytestmark = pytest.mark.django_db

JOBS, SETTINGS, INTEGRATIONS, MESSAGES = "/hq/jobs/", "/hq/settings/", "/hq/integrations/", "/hq/messages/"
ROOM = tunables.number(
    "test-room", group="试验", name="试验的数", unit="位", default=10, least=5, most=20, why="只给测试用"
)


@pytest.fixture
def admin(org: Any) -> Client:
    return browser_of("sys_admin", org)


def browser_of(role: str, org: Any) -> Client:
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org))


def field(response: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', response.content.decode())
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", [JOBS, SETTINGS, INTEGRATIONS, MESSAGES, "/hq/messages/news/"])
@pytest.mark.parametrize("role", ["guide", "store_manager", "executive", "hq_retail"])
def test_others_are_told_so(org: Any, path: str, role: str) -> None:
    assert browser_of(role, org).get(path).status_code == 403


# ---------------------------------------------------------------- jobs


@pytest.fixture
def entries(db: None) -> dict[str, PeriodicTask]:
    schedule.install()
    return {one.name: one for one in PeriodicTask.objects.all()}


def test_every_entry_has_its_line(admin: Client, entries: Any) -> None:
    jobtrace.note_run(entries["复盘数字"].task, ms=340, counts={"rows": 12, "none": 0})
    jobtrace.note_run(entries["守恒核对"].task, ms=5, error="OperationalError")
    page = text_of(admin.get(JOBS))
    for words in (
        "复盘数字 更新复盘看板的数字 正常 每 1 分钟",
        "0.3 秒 行 12",
        "守恒核对",
        "出错 连续 1 次",
        "每天 4:40",
        "每 10 分钟",
    ):
        assert words in page, words
    assert page.index("守恒核对") < page.index("复盘数字 更新")


def test_the_list_needs_the_same_queries_for_any_length(admin: Client, entries: Any) -> None:
    counted = []
    for few in (False, True):
        if few:
            PeriodicTask.objects.exclude(name="守恒核对").delete()
        admin.get(JOBS)
        with CaptureQueriesContext(connection) as asked:
            admin.get(JOBS)
        counted.append(len(asked))
    assert counted[0] == counted[1] < 20


def test_long_work_shows_how_far_it_is(admin: Client, entries: Any) -> None:
    SyncRun.objects.create(kind="friends", started_at=product_clock.now(), parts_total=50, parts_done=12)
    page = text_of(admin.get(JOBS))
    assert "正在跑的长任务 同步客户 12 / 50" in page


def test_a_source_that_fails_does_not_take_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import DatabaseError

    def broken(now: Any) -> Any:
        raise DatabaseError

    monkeypatch.setitem(progress._sources, "broken", broken)
    assert progress.running(product_clock.now()) == []


def test_switched_off_and_on_with_a_reason_once(admin: Client, entries: Any) -> None:
    entry = entries["店长每日清单"]
    url = f"{JOBS}{entry.pk}/switch/"
    assert "写一句为什么" in text_of(admin.post(url, {"on": "0"}))
    assert admin.post(url, {"on": "0", "reason": "春节放假"}).status_code == 302
    entry.refresh_from_db()
    assert not entry.enabled and "春节放假" in entry.description
    late = admin.post(url, {"on": "0", "reason": "我也来停"})
    assert late.status_code == 409 and "刚刚有人停了它" in text_of(late)
    assert schedule.install() and not PeriodicTask.objects.get(pk=entry.pk).enabled
    assert "停着" in text_of(admin.get(JOBS))
    assert admin.post(url, {"on": "1", "reason": "节后"}).status_code == 302
    assert list(AuditEntry.objects.filter(resource="job").order_by("pk").values_list("action", "reason")) == [
        ("job.switched_off", "春节放假"), ("job.switched_on", "节后")
    ]  # fmt: skip


def test_what_the_house_stands_on_stays_on(admin: Client, entries: Any) -> None:
    entry = entries["跟进引擎"]
    assert "停不得" in text_of(admin.get(f"{JOBS}{entry.pk}/"))
    answer = admin.post(f"{JOBS}{entry.pk}/switch/", {"on": "0", "reason": "x"})
    assert answer.status_code == 409 and PeriodicTask.objects.get(pk=entry.pk).enabled
    assert {entry.job for entry in schedule.ENTRIES} >= beats.ESSENTIAL


def test_run_now_goes_to_its_queue_and_is_limited(admin: Client, entries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(beats.current_app, "send_task", lambda name, **facts: sent.append((name, facts["queue"])))
    entry = entries["守恒核对"]
    url = f"{JOBS}{entry.pk}/run/"
    assert "写一句为什么" in text_of(admin.post(url, {}))
    answers = [admin.post(url, {"reason": "等不及今晚"}) for _ in range(3)]
    assert [one.status_code for one in answers] == [302, 302, 429]
    assert sent == [("tasks.cadences.jobs.prove_conservation", "nightly")] * 2
    assert AuditEntry.objects.filter(action="job.run").count() == 2


# ---------------------------------------------------------------- settings


def test_a_value_holds_from_its_moment_and_never_before(admin: Client, now: Any) -> None:
    url = f"{SETTINGS}test-room/"
    page = admin.get(url)
    assert "现在 10 位 （默认值）" in text_of(page)
    form = {
        "seen": field(page, "seen"),
        "value": "15",
        "starts_at": (now + timedelta(days=1)).isoformat(),
        "reason": "换季",
    }
    assert admin.post(f"{url}change/", form).status_code == 302
    assert (ROOM.at(now), ROOM.at(now + timedelta(days=2))) == (10, 15)
    assert "起 15 位" in text_of(admin.get(url))
    past = admin.post(
        f"{url}change/", form | {"seen": "1", "value": "12", "starts_at": (now - timedelta(hours=1)).isoformat()}
    )
    assert past.status_code == 422 and "不能改过去的" in text_of(past)
    late = admin.post(f"{url}change/", form | {"value": "16"})
    assert late.status_code == 412 and "刚刚有人改过这一项" in text_of(late)
    assert admin.post(f"{url}1/withdraw/").status_code == 302
    assert ROOM.at(now + timedelta(days=2)) == 10 and "已撤回" in text_of(admin.get(url))
    assert admin.post(f"{url}1/withdraw/").status_code == 409
    assert list(AuditEntry.objects.filter(resource="setting").order_by("pk").values_list("action", flat=True)) == [
        "setting.changed", "setting.withdrawn"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"value": "4"}, "要在 5 位 到 20 位 之间"),
        ({"value": "x"}, "填一个整数"),
        ({"value": "10"}, "不用改"),
        ({"reason": ""}, "写一句为什么"),
    ],
)
def test_a_value_outside_its_limits_is_refused(admin: Client, facts: dict[str, str], said: str) -> None:
    answer = admin.post(f"{SETTINGS}test-room/change/", {"seen": "0", "value": "12", "reason": "试"} | facts)
    assert answer.status_code == 422 and said in text_of(answer)
    assert not SettingChange.objects.exists()


def test_who_may_read_may_not_change(org: Any) -> None:
    browser = browser_of("hq_operator", org)
    assert "由系统管理员改" in text_of(browser.get(f"{SETTINGS}test-room/"))
    answer = browser.post(f"{SETTINGS}test-room/change/", {"seen": "0", "value": "12", "reason": "试"})
    assert answer.status_code == 403 and not SettingChange.objects.exists()
    with pytest.raises(Forbidden):
        tunables.change(
            ROOM, value=12, starts_at=None, seen=0, actor=Actor(kind="staff"), reason="x", now=product_clock.now()
        )


def test_all_settings_stand_on_one_page(admin: Client) -> None:
    page = text_of(admin.get(SETTINGS))
    for words in (
        "一次请假最长几天",
        "184 天",
        "一位导购最多加多少好友",
        "5,000 位",
        "一个人一天最多导出几次",
        "岗位与权限表",
    ):
        assert words in page, words
    now = product_clock.now()
    tunables.change(ROOM, value=11, starts_at=None, seen=0, actor=Actor.system(), reason="x", now=now)
    with pytest.raises(Stale):
        tunables.change(ROOM, value=12, starts_at=None, seen=0, actor=Actor.system(), reason="x", now=now)
    with CaptureQueriesContext(connection) as asked:
        tunables.standings(tunables.known(), now=now)
    assert len(asked) == 1


# ---------------------------------------------------------------- integrations and secrets


def test_no_secret_is_ever_shown(admin: Client, settings: Any) -> None:
    settings.WECOM_SECRET, settings.METRICS_TOKEN = "s3cret-of-the-app", ""
    settings.WECOM_CALLBACKS = {"yejibao": ("callback-token", "callback-key-43-characters")}
    secret_marks.notice(now=product_clock.now())
    answer = admin.get(INTEGRATIONS)
    html, page = answer.content.decode(), text_of(answer)
    for secret in (
        "s3cret-of-the-app",
        "callback-token",
        "callback-key",
        django_settings.INDEX_KEY,
        *django_settings.DATA_KEYS,
    ):
        assert secret not in html
    assert "企业微信应用密钥 已设置 · 上次更换 今天" in page and "监控抓取令牌 没有设置" in page
    assert "/wecom/callback/yejibao/" in page


def test_a_replaced_secret_is_noted_once(db: None, settings: Any) -> None:
    now = product_clock.now()
    assert secret_marks.notice(now=now) == {}
    settings.WECOM_SECRET = "another"
    assert secret_marks.notice(now=now + timedelta(hours=1)) == {"changed": 1}
    assert secret_marks.notice(now=now + timedelta(hours=2)) == {}
    (entry,) = AuditEntry.objects.filter(action="secret.rotated")
    assert entry.resource_id == "wecom_secret" and "another" not in str(entry.after)


# ---------------------------------------------------------------- messages


def test_messages_are_listed_by_state_and_looked_up(admin: Client, message: Any, org: Any) -> None:
    failed, unknown = message("failed", errcode=81013), message("unknown", attempts=2)
    page = text_of(admin.get(MESSAGES))
    assert f"{failed.pk} 林** （" in page or f"{failed.pk} 林**（新街口店）" in page
    assert "收件人不在应用可见范围 81013" in page
    assert str(unknown.pk) in text_of(admin.get(MESSAGES, {"state": "unknown"}))
    assert "没有" in text_of(admin.get(MESSAGES, {"to": "nobody"}))
    assert admin.get(MESSAGES, {"state": "sent"}).status_code == admin.get(MESSAGES, {"before": "x"}).status_code == 404
    one = text_of(admin.get(f"{MESSAGES}{failed.pk}/"))
    assert "推送失败" in one and "重发" in one


@pytest.mark.parametrize("path", [MESSAGES, "/hq/messages/news/"])
def test_lists_need_the_same_queries_for_any_length(admin: Client, message: Any, path: str) -> None:
    counted = []
    for many in (1, 4):
        for _ in range(many):
            message("failed", errcode=81013)
            OutboxEvent.objects.create(
                topic="crm.order_paid", payload={}, created_at=product_clock.now(), parked_at=product_clock.now()
            )
        admin.get(path)
        with CaptureQueriesContext(connection) as asked:
            admin.get(path)
        counted.append(len(asked))
    assert counted[0] == counted[1] < 20


def test_a_message_is_stopped_with_a_reason_before_it_leaves(admin: Client, message: Any) -> None:
    waiting, sent = message("pending"), message("sent")
    url = f"{MESSAGES}{waiting.pk}/park/"
    assert "写一句为什么" in text_of(admin.post(url, {}))
    assert admin.post(url, {"reason": "发错人了"}).status_code == 302
    waiting.refresh_from_db()
    assert waiting.state == "parked" and messages.claim(now=product_clock.now()) == []
    assert "有人叫停了" in text_of(admin.get(f"{MESSAGES}{waiting.pk}/"))
    late = admin.post(f"{MESSAGES}{sent.pk}/park/", {"reason": "x"})
    assert late.status_code == 409 and "叫不停" in text_of(late)
    assert AuditEntry.objects.get(action="message.parked").reason == "发错人了"


def test_one_piece_of_news_is_handed_over_again(admin: Client) -> None:
    now = product_clock.now()
    event = OutboxEvent.objects.create(topic="crm.order_paid", payload={"secret": 1}, created_at=now, parked_at=now,
                                       attempts=5, error="KeyError: 'order 7'")  # fmt: skip
    page = text_of(admin.get("/hq/messages/news/"))
    assert "付款 KeyError 5 次" in page and "order 7" not in page
    assert admin.post(f"/hq/messages/news/{event.pk}/retry/").status_code == 302
    event.refresh_from_db()
    assert event.parked_at is None
    late = admin.post(f"/hq/messages/news/{event.pk}/retry/")
    assert late.status_code == 409 and "刚被处理过" in text_of(late)


def test_every_job_says_what_it_is_for() -> None:
    assert sorted({entry.job for entry in schedule.ENTRIES} - set(WHAT_FOR)) == [], "see yejibao/cockpit/job_words.py"


def names_of_counts() -> dict[str, set[str]]:
    """Return by job the names of what it counts, read out of its source and of whatever counts for it.

    Names put together at run time are not here: of events, of a table's rows; FAMILIES and OF_ONE_KIND have those.
    """
    celery.loader.import_default_modules()
    found = {}
    for entry in schedule.ENTRIES:
        names: set[str] = set()
        _read(celery.tasks[entry.job].run, names, set())
        found[entry.job] = names
    return found


def _read(function: Any, names: set[str], read: set[Any]) -> None:
    function = inspect.unwrap(function)
    if function in read:
        return
    read.add(function)
    tree, known = ast.parse(textwrap.dedent(inspect.getsource(function))), vars(sys.modules[function.__module__])
    for node in ast.walk(tree):
        held: list[ast.expr | None] = []
        match node:
            case ast.Return(value=ast.Dict(keys=keys)):
                held = list(keys)
            case ast.Return(value=ast.Constant() as said) if inspect.signature(function).return_annotation is str:
                held = [said]
            case ast.Assign(targets=[ast.Name(id="tally" | "counts")], value=ast.Dict(keys=keys)):
                held = list(keys)
            case ast.Subscript(value=ast.Name(id="tally" | "counts"), slice=said):
                held = [said.body, said.orelse] if isinstance(said, ast.IfExp) else [said]
            case ast.Call(func=ast.Name(id="Counter"), keywords=words):
                names |= {one.arg for one in words if one.arg}
        names |= {
            one.value for one in held if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value
        }
        if isinstance(node, ast.Name | ast.Attribute) and (called := _called(node, known)) is not None:
            answer = str(inspect.signature(inspect.unwrap(called)).return_annotation)
            if "int]" in answer or "Counter" in answer or answer == "<class 'str'>" and "mass" in called.__module__:
                _read(called, names, read)


def _called(node: ast.expr, known: dict[str, Any]) -> Any:
    """Return the function of ours that a name stands for."""
    found = known.get(node.id) if isinstance(node, ast.Name) else None
    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and inspect.ismodule(known.get(node.value.id))
    ):
        found = getattr(known[node.value.id], node.attr, None)
    is_ours = inspect.isfunction(found) and found.__module__.partition(".")[0] in (
        "guides",
        "crm",
        "tasks",
        "livestream",
        "yejibao",
    )
    return found if is_ours else None


def test_every_count_of_a_job_has_words() -> None:
    found = names_of_counts()
    assert {"made"} <= found["guides.exports.jobs.make_exports"] and {"seals", "broken"} <= found[
        "yejibao.core.jobs.thin_audit"
    ]
    assert {"made", "read"} & found["yejibao.wecom.mass.jobs.go_on_with_mass_sends"]
    wordless = {
        (job, name) for job, names in found.items() for name in names - NOT_COUNTED if count_word(name, job) == "其他"
    }
    assert sorted(wordless) == [], "name them in yejibao/cockpit/job_words.py"


def test_counts_read_as_a_line() -> None:
    counts = {"open": 12, "skip:late_data": 2, "skip:returned_full": 1, "event crm.order_paid": 3, "odd": 4, "run": 9}
    assert count_words(counts) == "开了任务 12，跳过 3，条系统通知 3，其他 4"
    assert count_words({"crm_ticket": 3, "crm_order": 2}, "crm.privacy.jobs.forget_worn_out") == "清除 5"
