"""工作日志: drafted from facts, handed in once, late, commented, asked for and reported, read upward with its sums."""

from datetime import date, time
from typing import Any

import pytest
from django.test import Client

from guides.attendance.services import set_rest_days
from guides.notices.models import Notification
from guides.org.models import Staff
from guides.worklog import facts, queries, services
from guides.worklog.models import WorkLog, WorkLogDay
from tasks.duties.models import Duty
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, make_store, sign_in
from tests.factories.tasks import make_task
from yejibao.core import outbox
from yejibao.core.clock import parse_iso
from yejibao.core.errors import DomainError, Invalid, Stale
from yejibao.core.models import OutboxMessage
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

EVENING = parse_iso("2026-11-24 20:30")
TODAY, YESTERDAY = date(2026, 11, 24), date(2026, 11, 23)
SAID = {"q1": "王先生的大衣改得很合身", "q3": "李先生、赵先生"}


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(EVENING)
    return make_org()


def hand_in(person: Staff, at: Any = EVENING, day: date = TODAY, **answers: str) -> WorkLog:
    return services.save_log(person, day, answers or SAID, actor=actor(person), now=at, hand_in=True)


def test_the_template_comes_from_the_data(org: Org) -> None:
    template = services.current_template(now=EVENING)
    assert [one["label"] for one in template.questions] == [
        "今天做得好的一件事", "没成交的原因", "明天要跟进的三位顾客", "需要店长支持什么",
    ]  # fmt: skip
    assert (template.number, template.opens_at, template.due_at, template.closes_at) == (
        1,
        time(20),
        time(22),
        time(12),
    )


def test_the_figures_are_those_of_the_day(org: Org, django_assert_max_num_queries: Any) -> None:
    member = make_member(owner=org.guide)
    make_friend(member, added_at=parse_iso("2026-11-24 11:00"))
    make_friend(make_member(owner=org.guide), added_at=parse_iso("2026-11-24 12:00"), state="deleted_by_member")
    make_friend(make_member(owner=org.guide), added_at=parse_iso("2026-11-23 12:00"))
    lines = [{"item_name": "西服", "paid_fen": 100000}, {"item_name": "衬衫", "paid_fen": 28000, "quantity": 2}]
    make_order(member, paid_at="2026-11-24 15:00", guide=org.guide, lines=lines)
    make_order(member, paid_at="2026-11-23 15:00", guide=org.guide)
    make_order(member, paid_at="2026-11-24 16:00", guide=org.stranger)
    for state, done in (("done", "2026-11-24 11:00"), ("done", "2026-11-24 19:00"), ("open", None), ("skipped", None)):
        make_task(member, org.guide, task_type="care", state=state, done_at=parse_iso(done) if done else None,
                  due_at=parse_iso("2026-11-24 18:00"))  # fmt: skip
    with django_assert_max_num_queries(34):  # six figures, each in a savepoint of its own
        log = hand_in(org.guide)
    assert [(one["label"], one["words"]) for one in log.facts] == [
        ("净销售额", "¥1,280"), ("任务完成率", "66.7%（2/3）"), ("准时率", "33.3%"), ("新增好友", "1 位"), ("连带率", "3.0"),
    ]  # fmt: skip


