"""今日 and the task page as HTML: sections, states, and every act as a plain form."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from tasks.followups.later import later_moments
from tasks.followups.models import PendingSend, SkipRequest, Task
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script
from tests.conftest import TestClock
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, make_org, sign_in
from tests.factories.tasks import LOADED_AT, enroll, load_rules, make_task, open_at
from yejibao.core.clock import parse_iso
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-21 10:10")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture(autouse=True)
def _ten_past_ten(clock: TestClock) -> None:
    clock.travel(NOW)


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    """The guide's browser."""
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return sign_in(client, org.guide)


@pytest.fixture
def task(org: Org) -> Task:
    """The first touch of a member who just bought a coat."""
    load_rules()
    load_scripts(now=LOADED_AT)
    member = make_member(owner=org.guide, name="王建平", salutation="王哥", phone="13800132075", phone_consent=True,
                         tier_631="core")  # fmt: skip
    make_friend(member, external_user_id="wmWang")
    coat = {"item_name": "羊毛双排扣大衣", "color": "藏青", "size": "180/96A", "care_key": "coat", "paid_fen": 268000}
    enroll(make_order(member, paid_at="2026-11-21 09:58", guide=org.guide, lines=[coat]))
    open_at("2026-11-21 10:00")
    return Task.objects.select_related("member", "store").get(member=member, node="m30")


def url(task: Task, act: str = "") -> str:
    return f"/g/tasks/{task.pk}/{act}/" if act else f"/g/tasks/{task.pk}/"


def read(client: Client, path: str, **headers: str) -> str:
    response = client.get(path, headers=headers or None)
    assert response.status_code == 200, response.content.decode()[:500]
    return response.content.decode()


# ---------------------------------------------------------------- 今日


@pytest.mark.parametrize("rows", [1, 15, 40])
def test_today_needs_the_same_statements_for_any_length(
    guide: Client, org: Org, rows: int, django_assert_num_queries: Callable[..., Any]
) -> None:
    for number in range(rows):
        make_task(make_member(owner=org.guide, name=f"甲{number:02}"), org.guide, now=NOW - timedelta(hours=1))
    with django_assert_num_queries(9):  # the session; three panels with a savepoint each, two statements
        html = read(guide, "/g/today/")
    assert html.count('<article class="task') == min(rows, 30)


def test_today_greets_and_sorts(guide: Client, org: Org, task: Task) -> None:
    make_task(make_member(owner=org.guide, name="周海涛"), org.guide, now=NOW, due_at=NOW + timedelta(hours=5))
    html = read(guide, "/g/today/")
    assert "早上好，晓雯" in html and "11 月 21 日 周六" in html
    assert html.index("马上办") < html.index("王建平") < html.index("今天内") < html.index("周海涛")
    assert "本周" not in html
    assert "0 / 2 已完成" in html and "¥2,680" in html and "剩 18 分" in html
    assert 'aria-label="去和王建平聊天，话术已填好"' in html


def test_nothing_to_do_says_why(guide: Client, org: Org) -> None:
    assert "眼下没有要跟进的" in read(guide, "/g/today/")
    make_task(make_member(owner=org.guide), org.guide, now=NOW, state="done", done_at=NOW, due_at=NOW)
    html = read(guide, "/g/today/")
    assert "今天的都做完了" in html and "收工" in html and "1 / 1 已完成" in html


def test_in_the_quiet_hours_nothing_can_be_sent(guide: Client, task: Task, clock: TestClock) -> None:
    clock.travel("2026-11-21 22:00")
    html = read(guide, "/g/today/")
    assert "免打扰时段，09:30 后可以发" in html and "data-chat" not in html
    page = read(guide, url(task))
    assert "免打扰时段，09:30 后可以发" in page and 'form="send" id="send-button"' not in page


def test_the_list_can_be_narrowed_by_kind(guide: Client, org: Org, task: Task) -> None:
    make_task(make_member(owner=org.guide, name="周海涛"), org.guide, now=NOW)
    html = read(guide, "/g/today/?kind=followup_d3")
    assert "周海涛" in html and "王建平" not in html and "30 分钟回访 1" in html
    assert "这一类都做完了" in read(guide, "/g/today/?kind=followup_d90")


def test_the_list_alone_refreshes_itself(guide: Client, task: Task) -> None:
    html = read(guide, "/g/today/list/", **{"HX-Request": "true"})
    assert html.lstrip().startswith("<section") and "王建平" in html
    assert guide.get("/g/today/list/").status_code == 302


