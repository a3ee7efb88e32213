"""The guide's day, her sales and a task's story."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crm.members.models import Member
from crm.orders.models import Order, OrderChange
from guides.org.models import Staff
from tasks.followups.models import Task
from tasks.followups.queries import day_of, list_tasks, next_card, own_sales, read_task, story_of
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor, make_org, make_staff
from tests.factories.tasks import enroll, load_rules, make_task, open_at
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Malformed, NotFound
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-21 10:10")  # a Saturday


@pytest.fixture
def org() -> Org:
    return make_org()


def put(guide: Staff, due: str, *, name: str = "王建平", member: Any = None, **facts: Any) -> Task:
    """Put an open task on a guide's list, for a member of its own unless one is given."""
    member_facts = {key: facts.pop(key) for key in ("tier_631", "member_level") if key in facts}
    member = member or make_member(owner=guide, name=name, **member_facts)
    due_at = parse_iso(due)
    facts.setdefault("expire_at", due_at + timedelta(days=3))
    return make_task(member, guide, now=NOW - timedelta(hours=1), due_at=due_at, **facts)


def names(guide: Staff, **options: Any) -> dict[str, list[str]]:
    """Return the names on a guide's list by section."""
    return {
        section.key: [card.name for card in section.cards] for section in day_of(guide.pk, now=NOW, **options).sections
    }


# ---------------------------------------------------------------- sections and order


@pytest.mark.parametrize(
    ("due", "section"),
    [
        ("2026-11-19 22:00", "now"),  # overdue
        ("2026-11-21 10:10", "now"),
        ("2026-11-21 12:09", "now"),  # within two hours
        ("2026-11-21 12:10", "today"),
        ("2026-11-21 22:00", "today"),
        ("2026-11-22 00:00", "today"),  # the end of today
        ("2026-11-22 22:00", "week"),
        ("2026-12-05 22:00", "week"),  # the rest of what is shown
    ],
)
def test_what_stands_in_the_row_decides_the_section(org: Org, due: str, section: str) -> None:
    put(org.guide, due)
    assert [key for key, found in names(org.guide).items() if found] == [section]


def test_priority_leads_then_tier_then_due_then_level_then_number(org: Org) -> None:
    put(org.guide, "2026-11-21 20:00", name="五", priority=3, tier_rank=1)
    put(org.guide, "2026-11-21 20:00", name="四", priority=2, tier_rank=3, member_level="V2")
    put(org.guide, "2026-11-21 20:00", name="三", priority=2, tier_rank=3, member_level="V4")
    put(org.guide, "2026-11-21 19:00", name="二", priority=2, tier_rank=3)
    put(org.guide, "2026-11-21 21:00", name="一", priority=2, tier_rank=1)
    put(org.guide, "2026-11-21 21:00", name="六", priority=3, tier_rank=1)
    assert names(org.guide)["today"] == ["一", "二", "三", "四", "五", "六"]


def test_a_member_is_one_card(org: Org) -> None:
    member = make_member(owner=org.guide)
    reminder = put(org.guide, "2026-11-21 11:00", member=member, priority=4, task_type="followup_d60")
    lead = put(org.guide, "2026-11-22 22:00", member=member, priority=2)
    day = day_of(org.guide.pk, now=NOW)
    (card,) = day.sections[0].cards  # the reminder is the urgent one of the two
    assert (card.pk, [one.pk for one in card.also]) == (lead.pk, [reminder.pk])
    assert (day.open_count, day.total) == (2, 2)


def test_held_hidden_and_other_peoples_tasks_are_not_on_the_list(org: Org) -> None:
    put(org.guide, "2026-11-21 20:00", name="甲", held_at=NOW, held_reason="aftersale")
    put(org.guide, "2026-11-21 20:00", name="乙", hidden_until=NOW + timedelta(hours=2), hidden_reason="member_busy")
    put(org.guide, "2026-11-21 20:00", name="丙", hidden_until=NOW - timedelta(minutes=1), hidden_reason="member_busy")
    put(org.stranger, "2026-11-21 20:00", name="丁")
    day = day_of(org.guide.pk, now=NOW)
    assert [card.name for section in day.sections for card in section.cards] == ["丙"]
    assert [card.name for card in day.later] == ["乙"]