def test_a_figure_that_fails_is_a_gap(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(staff_ids: Any, day: date, *, now: Any) -> dict[int, str]:
        raise RuntimeError("no")

    monkeypatch.setitem(facts._known, "net_sales", facts.Fact("net_sales", "净销售额", 10, broken))
    assert "net_sales" not in [one["key"] for one in hand_in(org.guide).facts]


def test_it_is_handed_in_once_and_kept_until_then(org: Org) -> None:
    draft = services.save_log(org.guide, TODAY, {"q1": "写了一半", "qx": "…"}, actor=actor(org.guide), now=EVENING)
    assert (draft.answers, draft.handed_in_at, draft.facts) == ({"q1": "写了一半"}, None, [])
    with pytest.raises(Invalid) as refusal:
        services.save_log(org.guide, TODAY, {"q2": "价格"}, actor=actor(org.guide), now=EVENING, hand_in=True)
    assert [one["field"] for one in refusal.value.errors] == ["q1"]
    log = hand_in(org.guide)
    assert (log.pk, log.answers, log.is_late) == (draft.pk, SAID, False)
    with pytest.raises(services.HandedIn):
        hand_in(org.guide)
    with pytest.raises(services.NotYourLog):
        services.save_log(org.guide, TODAY, SAID, actor=actor(org.manager), now=EVENING)


def test_late_until_noon_then_closed(org: Org) -> None:
    assert hand_in(org.guide, parse_iso("2026-11-25 11:59")).is_late
    assert hand_in(org.stranger, parse_iso("2026-11-24 22:00")).is_late is False
    for day, at in ((TODAY, "2026-11-25 12:00"), (date(2026, 11, 25), "2026-11-24 21:00")):
        with pytest.raises(services.TooLate):
            hand_in(org.manager, parse_iso(at), day)


# ---------------------------------------------------------------- asked, reminded, reported


def told(person: Staff) -> list[str]:
    return list(Notification.objects.filter(staff=person, read_at=None).order_by("pk").values_list("title", flat=True))


def test_a_day_asks_reminds_and_reports_once(org: Org, clock: Any) -> None:
    off = make_staff(store=org.store, name="休息的")
    set_rest_days(off, days=[TODAY], actor=Actor.system(), now=EVENING)
    set_rest_days(org.guide, days=[date(2026, 11, 25)], actor=Actor.system(), now=EVENING)
    outbox.drain_events()
    assert services.keep_day(now=parse_iso("2026-11-24 19:50")) == {"writers": 0, "reminded": 0, "reported": 0}
    hand_in(org.manager)
    assert services.keep_day(now=EVENING)["writers"] == services.keep_day(now=EVENING)["writers"] + 2 == 2
    outbox.drain_events()
    assert set(Duty.objects.filter(state="open").values_list("assignee", "key")) == {
        (org.guide.pk, "work_log:2026-11-24"), (org.stranger.pk, "work_log:2026-11-24"),
    }  # fmt: skip
    at = clock.travel("2026-11-24 21:30")
    assert [services.keep_day(now=at)["reminded"] for _ in range(2)] == [2, 0]
    assert told(org.guide) == ["今天的日志还没交"] and told(off) == []
    assert OutboxMessage.objects.filter(recipient=org.guide.wecom_user_id, kind="notice").count() == 1
    hand_in(org.guide, at)
    outbox.drain_events()
    assert (told(org.guide), Duty.objects.get(assignee=org.guide).state) == ([], "done")
    head = make_staff("store_manager", store=org.other_store)
    noon = parse_iso("2026-11-25 12:10")
    assert [services.keep_day(now=noon)["reported"] for _ in range(2)][1] == 0
    assert told(head) == ["11-24 有 1 人没交日志"]  # he had none of his own to write before he came
    assert WorkLogDay.objects.filter(day=TODAY, reported_at=noon).exists()


# ---------------------------------------------------------------- comments, scope, sums


def test_a_comment_reaches_the_writer_and_her_answer_him(org: Org) -> None:
    log = hand_in(org.guide)
    services.comment(log, "李先生我来打电话", actor=actor(org.manager), now=EVENING)
    assert told(org.guide) == ["陈国栋评论了你 11-24 的日志"]
    services.comment(log, "好的，谢谢店长", actor=actor(org.guide), now=EVENING)
    assert told(org.manager) == ["林晓雯 11-24 的日志有新回复"]
    with pytest.raises(Invalid):
        services.comment(log, " ", actor=actor(org.manager), now=EVENING)


@pytest.mark.parametrize(
    ("role", "sees"),
    [("store_manager", True), ("area_supervisor", True), ("region_manager", True), ("branch_manager", True),
     ("hq_retail", True), ("guide", False), ("hq_operator", False), ("dealer", False)],
)  # fmt: skip
def test_handed_in_logs_are_read_upward_drafts_by_nobody(org: Org, role: str, sees: bool) -> None:
    log = hand_in(org.guide)
    draft = services.save_log(org.stranger, TODAY, SAID, actor=actor(org.stranger), now=EVENING)
    who = actor(holder_of(role, org))
    assert WorkLog.objects.visible_to(who).filter(pk=log.pk).exists() == sees
    assert not WorkLog.objects.visible_to(who).filter(pk=draft.pk).exists()
    assert WorkLog.objects.visible_to(actor(org.stranger)).filter(pk=draft.pk).exists()


def test_sums_go_up_by_unit_the_least_first(org: Org, django_assert_max_num_queries: Any) -> None:
    region = actor(make_staff("region_manager", unit=org.region))
    hand_in(org.guide)
    hand_in(org.manager, parse_iso("2026-11-24 22:30"))
    with django_assert_max_num_queries(6):
        total, parts = queries.sums_below(region, None, TODAY)
    assert (total.expected, total.handed_in, total.late, total.missing) == (3, 2, 1, 1)
    assert [(one.unit.name, one.sums.handed_in) for one in parts] == [("南京二区", 0), ("南京一区", 2)]
    total, parts = queries.sums_below(region, org.area, TODAY)
    assert [(one.unit, one.sums.late) for one in parts] == [(org.store.unit, 1)]
    area = actor(make_staff("area_supervisor", unit=org.area))
    assert [one.unit for one in queries.sums_below(area, None, TODAY)[1]] == [org.store.unit]
    headquarters = actor(holder_of("hq_retail", org))
    assert [one.unit for one in queries.sums_below(headquarters, org.hq, TODAY)[1]] == [org.branch]


# ---------------------------------------------------------------- the template


def change(who: Actor, **facts_: Any) -> Any:
    wanted = {
        "prefilled": ["net_sales"], "questions": [("今天做得好的一件事", True), ("学到了什么", False)], "opens_at": time(20),
        "due_at": time(21), "closes_at": time(12), "seen": 1, "reason": "换季",
    }  # fmt: skip
    return services.change_template(**(wanted | facts_), actor=who, now=EVENING)


def test_hq_changes_what_new_logs_ask_and_old_ones_keep(org: Org) -> None:
    keeper = actor(holder_of("hq_retail", org))
    draft = services.save_log(org.guide, TODAY, {"q1": "…好的"}, actor=actor(org.guide), now=EVENING)
    template = change(keeper)
    assert (template.number, [one["key"] for one in template.questions]) == (2, ["q1", "q2_1"])
    with pytest.raises(Stale):
        change(keeper)
    for facts_ in (
        {"questions": []},
        {"prefilled": ["moon"]},
        {"due_at": time(19)},
        {"reason": ""},
        {"opens_at": time(9)},
    ):
        with pytest.raises(DomainError):
            change(keeper, seen=2, **facts_)
    with pytest.raises(services.NotYourTemplate):
        change(actor(org.manager), seen=2)
    assert services.draft_of(org.guide, TODAY, now=EVENING).template_id == draft.template_id
    assert services.draft_of(org.stranger, TODAY, now=EVENING).template == template


# ---------------------------------------------------------------- pages


@pytest.fixture
def html(client: Client) -> Client:
    client.defaults["HTTP_ACCEPT"] = "text/html"
    return client


def test_a_guide_writes_and_her_manager_reads(html: Client, org: Org) -> None:
    page = sign_in(html, org.guide).get("/g/worklog/")
    assert page.status_code == 200 and "净销售额" in page.text and "22:00 前交" in page.text
    assert html.post("/g/worklog/", {"a_q2": "价格", "do": "hand_in"}).status_code == 422
    assert html.post("/g/worklog/", {"a_q1": "写一半", "do": "save"}).status_code == 302
    assert html.post("/g/worklog/", {"a_q1": "大衣卖得好", "do": "hand_in"}).status_code == 302
    page = html.get("/g/worklog/")
    assert "已交" in page.text and "交日志" not in page.text
    log = WorkLog.objects.get()
    sign_in(html, org.manager)
    assert "没看" in html.get("/m/worklogs/").text
    assert "大衣卖得好" in html.get(f"/m/worklogs/{log.pk}/").text
    assert html.post(f"/m/worklogs/{log.pk}/", {"text": "不错"}).status_code == 302
    assert "没看" not in html.get("/m/worklogs/").text
    assert "不错" in sign_in(html, org.guide).get(f"/g/worklog/{log.pk}/").text
    assert (
        sign_in(html, make_staff("store_manager", store=org.other_store)).get(f"/m/worklogs/{log.pk}/").status_code
        == 404
    )
    assert sign_in(html, org.stranger).get(f"/g/worklog/{log.pk}/").status_code == 404


def test_yesterdays_may_be_made_up_until_noon(html: Client, org: Org, clock: Any) -> None:
    clock.travel("2026-11-25 10:00")
    page = sign_in(html, org.guide).get("/g/worklog/")
    assert "昨天的还没交" in page.text
    html.post("/g/worklog/", {"day": "2026-11-24", "a_q1": "补一张", "do": "hand_in"})
    assert (WorkLog.objects.get().day, WorkLog.objects.get().is_late) == (TODAY, True)
    assert "昨天的还没交" not in html.get("/g/worklog/").text


def test_hq_reads_everything_by_unit_and_changes_the_template(html: Client, org: Org) -> None:
    hand_in(org.guide)
    sign_in(html, holder_of("hq_retail", org))
    assert html.get("/hq/worklogs/").status_code == 200
    assert "林晓雯" in html.get(f"/hq/worklogs/?unit={org.store.unit_id}").text
    page = html.get("/hq/worklogs/template/")
    assert "第 1 版" in page.text
    form = {"fact_net_sales": "1", "label0": "今天学到什么", "required0": "1", "opens_at": "20:00", "due_at": "21:30",
            "closes_at": "12:00", "seen": "1", "reason": "换季"}  # fmt: skip
    assert html.post("/hq/worklogs/template/", form).status_code == 302
    assert html.post("/hq/worklogs/template/", form).status_code == 412
    assert "今天学到什么" in html.get("/hq/worklogs/template/").text
    assert sign_in(html, org.manager).get("/hq/worklogs/template/").status_code == 403


@pytest.mark.parametrize("people", [1, 7])
def test_the_list_needs_the_same_queries_for_any_number(
    html: Client, org: Org, people: int, django_assert_num_queries: Any
) -> None:
    for _ in range(people):
        hand_in(make_staff(store=org.store))
    make_store(area=org.area)
    sign_in(html, org.manager).get("/m/worklogs/")
    with django_assert_num_queries(7):
        html.get("/m/worklogs/")
