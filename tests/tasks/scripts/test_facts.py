"""The values of the variables: only what is known, and in few queries."""

import pytest

from tasks.scripts.facts import facts_for, item_title, subject_of_member, subjects_of
from tests.factories.crm import make_member, make_order
from tests.factories.guides import make_org
from tests.factories.scripts import make_talk
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-05 10:00")


@pytest.fixture
def org():
    org = make_org()
    org.store.city, org.store.address_short = "南京", "中山路 1 号"
    org.store.save()
    return org


def facts(task, guide=None):
    return facts_for(subjects_of([task], guide=guide), now=NOW)[task.pk]


def test_person_store_and_item(org, settings):
    member = make_member(owner=org.guide, name="王建平", salutation="王哥")
    assert facts(make_talk(member, org.guide)) == {
        "member_name": "王哥",
        "guide_name": "晓雯",
        "store_name": "新街口店",
        "store_address": "中山路 1 号",
        "city": "南京",
        "brand_name": settings.BRAND_NAME,
        "item_name": "藏青羊毛套西",
        "item_color": "藏青",
        "size": "175/92A",
        "days_since": "3",
        "level_name": "普通会员",
        "next_level_name": "银卡会员",
    }


@pytest.mark.parametrize(("gender", "called"), [("m", "王先生"), ("f", "王女士"), ("u", "王先生")])
def test_a_member_without_salutation_is_called_by_his_family_name(org, gender, called):
    member = make_member(owner=org.guide, name="王建平", gender=gender)
    assert facts(make_talk(member, org.guide))["member_name"] == called


def test_whoever_sends_speaks_in_her_own_name_and_store(org):
    task = make_talk(make_member(owner=org.guide), org.guide)
    assert facts(task, guide=org.stranger)["guide_name"] == "小黄"
    assert facts(task, guide=org.stranger)["store_name"] == "观前店"


@pytest.mark.parametrize(
    ("item", "title"),
    [
        ({"name": "羊毛套西", "color": "藏青"}, "藏青羊毛套西"),
        ({"name": "藏青羊毛套西", "color": "藏青"}, "藏青羊毛套西"),
        ({"name": "羊毛套西", "color": ""}, "羊毛套西"),
        ({"name": "", "color": "藏青"}, ""),
        ({}, ""),
    ],
)
def test_an_item_is_called_by_its_colour_once(item, title):
    assert item_title(item) == title


def test_the_last_purchase_is_the_one_before_this_by_its_dearest_item(org):
    member = make_member(owner=org.guide)
    line = {"item_name": "衬衫", "color": "白", "paid_fen": 39800}
    make_order(member, paid_at="2025-06-01 15:00", lines=[{**line, "item_name": "旧夹克"}])
    make_order(
        member,
        paid_at="2025-11-01 15:00",
        lines=[line, {**line, "item_name": "双排扣大衣", "color": "驼", "paid_fen": 268000}],
    )
    make_order(member, paid_at="2025-12-01 15:00", lines=[{**line, "item_name": "退掉的"}], status="returned")
    make_order(member, paid_at="2026-01-01 15:00", lines=[{**line, "item_name": "内购的"}], kind="employee")
    make_order(member, paid_at="2026-03-02 09:00", lines=[{**line, "item_name": "同一天的"}])
    this = make_order(member, paid_at="2026-03-02 10:00")
    assert facts(make_talk(member, org.guide, order=this))["last_item_name"] == "驼双排扣大衣"
    assert (
        facts_for([subject_of_member(member, guide=org.guide)], now=NOW)[member.pk]["last_item_name"] == "藏青羊毛套西"
    )


@pytest.mark.parametrize(
    ("level", "spent", "kind", "next_level", "gap"),
    [
        ("V2", 260000, "followup_d90", "金卡会员", "400"),
        ("V2", 240000, "followup_d90", "金卡会员", "600"),
        ("V2", 239999, "followup_d90", "金卡会员", None),
        ("V1", 40000, "followup_d90", "银卡会员", None),
        ("V1", 50001, "followup_d90", "银卡会员", "500"),
        ("V4", 1000000, "followup_d90", "黑金会员", "2000"),
        ("V5", 2000000, "followup_d90", None, None),
        ("V3", 100000, "level_keep", "金卡会员", "2000"),
        ("V3", 300000, "level_keep", "金卡会员", None),
    ],
)
def test_what_is_missing_to_a_level_is_said_when_it_is_near(org, level, spent, kind, next_level, gap):
    member = make_member(owner=org.guide, member_level=level, spend_180_fen=spent)
    found = facts(make_talk(member, org.guide, node="d90", task_type=kind))
    assert (found.get("next_level_name"), found.get("next_level_gap")) == (next_level, gap)


def test_a_task_brings_its_own_facts_but_only_known_variables(org):
    brought = {"coupon_title": "生日券", "points": 1200, "phone": "13800000000", "event_name": ""}
    found = facts(make_talk(make_member(owner=org.guide), org.guide, context={"facts": brought}))
    assert (found["coupon_title"], found["points"]) == ("生日券", "1200")
    assert not {"phone", "event_name"} & found.keys()


@pytest.mark.parametrize("rows", [1, 4])
def test_facts_of_a_list_need_the_same_queries_for_any_length(org, rows, django_assert_num_queries):
    from tasks.followups.models import Task

    for _ in range(rows):
        member = make_member(owner=org.guide)
        make_order(member, paid_at="2025-11-01 15:00")
        make_talk(member, org.guide, order=make_order(member, paid_at="2026-03-02 09:30"))
    tasks = list(Task.objects.order_by("pk"))
    with django_assert_num_queries(5):  # member, order, assignee, store; last items
        found = facts_for(subjects_of(tasks), now=NOW)
    assert [one["last_item_name"] for one in found.values()] == ["藏青羊毛套西"] * rows