def test_the_ceiling_leaves_out_the_least_and_never_first_touch_or_third_day(org: Org) -> None:
    rules = load_rules()
    for number in range(31):
        put(org.guide, "2026-11-24 22:00", name=f"{number:02}", task_type="followup_d60", node="d60", priority=4)
    put(org.guide, "2026-11-21 22:00", name="三天", priority=2, node="d3", cadence_version=rules)
    last = put(org.guide, "2026-11-21 21:00", name="先做", task_type="followup_d30", node="d30", priority=3)
    day = day_of(org.guide.pk, now=NOW)
    shown = [card.name for section in day.sections for card in section.cards]
    assert (len(shown), day.beyond_count, shown[:2]) == (30, 3, ["三天", last.member.name])
    for number in range(40):
        put(org.guide, "2026-11-21 22:00", name=f"三{number}", priority=2, node="d3", cadence_version=rules)
    assert sum(name.startswith("三") for name in names(org.guide)["today"]) == 41


def test_done_and_expired_of_today_are_counted_and_reachable(org: Org) -> None:
    put(org.guide, "2026-11-21 09:40", name="早", state="done", done_at=NOW - timedelta(minutes=40), outcome="replied")
    put(org.guide, "2026-11-20 22:00", name="昨", state="done", done_at=NOW - timedelta(days=1))
    put(org.guide, "2026-11-18 22:00", name="晚", expire_at=NOW, state="expired", closed_at=NOW)
    put(org.guide, "2026-11-21 20:00", name="待")
    day = day_of(org.guide.pk, now=NOW)
    assert ([card.name for card in day.done], [card.name for card in day.expired]) == (["早"], ["晚"])
    assert (day.done_count, day.total, day.done[0].outcome_name) == (1, 2, "已回复")


def test_a_kind_can_be_picked_and_the_counts_stay(org: Org) -> None:
    put(org.guide, "2026-11-21 20:00", name="甲")
    put(org.guide, "2026-11-21 20:00", name="乙", task_type="followup_d30", priority=3)
    put(org.guide, "2026-11-21 20:00", name="丙", task_type="followup_d30", priority=3)
    day = day_of(org.guide.pk, now=NOW, kind="followup_d30")
    assert [card.name for card in day.sections[1].cards] == ["乙", "丙"]
    assert day.kinds == [("followup_d3", "3 天回访", 1), ("followup_d30", "30 天回访", 2)]
    assert day.open_count == 3


@pytest.mark.parametrize("rows", [1, 15, 40])
def test_the_day_is_one_statement_for_any_length(
    org: Org, rows: int, django_assert_num_queries: Callable[..., Any]
) -> None:
    for number in range(rows):
        put(org.guide, "2026-11-21 20:00", name=f"{number}")
    with django_assert_num_queries(1):
        day = day_of(org.guide.pk, now=NOW)
    assert day.open_count == min(rows, 30)


def test_the_next_one_is_another_member(org: Org) -> None:
    member = make_member(owner=org.guide)
    done = put(org.guide, "2026-11-21 10:20", member=member)
    put(org.guide, "2026-11-21 10:30", member=member, task_type="followup_d30")
    other = put(org.guide, "2026-11-21 20:00", name="李志强")
    found = next_card(org.guide.pk, after=done, now=NOW)
    assert found is not None and found.pk == other.pk
    assert next_card(org.guide.pk, after=other, now=NOW).member_id == member.pk  # type: ignore[union-attr]


# ---------------------------------------------------------------- her sales


