"""Which script is offered first, and which is not offered at all."""

from datetime import timedelta

import pytest

from tasks.followups.models import Task
from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script, ScriptFavourite, ScriptUse
from tasks.scripts.ranking import offer, offer_many, offer_one
from tests.factories.crm import make_member
from tests.factories.guides import make_org
from tests.factories.scripts import SUIT, make_talk
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:10")
SHIRT = {**SUIT, "name": "免烫衬衫", "color": "白", "care": "shirt"}


@pytest.fixture
def org():
    load_scripts(now=NOW)
    return make_org()


def keys(org, *, node="m30", member=None, **options):
    facts = {"purchase_node": "first"} | (member or {})
    task = make_talk(make_member(owner=org.guide, **facts), org.guide, node=node, **options)
    return [one.key for one in offer(task, guide=org.guide, now=NOW)]


@pytest.mark.parametrize(
    ("context", "member", "expected"),
    [
        ({}, {}, ["m30_first_store", "m30_suit", "m30_any_store"]),
        ({"items": [SHIRT]}, {}, ["m30_first_store", "m30_any_store"]),
        ({"buyer": "repeat"}, {}, ["m30_suit", "m30_repeat_store", "m30_any_store"]),
        ({"buyer": "loyal"}, {}, ["m30_suit", "m30_any_store"]),
        ({"buyer": "loyal", "items": [SHIRT]}, {}, ["m30_any_store"]),
        ({"buyer": "repeat"}, {"tier_631": "core"}, ["m30_vip_store", "m30_suit", "m30_repeat_store", "m30_any_store"]),
        ({"items": [SHIRT]}, {"member_level": "V4"}, ["m30_vip_store", "m30_first_store", "m30_any_store"]),
        ({"items": [SHIRT]}, {"member_level": "V3"}, ["m30_first_store", "m30_any_store"]),
        ({"gift": True}, {}, ["m30_gift_store", "m30_any_store"]),
        ({"delivery": True}, {}, ["m30_delivery"]),
        ({"timing": "next_day"}, {}, ["m30_nextday"]),
        ({"timing": "next_day", "delivery": True}, {"tier_631": "core"}, ["m30_nextday_delivery"]),
        ({"items": []}, {}, ["m30_first_store", "m30_any_store"]),
        (
            {"items": [SHIRT], "facts": {"balance": "1200"}},
            {},
            ["m30_first_store", "m30_stored_value", "m30_any_store"],
        ),
    ],
)
def test_first_touch(org, context, member, expected):
    assert keys(org, context=context, member=member) == expected


@pytest.mark.parametrize(
    ("node", "context", "member", "expected"),
    [
        ("d3", {}, {}, ["d3_first_fit", "d3_suit_care", "d3_any_fit"]),
        ("d3", {"buyer": "repeat", "items": [SHIRT]}, {}, ["d3_any_fit"]),
        ("d3", {"gift": True}, {"tier_631": "core"}, ["d3_gift_receiver", "d3_any_fit"]),
        ("d30", {}, {}, ["d30_any_wear"]),
        ("d30", {"facts": {"outfit_name": "通勤"}}, {}, ["d30_first_outfit", "d30_any_wear"]),
        (
            "d30",
            {"buyer": "repeat", "facts": {"new_item_name": "针织", "outfit_name": "通勤"}},
            {},
            ["d30_repeat_outfit", "d30_suit_shirt", "d30_new_arrival", "d30_any_wear"],
        ),
        ("d60", {"facts": {"event_name": "品茶会"}}, {}, ["d60_first_visit", "d60_event", "d60_any_visit"]),
        ("d90", {"facts": {"points": "99"}}, {}, ["d90_ask_need"]),
        ("d90", {"facts": {"points": "100"}}, {}, ["d90_points", "d90_ask_need"]),
        ("d90", {"facts": {"coupon_title": "满减券"}}, {}, ["d90_first_coupon", "d90_ask_need"]),
        ("d90", {"buyer": "repeat"}, {"member_level": "V2", "spend_180_fen": 260000}, ["d90_level", "d90_ask_need"]),
        ("d90", {"buyer": "repeat"}, {"member_level": "V2", "spend_180_fen": 110000}, ["d90_ask_need"]),
    ],
)
def test_later_nodes(org, node, context, member, expected):
    assert keys(org, node=node, context=context, member=member) == expected