def test_a_member_who_is_no_friend_has_no_green_button(guide: Client, org: Org) -> None:
    make_task(make_member(owner=org.guide, name="吴刚"), org.guide, now=NOW, channel="manual_call")
    make_task(make_member(owner=org.guide, name="赵启明"), org.guide, now=NOW, channel="in_store")
    html = read(guide, "/g/today/")
    assert "给吴刚打电话" in html and "当面加赵启明好友" in html and "data-chat" not in html


def test_only_guides_and_their_managers_have_a_day(client: Client, org: Org) -> None:
    from tests.factories.guides import holder_of

    assert client.get("/g/today/", headers={"Accept": "text/html"}).status_code == 302
    assert sign_in(client, holder_of("finance", org)).get("/g/today/").status_code == 403
    assert sign_in(client, org.manager).get("/g/today/").status_code == 200


# ---------------------------------------------------------------- the task


def test_the_page_says_who_why_and_what_to_say(guide: Client, task: Task) -> None:
    html = read(guide, url(task))
    for words in ("30 分钟回访", "谢谢他，再教他怎么打理", "王建平", "王哥", "核心", "今天 9:58 在你这儿买的，¥2,680",
                  "<mark>王哥</mark>", "去聊天发送", "为什么是现在", "发送后再填"):  # fmt: skip
        assert words in html
    assert "13800132075" not in html


def test_what_a_person_wrote_stays_text_on_the_task(guide: Client, org: Org, task: Task) -> None:
    bad = '<i>"x'
    type(task.member).objects.filter(pk=task.member.pk).update(name=bad, salutation=bad)
    items = [{"name": bad, "color": bad, "size": bad, "fen": 100}] * 4
    Task.objects.filter(pk=task.pk).update(why=bad, context={"items": items, "carry_over_items": items})
    make_task(task.member, org.guide, now=NOW, why=bad)
    SkipRequest.objects.create(task=task, asked_by=org.guide, asked_at=NOW, reason=bad, state="refused", answer=bad)
    PendingSend.objects.create(task=task, member=task.member, guide=org.guide, text=bad, created_at=NOW)
    for act in ("", "?edit=1", "?script=own:1"):
        html = read(guide, url(task) + act)
        assert "&lt;i&gt;&quot;x" in html and "<i>" not in html and '"x"' not in html.replace('\\"x', "")


@pytest.mark.parametrize("others", [0, 15, 99])
def test_the_task_needs_the_same_statements_beside_any_list(
    guide: Client, org: Org, task: Task, others: int, django_assert_num_queries: Callable[..., Any]
) -> None:
    for _ in range(others):
        make_task(make_member(owner=org.guide), org.guide, now=NOW - timedelta(hours=1))
    with django_assert_num_queries(2):  # the session; the task and all around it
        read(guide, url(task))


def test_a_script_can_be_chosen_without_javascript(guide: Client, task: Task) -> None:
    html = read(guide, url(task))
    other = html.split('href="?script=')[1].split('"')[0]
    assert f'name="script_key" value="{other}"' in read(guide, f"{url(task)}?script={other}")
    assert '<textarea name="text" aria-label="改话术" maxlength="2000">' in read(guide, f"{url(task)}?edit=1")


def test_without_any_script_she_writes_a_sentence_herself(guide: Client, task: Task) -> None:
    Script.objects.all().delete()
    html = read(guide, url(task))
    assert "这一步还没有合适的话术" in html and 'aria-label="写一句"' in html and "王建平" in html


def test_somebody_elses_task_says_so_in_one_sentence(client: Client, org: Org, task: Task) -> None:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    answer = sign_in(client, org.stranger).get(url(task))
    assert answer.status_code == 404
    assert "这条任务找不到，或者不是你的" in answer.content.decode() and "王建平" not in answer.content.decode()
    assert client.post(url(task, "claimed")).status_code == 404


def test_a_manager_looks_and_does_not_do(client: Client, org: Org, task: Task) -> None:
    html = read(sign_in(client, org.manager), url(task))
    assert "这是林晓雯的任务" in html and "send-button" not in html