def test_sales_are_net_of_refunds_on_the_day_they_are_made(org: Org) -> None:
    member = make_member(owner=org.guide)
    shirt = {"item_name": "衬衫", "care_key": "shirt", "paid_fen": 40000}
    make_order(member, paid_at="2026-11-03 12:00", guide=org.guide, lines=[shirt | {"quantity": 2}, shirt])
    make_order(member, paid_at="2026-11-21 09:50", guide=org.guide, lines=[shirt, {"item_name": "礼袋", "paid_fen": 0}])
    old = make_order(member, paid_at="2026-10-30 12:00", guide=org.guide, amount_fen=100000, refunded_fen=30000)
    OrderChange.objects.create(
        order=old, number="R1", kind="return", at=parse_iso("2026-11-21 09:00"), known_at=NOW, refund_fen=30000
    )
    make_order(member, paid_at="2026-11-20 12:00", guide=org.guide, amount_fen=500000, kind=Order.Kind.TOP_UP)
    make_order(member, paid_at="2026-11-20 12:00", guide=org.guide, amount_fen=90000, status=Order.Status.VOID)
    make_order(member, paid_at="2026-11-20 12:00", guide=org.stranger, amount_fen=90000)
    sales = own_sales(org.guide.pk, store_id=org.store.pk, now=NOW)
    assert (sales.month_fen, sales.today_fen, sales.today_orders) == (80000 + 40000 - 30000, 10000, 1)
    assert (sales.month_orders, sales.month_items, sales.attach_rate) == (2, 4, 2.0)
    assert (len(sales.by_day), sales.by_day[2], sales.by_day[-1]) == (21, 80000, 10000)


def test_mall_orders_without_a_guide_are_the_owner_guides(org: Org) -> None:
    mine, other = make_member(owner=org.guide), make_member(owner=make_staff("guide", store=org.store))
    for member in (mine, other):
        make_order(member, paid_at="2026-11-20 12:00", store=org.store, amount_fen=50000, kind=Order.Kind.MALL)
    assert own_sales(org.guide.pk, store_id=org.store.pk, now=NOW).month_fen == 50000


def test_no_order_no_rate(org: Org) -> None:
    sales = own_sales(org.guide.pk, store_id=org.store.pk, now=NOW)
    assert (sales.month_fen, sales.today_orders, sales.attach_rate) == (0, 0, None)


# ---------------------------------------------------------------- the list for programs


def test_the_list_pages_in_the_order_of_the_screen_without_gaps(org: Org) -> None:
    for number in range(45):
        due = ("2026-11-21 10:30", "2026-11-21 20:00", "2026-11-24 22:00")[number % 3]
        put(org.guide, due, name=f"{number:02}", priority=1 + number % 4, tier_rank=1 + number % 5,
            member_level=f"V{1 + number % 5}")  # fmt: skip
    import json

    seen: list[dict[str, Any]] = []
    cursor, pages = "", 0
    while True:
        page = list_tasks(actor(org.guide), now=NOW + timedelta(minutes=pages), cursor=cursor)
        seen, pages = seen + json.loads(page.results), pages + 1
        if not page.next_cursor:
            break
        cursor = page.next_cursor
    everything = sorted(
        Task.objects.all(),
        key=lambda t: (
            0 if t.due_at < NOW + timedelta(hours=2) else 1 if t.due_at < parse_iso("2026-11-22 00:00") else 2,
            t.priority, t.tier_rank, t.due_at, -int(t.member.member_level[1:]), t.pk,
        ),
    )  # fmt: skip
    assert (pages, [row["id"] for row in seen]) == (3, [task.pk for task in everything])


@pytest.mark.parametrize("cursor", ["x", "e30", "WzFd", "bnVsbA", "W251bGwsMSwyLDMsNCw1LDZd"])
def test_a_foreign_cursor_is_refused(org: Org, cursor: str) -> None:
    with pytest.raises(Malformed):
        list_tasks(Actor.system(), now=NOW, cursor=cursor)


# ---------------------------------------------------------------- the story of a task