def test_who_opted_out_hears_of_no_coupon_and_no_link(org):
    brought = {"coupon_title": "满减券", "outfit_name": "通勤", "outfit_link": "https://x"}
    member = {"marketing_opt_out": ["wecom_message"]}
    assert keys(org, node="d30", context={"facts": brought}, member=member) == ["d30_any_wear"]
    assert keys(org, node="d90", context={"facts": brought}, member=member) == ["d90_ask_need"]
    assert keys(org, node="d3", context={"facts": brought}, member=member)[0] == "d3_first_fit"


def test_a_text_he_read_within_180_days_steps_behind_its_equals(org):
    member = make_member(owner=org.guide)
    task = make_talk(member, org.guide)

    def use(key, days):
        ScriptUse.objects.create(script_key=key, member=member, guide=org.guide, at=NOW - timedelta(days=days))

    def first():
        return [one.key for one in offer(task, guide=org.guide, now=NOW)]

    use("m30_first_store", 181)
    assert first() == ["m30_first_store", "m30_suit", "m30_any_store"]
    use("m30_first_store", 100)
    assert first() == ["m30_suit", "m30_first_store", "m30_any_store"]
    use("m30_suit", 20)
    assert first() == ["m30_first_store", "m30_suit", "m30_any_store"]


def test_what_another_member_read_does_not_matter(org):
    task = make_talk(make_member(owner=org.guide), org.guide)
    ScriptUse.objects.create(script_key="m30_first_store", member=make_member(), guide=org.guide, at=NOW)
    assert offer(task, guide=org.guide, now=NOW)[0].key == "m30_first_store"


def test_her_favourites_come_first_and_her_own_words_last(org):
    task = make_talk(make_member(owner=org.guide, salutation="王哥"), org.guide)
    ScriptFavourite.objects.create(guide=org.guide, script_key="m30_any_store", created_at=NOW)
    ScriptFavourite.objects.create(guide=org.stranger, script_key="m30_suit", created_at=NOW)
    mine = ScriptFavourite.objects.create(guide=org.guide, text="{member_name}，谢啦", node="m30", created_at=NOW)
    ScriptFavourite.objects.create(guide=org.guide, text="三天后说的", node="d3", created_at=NOW)
    offered = offer(task, guide=org.guide, now=NOW)
    assert [one.key for one in offered] == ["m30_any_store", "m30_first_store", "m30_suit", f"own:{mine.pk}"]
    assert [one.is_favourite for one in offered] == [True, False, False, False]
    assert (offered[-1].text, offered[-1].tone, offered[-1].marked) == ("王哥，谢啦", "mine", "⟦王哥⟧，谢啦")


def test_a_switched_off_script_is_not_offered(org):
    Script.objects.filter(key="m30_first_store").update(is_enabled=False)
    assert keys(org)[0] == "m30_suit"


@pytest.mark.parametrize(
    ("kind", "context", "member", "expected"),
    [
        ("aftersale_care", {"scene": "return"}, {}, ["care_after_return"]),
        ("aftersale_care", {}, {}, ["care_after_exchange", "care_after_return", "care_ticket_done"]),
        ("birthday_day", {}, {}, ["bday_day_simple"]),
        ("birthday_day", {}, {"tier_631": "core"}, ["bday_day_vip", "bday_day_simple"]),
        ("holiday_greeting", {"scene": ["spring_festival"]}, {}, ["holiday_spring_1", "holiday_spring_2"]),
        ("holiday_greeting", {"scene": ["womens_day"]}, {"gender": "f"}, ["holiday_womens_f", "holiday_womens"]),
        ("points_expiring", {}, {}, []),
        ("points_expiring", {"facts": {"points_expiring": "320"}}, {}, ["points_exp"]),
        ("handover_intro", {}, {}, ["handover_entrusted"]),
        ("handover_intro", {"scene": ""}, {"member_level": "V5"}, ["handover_entrusted_vip", "handover_entrusted"]),
        ("handover_intro", {"scene": "work_change"}, {}, ["handover_intro", "handover_entrusted"]),
        (
            "handover_intro",
            {"scene": "work_change"},
            {"member_level": "V5"},
            ["handover_vip", "handover_entrusted_vip", "handover_intro", "handover_entrusted"],
        ),
    ],
)
def test_other_kinds_go_by_scene(org, kind, context, member, expected):
    assert keys(org, node="", task_type=kind, context=context, member=member) == expected