def test_a_task_that_is_over_says_what_happened(guide: Client, task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(state="superseded", closed_reason="repurchased", closed_at=NOW)
    html = read(guide, url(task))
    assert "他又来买了，这一轮换成新的跟进" in html and "send-button" not in html


def test_carried_over_items_are_asked_about(guide: Client, task: Task) -> None:
    task.context["carry_over_items"] = [{"name": "商务衬衫", "color": "白", "care": "shirt"}]
    task.save(update_fields=["context"])
    assert "上次的 白商务衬衫 也一起问问" in read(guide, url(task))


def test_no_friend_means_phone_or_face_to_face(guide: Client, task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(channel="manual_call")
    html = read(guide, url(task))
    assert "打电话" in html and "电话里可以这样说" in html and "去聊天发送" not in html
    Task.objects.filter(pk=task.pk).update(channel="in_store")
    assert "人还在店里的话当面加" in read(guide, url(task))


# ---------------------------------------------------------------- acts as plain forms


def test_send_keeps_the_words_and_shows_them(guide: Client, task: Task) -> None:
    answer = guide.post(url(task, "send"), {"text": "王哥，大衣先挂起来", "script_key": ""}, follow=True)
    html = answer.content.decode()
    assert PendingSend.objects.get().text == "王哥，大衣先挂起来"
    assert "我发了" in html and 'id="by-hand">' in html and "王哥，大衣先挂起来" in html


def test_a_claim_is_done_and_can_be_taken_back(guide: Client, task: Task) -> None:
    html = guide.post(url(task, "claimed"), {"text": "发了", "script_key": ""}, follow=True).content.decode()
    task.refresh_from_db()
    assert (task.state, task.evidence_kind) == ("done", "chat_claimed")
    assert "王哥 记为已发" in html and "撤销" in html and "提前 18 分完成" in html and "已发送·手动" in html
    html = guide.post(url(task, "undo"), follow=True).content.decode()
    assert "已撤销" in html and "去聊天发送" in html


def test_the_same_form_twice_counts_once(guide: Client, task: Task) -> None:
    data = {"text": "发了", "idempotency_key": "one-form"}
    assert [guide.post(url(task, "claimed"), data).status_code for _ in range(2)] == [302, 302]
    assert task.evidence.count() == 1
    assert guide.post(url(task, "claimed"), data | {"idempotency_key": "another"}).status_code == 409


def test_outcomes_follow_the_step(guide: Client, task: Task) -> None:
    guide.post(url(task, "claimed"), {"text": "发了"})
    html = guide.post(url(task, "outcome"), {"outcome": "replied"}, follow=True).content.decode()
    assert "王哥 标记为已回复" in html and "王哥回你了，接下来？" in html
    assert 'value="replied" aria-pressed="true"' in html and "约到店" not in html


def test_an_outcome_by_htmx_brings_the_page_and_a_toast(guide: Client, task: Task) -> None:
    guide.post(url(task, "claimed"), {"text": "发了"})
    answer = guide.post(
        url(task, "outcome"), {"outcome": "no_reply"}, headers={"HX-Request": "true", "HX-Target": "task-page"}
    )
    assert 'id="task-page"' in answer.content.decode() and "toast" in answer.headers["HX-Trigger"]


def test_the_number_is_shown_on_a_logged_tap(guide: Client, task: Task) -> None:
    assert "138****2075" in read(guide, url(task, "call"))
    assert "13800132075" in guide.post(url(task, "phone")).content.decode()
    assert AuditEntry.objects.filter(action="member.phone_revealed", resource_id=str(task.member_id)).count() == 1


def test_no_consent_no_number(guide: Client, task: Task) -> None:
    task.member.phone_consent = False
    task.member.save(update_fields=["phone_consent"])
    assert guide.post(url(task, "phone")).status_code == 422
    assert "给王建平打电话" not in read(guide, url(task))


def test_a_call_is_noted(guide: Client, task: Task) -> None:
    assert guide.post(url(task, "call"), {"result": "connected", "note": "好"}).status_code == 422
    html = guide.post(
        url(task, "call"), {"result": "connected", "note": "大衣合身，周末来熨"}, follow=True
    ).content.decode()
    assert "记下了：接通" in html and "大衣合身，周末来熨" in html


def test_later_offers_times_before_it_expires(guide: Client, task: Task) -> None:
    moments = later_moments(task, NOW)
    assert [name for _, name in moments] == ["10:23，到期前 5 分钟", "1 小时后", "今天 11:30", "今天 18:00"]
    assert "客人在忙" in read(guide, url(task, "later"))
    html = guide.post(
        url(task, "later"), {"until": moments[3][0].isoformat(), "reason": "member_busy"}, follow=True
    ).content.decode()
    assert "王哥 到 今天 18:00 再提醒你，会超过 10:28 的期限" in html
    day = read(guide, "/g/today/")
    assert '<article class="task' not in day and "稍后" in day
    assert guide.post(url(task, "later"), {"until": "soon", "reason": "member_busy"}).status_code == 422


def test_a_skip_goes_to_the_manager(guide: Client, task: Task) -> None:
    assert escape("申请跳过") in read(guide, url(task, "menu"))
    html = guide.post(url(task, "skip"), {"reason": "他最近出差"}, follow=True).content.decode()
    assert "已申请跳过（他最近出差），等店长批" in html
    assert SkipRequest.objects.get().asked_by_id == task.assignee_id