@pytest.fixture
def bought(org: Org) -> Task:
    """A member bought a coat today; his first touch is open."""
    load_rules()
    member = make_member(owner=org.guide, name="王建平", salutation="王哥", phone="13800132075", phone_consent=True)
    make_friend(member)
    coat = {"item_name": "羊毛双排扣大衣", "color": "藏青", "size": "180/96A", "care_key": "coat", "paid_fen": 268000}
    trousers = {"item_name": "西裤", "color": "灰", "size": "84", "care_key": "trousers", "paid_fen": 59900}
    enroll(make_order(member, paid_at="2026-11-21 09:58", guide=org.guide, lines=[coat, trousers]))
    open_at("2026-11-21 10:00")
    return Task.objects.get(member=member, node="m30")


def test_the_story_says_who_why_and_what(org: Org, bought: Task) -> None:
    me = actor(org.guide)
    story = story_of(read_task(me, bought.pk), actor=me, now=NOW)
    assert (story.label, story.headline, story.bought) == (
        "30 分钟回访",
        "谢谢他，再教他怎么打理",
        "今天 9:58 在你这儿买的",
    )
    assert [item.full_name for item in story.items] == ["藏青羊毛双排扣大衣", "灰西裤"]
    assert (story.wardrobe.times, story.wardrobe.fen) == (1, 327900)
    assert (story.wardrobe.size_top, story.wardrobe.size_bottom) == ("180/96A", "84")
    assert [(one["label"], one["note"], one["state"]) for one in story.trail] == [
        ("30 分钟", "现在", "on"), ("3 天", "11-24", ""), ("30 天", "12-21", ""), ("60 天", "1-20", ""),
        ("90 天", "2-19", ""),
    ]  # fmt: skip
    assert [name for _, name in story.chips] == ["加上好友了", "已回复", "还没回", "别再打扰"]
    assert (story.is_friend, story.can_do, story.sentence) == (True, True, "")


def test_a_task_of_somebody_else_is_not_found(org: Org, bought: Task) -> None:
    with pytest.raises(NotFound):
        read_task(actor(org.stranger), bought.pk)
    assert read_task(actor(org.manager), bought.pk).pk == bought.pk


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"held_at": NOW, "held_reason": "aftersale"}, "售后还没处理完"),
        ({"state": "superseded", "closed_reason": "repurchased", "closed_at": NOW}, "又来买了"),
        ({"state": "cancelled", "closed_reason": "returned_full", "closed_at": NOW}, "已全额退货"),
        ({"state": "skipped", "closed_reason": "do_not_contact", "closed_at": NOW}, "会员要求勿扰"),
        ({"state": "expired", "closed_at": NOW}, "没赶上"),
    ],
)
def test_a_task_that_cannot_be_done_says_why_in_one_sentence(
    org: Org, bought: Task, facts: dict[str, Any], words: str
) -> None:
    Task.objects.filter(pk=bought.pk).update(**facts)
    me = actor(org.guide)
    story = story_of(read_task(me, bought.pk), actor=me, now=NOW)
    assert words in story.sentence and not story.can_do


def test_the_story_takes_as_many_statements_for_a_long_cycle(
    org: Org, bought: Task, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    me = actor(org.guide)
    for number in range(6):
        put(org.guide, "2026-11-22 22:00", member=bought.member, task_type="followup_d30", why=f"{number}")
    with django_assert_max_num_queries(11):
        story = story_of(read_task(me, bought.pk), actor=me, now=NOW)
    assert len(story.also) == 5


def test_who_has_work_for_a_member_may_open_his_card(org: Org) -> None:
    helper = make_staff("guide", store=org.store)
    member = make_member(owner=org.guide)
    mine = Member.objects.visible_to(actor(helper)).filter(pk=member.pk)
    assert not mine.exists()
    task = make_task(member, helper, now=NOW)
    assert mine.exists()
    task.move_to(Task.State.DONE, done_at=NOW)
    assert not mine.exists()