def test_the_text_is_ready_to_send(org):
    task = make_talk(make_member(owner=org.guide, salutation="王哥"), org.guide)
    offered = offer(task, guide=org.guide, now=NOW)[1]
    assert offered.text == (
        "王哥，藏青羊毛套西到家后请用宽肩衣架挂起来，别用细铁丝衣架，肩型不会走样。口袋线先别急着拆，等确认好不改再拆。"
        "要去重要场合提前一天告诉我，我帮您把衬衫领带也配好。——晓雯"
    )
    assert [offered.text[a:b] for a, b in offered.spans] == ["王哥", "藏青羊毛套西", "晓雯"]
    assert (offered.tone, offered.title) == ("expert", "西服 · 致谢")


class TestOne:
    def test_a_guide_may_pick_against_the_contexts(self, org):
        task = make_talk(make_member(owner=org.guide), org.guide)
        assert offer_one(task, "d3_polo_care", guide=org.guide, now=NOW).key == "d3_polo_care"

    def test_what_she_picked_joins_the_offer_once(self, org):
        task = make_talk(make_member(owner=org.guide), org.guide)
        usual = ["m30_first_store", "m30_suit", "m30_any_store"]

        def with_(key):
            return [one.key for one in offer(task, guide=org.guide, now=NOW, also=key)]

        assert with_("d3_any_fit") == [*usual, "d3_any_fit"]
        assert with_("m30_suit") == with_("d90_first_coupon") == with_("nonsense") == usual

    def test_but_not_against_facts_or_an_opt_out(self, org):
        task = make_talk(make_member(owner=org.guide, marketing_opt_out=["wecom_message"]), org.guide)
        assert offer_one(task, "d90_first_coupon", guide=org.guide, now=NOW) is None
        task.context["facts"] = {"coupon_title": "满减券"}
        assert offer_one(task, "d90_first_coupon", guide=org.guide, now=NOW) is None

    @pytest.mark.parametrize("key", ["", "nonsense", "own:", "own:999999", "own:x", "announce_remind"])
    def test_what_is_not_there_is_nothing(self, org, key):
        assert offer_one(make_talk(make_member(owner=org.guide), org.guide), key, guide=org.guide, now=NOW) is None

    def test_own_words_are_hers_alone(self, org):
        task = make_talk(make_member(owner=org.guide), org.guide)
        mine = ScriptFavourite.objects.create(guide=org.guide, text="谢啦", created_at=NOW)
        assert offer_one(task, f"own:{mine.pk}", guide=org.guide, now=NOW).text == "谢啦"
        assert offer_one(task, f"own:{mine.pk}", guide=org.stranger, now=NOW) is None


@pytest.mark.parametrize("rows", [1, 4])
def test_a_list_needs_the_same_queries_for_any_length(org, rows, django_assert_num_queries):
    for number in range(rows):
        make_talk(make_member(owner=org.guide), org.guide, node=["m30", "d3", "d30", "d60"][number])
    tasks = list(Task.objects.with_people().order_by("pk"))
    guide = tasks[0].assignee
    # the guide's store; last items; scripts; uses; favourites; where one asks how it was, the links of surveys
    with django_assert_num_queries(5 + (rows > 1)):
        offered = offer_many(tasks, guide=guide, now=NOW)
    assert len(offered) == rows and all(offered.values())
