"""回访规则 over HTTP: reading, the draft, the dry run and publication, as HQ's pages do it."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from kombu.exceptions import OperationalError

from tasks.cadences import trial
from tasks.cadences.jobs import count_trial
from tasks.cadences.models import CadenceStep, CadenceVersion, Hand
from tasks.cadences.publishing import etag_of
from tasks.cadences.recompute import recompute_hands
from tasks.cadences.words import StepWords
from tasks.review.services import refresh_days
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import holder_of, make_org, sign_in
from tests.factories.tasks import enroll, load_rules, make_task, open_until
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db

NOW = "2025-03-10 10:00"
RULES, STEP, PUBLISH = "/hq/rules/", "/hq/rules/draft/d30/", "/hq/rules/publish/"


@pytest.fixture
def now(clock):
    return clock.travel(NOW)


@pytest.fixture
def org(now):
    load_rules()
    return make_org()


@pytest.fixture
def hq(org):
    return browser_of("hq_operator", org)


def browser_of(role, org):
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org))


def text_of(response) -> str:
    """Return what a reader sees, in one line."""
    html = re.sub(r"(?s)<(script|style|svg|template).*?</\1>|<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", unescape(html))


def d30(state="draft"):
    return CadenceStep.objects.get(version__state=state, key="d30")


def typed(**changes) -> dict[str, str]:
    """Return the form of d30 as it opens, with changes."""
    step = d30() if CadenceVersion.objects.filter(state="draft").exists() else d30("published")
    return {
        "open_day": "30", "due_day": "32", "expire_day": "37", "priority": "3", "priority_first": "2",
        "priority_repeat": "", "priority_loyal": "", "on_time_target": "85", "why": step.why, "headline": step.headline,
        "etag": etag_of([step]),
    } | {name: str(value) for name, value in changes.items()}  # fmt: skip


def draft(hq, **changes):
    """Start a draft and store a change of d30."""
    hq.post("/hq/rules/draft/", {"step": "d30"})
    answer = hq.post(STEP, typed(**changes))
    assert answer.status_code == 302
    return CadenceVersion.objects.get(state="draft")


def cycles(org, many=1, paid="2025-03-01 15:00"):
    for _ in range(many):
        member = make_member(owner=org.guide, store=org.store)
        make_friend(member, org.guide)
        enroll(make_order(member, paid_at=paid, guide=org.guide))
    open_until("2025-03-04 10:00")


# ---------------------------------------------------------------- reading


def test_the_trail_shows_five_nodes_in_words(hq):
    page = text_of(hq.get(RULES, {"step": "d30"}))
    for words in ("3369 购后回访", "线上 v1", "30 分钟", "感谢与建联", "3 天", "穿着回访", "第 30–32 天", "做到 —",
                  "30 天回访：什么时候、派给谁", "第 30 天", "第 32 天 22:00", "第 37 天 22:00", "专属导购", "代办人", "店长", "企微已发送",
                  "约到店", "3 重要", "首购：2 今天必须", "第 30 天 09:30", "第 33 天 10:00 列进店长每日清单",
                  "22:00 到次日 09:30 不发", "一位会员一天 1 次，7 天 2 次，30 天营销 4 次", "别再打扰", "改规则"):  # fmt: skip
        assert words in page, words


@pytest.mark.parametrize(
    ("key", "window"),
    [
        ("m30", "付款后 30 分钟内，当天 22:00 失效"),
        ("d3", "第 3 天打开，当天 22:00 截止，第 6 天失效"),
        ("d30", "第 30 天打开，第 32 天 22:00 截止，第 37 天失效"),
        ("d90", "第 90 天打开，第 92 天 22:00 截止，第 100 天失效"),
    ],
)
def test_windows_in_one_line(org, key, window):
    assert StepWords(CadenceStep.objects.get(version__state="published", key=key)).window == window


def test_done_rates_follow_the_definition(hq, org, now):
    """3 of 4 due: done late counts, overdue and expired do not; held, skipped, and what is due later are out."""
    past = now - timedelta(days=3)
    member = make_member(owner=org.guide)

    def task(**facts):
        facts = {"task_type": "followup_d30", "now": past - timedelta(hours=8)} | facts
        make_task(member, org.guide, **facts)

    for late in (0, 0, 1):
        task(state="done", done_at=past + timedelta(days=late) - timedelta(hours=1))
    task(state="open")
    task(state="open", held_at=past, held_reason="aftersale")
    task(state="skipped")
    task(now=now)
    task(now=now - timedelta(days=40), state="expired")
    refresh_days(now=now - timedelta(days=4))
    refresh_days(now=now)
    page = text_of(hq.get(RULES, {"step": "d30"}))
    assert "做到 75%" in page
    assert page.count("做到 —") == 4


def test_words_of_a_step_with_their_use(hq, now):
    load_scripts(now=now)
    Script.objects.filter(key="d30_any_wear").update(used_90_count=20, replied_90_count=9, counted_at=now)
    page = text_of(hq.get(RULES, {"step": "d30"}))
    assert re.search(r"回复率 45% 用过 20", page)
    assert "回复率 — 用过 —" in page
    assert "称呼 ， 货品 买了快一个月" in page


@pytest.mark.parametrize("role", ["store_manager", "hq_crm", "executive"])
def test_those_who_see_progress_read_and_cannot_edit(org, role):
    browser = browser_of(role, org)
    hq = browser_of("hq_operator", org)
    draft(hq, due_day=33)
    page = browser.get(RULES, {"step": "d30"})
    assert page.status_code == 200
    assert "线上 v1" in text_of(page)
    assert "草稿" not in text_of(page)
    assert "/draft/" not in page.content.decode()
    for path in ("/hq/rules/draft/", STEP, PUBLISH, "/hq/rules/draft/drop/"):
        refused = browser.post(path, typed())
        assert refused.status_code == 403
        assert "你没有这个权限" in text_of(refused)


def test_who_sees_no_progress_sees_no_rules(org):
    refused = browser_of("guide", org).get(RULES)
    assert (refused.status_code, "你没有这个权限" in text_of(refused)) == (403, True)
    assert browser_of("sys_admin", org).get(RULES).status_code == 403


@pytest.mark.parametrize("query", [{"step": "d7"}, {"v": "99"}, {"v": "abc"}, {"v": "9" * 20}, {"v": "draft"}])
def test_what_is_not_there_is_said_so(hq, query):
    answer = hq.get(RULES, query)
    assert answer.status_code == 404
    assert any(words in text_of(answer) for words in ("找不到", "没有草稿"))


@pytest.mark.parametrize("many", [1, 3])
def test_the_page_needs_the_same_queries_for_any_length(hq, org, now, many, django_assert_num_queries):
    cycles(org, many)
    load_scripts(now=now)
    with django_assert_num_queries(13):  # the last five: the numbers beside menu entries, kept for a minute
        assert hq.get(RULES).status_code == 200


# ---------------------------------------------------------------- the draft


def test_an_edit_goes_into_the_draft_alone(hq, org):
    made = hq.post("/hq/rules/draft/", {"step": "d30"})
    assert made.headers["Location"] == STEP
    assert 'value="32"' in hq.get(STEP).content.decode()
    stored = hq.post(STEP, typed(due_day=33, priority_first="", on_time_target="90"))
    assert stored.headers["Location"] == f"{RULES}?step=d30"
    step = d30()
    assert (step.due_day, step.priority_by_buyer, step.on_time_target) == (33, {}, 0.9)
    assert d30("published").due_day == 32
    page = text_of(hq.get(RULES, {"step": "d30"}))
    for words in (
        "草稿 v2",
        "30 天 存进草稿了，还没上线",
        "30 天 截止 第 32 天 → 第 33 天",
        "30 天 准时目标 85% → 90%",
        "发布…",
    ):
        assert words in page, words
    assert "线上 v1" in text_of(hq.get(RULES, {"v": "1"}))


def test_what_does_not_fit_comes_back_with_a_sentence_each_and_nothing_is_lost(hq):
    hq.post("/hq/rules/draft/")
    answer = hq.post(
        STEP, typed(open_day="三十", due_day="31", expire_day="29", priority="3", on_time_target="120", why="")
    )
    page, html = text_of(answer), answer.content.decode()
    assert answer.status_code == 422
    for words in (
        "填一个整数",
        "失效日不能早于截止日（第 31 天）",
        "填 1 到 100 的整数",
        "没有理由的任务导购不知道为什么要做，写一句",
    ):
        assert words in page, words
    for value in ("三十", "31", "29", "120"):
        assert f'value="{value}"' in html
    assert d30().due_day == 32


def test_days_out_of_order_are_told_by_the_days_beside_them(hq):
    hq.post("/hq/rules/draft/")
    answer = hq.post(STEP, typed(open_day=60, due_day=62, expire_day=67))
    assert (answer.status_code, "要早于后一个节点（第 60 天）" in text_of(answer)) == (422, True)


def test_two_who_edit_see_each_other(hq, org):
    hq.post("/hq/rules/draft/")
    mine = typed(due_day=31)
    browser_of("hq_operator", org).post(STEP, typed(due_day=33))
    answer = hq.post(STEP, mine)
    page = text_of(answer)
    assert answer.status_code == 412
    assert "别人刚改过这一步" in page
    assert "现在是 33" in page
    assert 'value="31"' in answer.content.decode()
    again = hq.post(STEP, mine | {"etag": etag_of([d30()])})
    assert (again.status_code, d30().due_day) == (302, 31)


def test_if_match_counts_like_the_field(hq):
    hq.post("/hq/rules/draft/")
    answer = hq.post(STEP, typed(due_day=31) | {"etag": ""}, headers={"If-Match": '"somebody-elses"'})
    assert (answer.status_code, d30().due_day) == (412, 32)


def test_a_draft_is_dropped_after_a_look(hq):
    draft(hq, due_day=33)
    assert "丢弃 1 处改动" in text_of(hq.get("/hq/rules/draft/drop/"))
    hq.post("/hq/rules/draft/drop/")
    assert not CadenceVersion.objects.filter(state="draft").exists()
    assert hq.get(STEP).status_code == 404
    assert "没有草稿，先点「改规则」" in text_of(hq.get(PUBLISH))


# ---------------------------------------------------------------- dry run and publication


def test_the_dry_run_sets_the_draft_against_what_is_online(hq, org):
    cycles(org, 3)
    cycles(org, 1, "2025-01-15 12:00")  # d60 on 03-16
    draft(hq, open_day=50, due_day=52, expire_day=57)
    answer = hq.get("/hq/rules/trial/")
    page = text_of(answer)
    assert re.search(r"1 未来 30 天任务 0\.0 件 每人每天 0 人次 一天超 20 件 0 按今天的情况会跳过", page), page
    assert "线上 v1：4 件" in page
    assert 'aria-label="线上 30 天共 4 件，改后 1 件，最多的一天 3-16 1 件"' in answer.content.decode()
    panel = hq.get("/hq/rules/trial/", headers={"HX-Request": "true"}).content.decode()
    assert panel.lstrip().startswith('<section class="card" id="trial"')
    assert "试跑结果" in text_of(hq.get(RULES))  # kept: the page shows it at once


def test_the_dry_run_of_many_is_made_by_a_worker(hq, org, monkeypatch):
    cycles(org)
    asked = []
    monkeypatch.setattr(trial, "MANY", 0)
    monkeypatch.setattr(trial, "_order_count", lambda **about: asked.append(about))
    for _ in range(2):
        assert "正在按今天的数据算" in text_of(hq.get("/hq/rules/trial/"))
    (about,) = asked
    assert count_trial(**about) == {"planned": 1}
    assert "未来 30 天任务" in text_of(hq.get("/hq/rules/trial/"))


def test_without_a_broker_the_page_counts_itself(hq, org, monkeypatch):
    def nobody_there(**about):
        raise OperationalError("no broker")

    cycles(org)
    monkeypatch.setattr(trial, "MANY", 0)
    monkeypatch.setattr(trial, "_order_count", nobody_there)
    assert "未来 30 天任务" in text_of(hq.get("/hq/rules/trial/"))


def test_publishing_repeats_the_number_and_tells_how_far_it_is(hq, org, now):
    cycles(org, 2)
    draft(hq, open_day=20, due_day=22, expire_day=27)
    page = hq.get(PUBLISH)
    assert "影响 2 位正在跟进的会员" in text_of(page)
    assert "发布，影响 2 位会员" in text_of(page)
    etag = re.search(r'name="etag" value="(\w+)"', page.content.decode())[1]
    assert hq.post(PUBLISH, {"etag": etag, "idempotency_key": "k1"}).status_code == 302
    assert hq.post(PUBLISH, {"etag": etag, "idempotency_key": "k1"}).status_code == 302  # the same answer again
    shown = text_of(hq.get(RULES))
    assert "v2 已上线，还没到期的按新规则走" in shown
    assert "正在给会员重排下一步：0%，还剩 2 位" in shown
    recompute_hands(now=now)
    assert "都按新规则排好了" in text_of(hq.get("/hq/rules/progress/"))
    assert {str(day.date()) for day in Hand.objects.values_list("next_due_at", flat=True)} == {"2025-03-21"}
    entry = AuditEntry.objects.get(action="cadence.published")
    assert entry.after["members_waiting"] == 2
    versions = text_of(hq.get("/hq/rules/versions/"))
    assert "30 天 打开 第 30 天 → 第 20 天 30 天 截止 第 32 天 → 第 22 天" in versions
    assert "规则文件" in versions


def test_a_draft_edited_after_the_look_is_not_published(hq):
    draft(hq, due_day=33)
    etag = re.search(r'name="etag" value="(\w+)"', hq.get(PUBLISH).content.decode())[1]
    hq.post(STEP, typed(due_day=34))
    answer = hq.post(PUBLISH, {"etag": etag, "idempotency_key": "k2"})
    assert (answer.status_code, "草稿刚被人改过" in text_of(answer)) == (412, True)
    assert CadenceVersion.objects.filter(state="draft").exists()


def test_an_older_edition_comes_back_as_a_draft(hq, now):
    version = draft(hq, due_day=33)
    etag = re.search(r'name="etag" value="(\w+)"', hq.get(PUBLISH).content.decode())[1]
    hq.post(PUBLISH, {"etag": etag})
    assert "历史 v1" in text_of(hq.get(RULES, {"v": "1"}))
    hq.post("/hq/rules/draft/", {"from": "1"})
    back = CadenceVersion.objects.get(state="draft")
    assert (back.number, d30().due_day, version.pk) == (3, 32, CadenceVersion.objects.get(number=2).pk)
    refused = hq.post("/hq/rules/draft/", {"from": "1"})
    assert (refused.status_code, "已经有草稿 v3" in text_of(refused)) == (409, True)
