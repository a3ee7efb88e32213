"""The library as a guide uses it."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tasks.scripts.loading import load_scripts
from tasks.scripts.models import Script, ScriptFavourite
from tests.factories.crm import make_member
from tests.factories.guides import make_org, sign_in
from tests.factories.scripts import make_talk
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:10")


@pytest.fixture
def org(clock):
    clock.travel(NOW)
    load_scripts(now=NOW)
    return make_org()


@pytest.fixture
def she(org):
    return sign_in(Client(), org.guide)


def text(answer):
    return answer.content.decode()


def counts(answer):
    return {tab["key"]: tab["count"] for tab in answer.context["tabs"]}


def titles(answer):
    return [card.title for card in answer.context["cards"]]


class TestLibrary:
    def test_shows_everything_for_members_page_by_page(self, she):
        first = she.get("/g/scripts/")
        assert counts(first) == {
            "all": (shown := Script.objects.filter(audience="member").count()),
            "fav": 0,
            "mine": 0,
        }
        assert len(first.context["cards"]) == 20
        assert "〔称呼〕" in text(first) and "{member_name}" not in text(first)
        assert "我是新街口店的晓雯" in text(first)
        assert 'hx-get="/g/scripts/?page=2"' in text(first)
        last = she.get("/g/scripts/?page=9", headers={"HX-Request": "true"})
        assert len(last.context["cards"]) == shown % 20 and "<html" not in text(last)

    @pytest.mark.parametrize(
        ("asked", "expected"),
        [
            ("q=衣架", {"西服 · 致谢"}),
            ("q=羽绒+压痕", {"羽绒 · 问合身"}),
            ("q=元宵", {"节日祝福 · 元宵"}),
            ("q=皮衣+60天", {"皮衣 · 请他来"}),
            ("topic=3369&node=d90&product=down", {"首购 · 问近况 · 带券", "复购 · 问近况 · 带穿搭", "问近况 · 说积分",
                                                  "复购 · 问近况 · 快升级", "VIP · 问近况", "问近况"}),
            ("topic=vip", {"VIP季度关怀", "VIP季度关怀 · 出差"}),
            ("q=没有这句话", set()),
            ("topic=nonsense&node=x&tab=y&page=-1&q=元宵", {"节日祝福 · 元宵"}),
        ],
    )  # fmt: skip
    def test_searches_by_text_kind_node_scene_and_product(self, she, asked, expected):
        assert set(titles(she.get(f"/g/scripts/?{asked}"))) == expected

    def test_what_was_searched_for_is_marked(self, she):
        assert '<mark class="k">衣架</mark>' in text(she.get("/g/scripts/?q=衣架"))

    def test_what_is_searched_for_is_never_markup(self, she):
        assert "<script>alert" not in text(she.get("/g/scripts/?q=<script>alert(1)</script>"))

    def test_ranks_by_reply_rate_where_it_is_known(self, she):
        Script.objects.filter(key="holiday_labor").update(used_90_count=40, replied_90_count=20, counted_at=NOW)
        Script.objects.filter(key="holiday_qixi").update(used_90_count=400, replied_90_count=40, counted_at=NOW)
        Script.objects.filter(key="holiday_laba").update(used_90_count=9, replied_90_count=9, counted_at=NOW)
        answer = she.get("/g/scripts/?topic=holiday")
        cards = {card.title: (card.used, card.reply_rate) for card in answer.context["cards"]}
        assert titles(answer)[:2] == ["节日祝福 · 腊八", "节日祝福 · 五一"]
        assert (cards["节日祝福 · 五一"], cards["节日祝福 · 腊八"]) == ((40, 0.5), (9, None))
        assert "50%" in text(answer) and "近 90 天发给 40 人" in text(answer) and "截至 今天 10:10" in text(answer)
        assert titles(she.get("/g/scripts/?topic=holiday&page=2"))[-1] == "节日祝福 · 七夕"

    def test_what_was_never_counted_is_a_dash(self, she):
        assert "近 90 天 —" in text(she.get("/g/scripts/"))

    def test_needs_the_same_queries_whatever_she_keeps(self, she, org, django_assert_num_queries):
        she.get("/g/scripts/")
        with CaptureQueriesContext(connection) as before:
            she.get("/g/scripts/")
        for number in range(5):
            ScriptFavourite.objects.create(guide=org.guide, text=f"我的第 {number} 条", created_at=NOW)
        with django_assert_num_queries(len(before)):
            she.get("/g/scripts/")
        assert sum("tasks_script" in query["sql"] for query in before) == 2

    def test_is_for_guides_and_their_managers(self, org):
        assert sign_in(Client(), org.manager).get("/g/scripts/").status_code == 200
        assert Client().get("/g/scripts/", headers={"Accept": "text/html"}).status_code == 302


class TestForATask:
    @pytest.fixture
    def task(self, org):
        return make_talk(make_member(owner=org.guide, name="王建平", salutation="王哥"), org.guide)

    def test_offers_what_fits_filled_in(self, she, task):
        answer = she.get(f"/g/scripts/?task={task.pk}")
        assert titles(answer) == ["首购 · 致谢", "西服 · 致谢", "致谢"]
        assert "王哥您好，我是新街口店的晓雯" in text(answer)
        assert f"/g/tasks/{task.pk}/?script=m30_first_store" in text(answer)
        assert "推荐给王哥" in text(answer) and "发给王哥" in text(answer) and "正在写给王建平" in text(answer)

    def test_a_search_hits_what_was_filled_in(self, she, task):
        assert titles(she.get(f"/g/scripts/?task={task.pk}&q=套西+衣架")) == ["西服 · 致谢"]

    def test_what_leans_on_an_unknown_fact_says_so_and_cannot_be_sent(self, she, task):
        answer = she.get(f"/g/scripts/?task={task.pk}&topic=3369&node=d90")
        card = next(card for card in answer.context["cards"] if card.key == "d90_first_coupon")
        assert (card.may_send, card.why_not) == (False, "现在没有券")
        assert f"/g/tasks/{task.pk}/?script=d90_first_coupon" not in text(answer)

    def test_a_closed_task_is_only_for_reading(self, she, task):
        task.move_to("cancelled", closed_at=NOW)
        assert "?script=" not in text(she.get(f"/g/scripts/?task={task.pk}"))

    @pytest.mark.parametrize("number", ["0", "x", "99999999", "-1"])
    def test_a_task_that_is_not_there(self, she, number):
        assert she.get(f"/g/scripts/?task={number}").status_code == 404

    def test_a_colleague_of_another_store_sees_nothing_of_it(self, org, task):
        assert sign_in(Client(), org.stranger).get(f"/g/scripts/?task={task.pk}").status_code == 404


class TestFavourites:
    def test_the_star_goes_on_and_off(self, she, org):
        url = "/g/scripts/m30_suit/favourite/"
        answer = she.post(url, {"on": "1"}, headers={"HX-Request": "true"})
        assert 'aria-pressed="true"' in text(answer) and "HX-Trigger" in answer.headers
        she.post(url, {"on": "1"})
        assert [card.key for card in she.get("/g/scripts/?tab=fav").context["cards"]] == ["m30_suit"]
        assert she.get("/g/scripts/").context["cards"][0].key == "m30_suit"
        she.post(url, {"on": "0"})
        assert not ScriptFavourite.objects.exists()

    @pytest.mark.parametrize("key", ["nonsense", "announce_remind"])
    def test_what_is_not_in_her_library_is_not_there(self, she, key):
        assert she.post(f"/g/scripts/{key}/favourite/", {"on": "1"}).status_code == 404

    def test_hers_are_not_a_colleagues(self, she, org):
        she.post("/g/scripts/m30_suit/favourite/", {"on": "1"})
        assert counts(sign_in(Client(), org.stranger).get("/g/scripts/"))["fav"] == 0


class TestOwnWords:
    def test_writes_changes_and_deletes(self, she, org):
        assert she.get("/g/scripts/mine/new/?node=d3").context["node"] == "d3"
        assert she.post("/g/scripts/mine/new/", {"text": "〔称呼〕，路上慢点", "node": "m30"}).status_code == 302
        mine = ScriptFavourite.objects.get()
        assert (mine.text, mine.node, mine.guide) == ("{member_name}，路上慢点", "m30", org.guide)
        assert "〔称呼〕，路上慢点" in text(she.get("/g/scripts/?tab=mine"))
        assert "〔称呼〕，路上慢点" in text(she.get(f"/g/scripts/mine/{mine.pk}/"))
        she.post(f"/g/scripts/mine/{mine.pk}/", {"text": "〔称呼〕，慢走", "node": ""})
        mine.refresh_from_db()
        assert (mine.text, mine.node) == ("{member_name}，慢走", "")
        she.post(f"/g/scripts/mine/{mine.pk}/delete/")
        assert not ScriptFavourite.objects.exists()

    @pytest.mark.parametrize(
        ("said", "fault"),
        [
            ("全网最低价给您", "不能说「全网最低」"),
            ("〔电话〕是多少", "认不得〔电话〕"),
            ("{phone}", "认不得变量「phone」"),
            ("看〔穿搭链接〕", "链接请在发送时再贴"),
            ("  ", "还没写内容"),
            ("好" * 301, "太长了，300 字以内"),
            ("😊😊", "表情最多一个"),
        ],
    )
    def test_says_what_may_not_be_said_and_keeps_the_text(self, she, said, fault):
        answer = she.post("/g/scripts/mine/new/", {"text": said, "node": ""})
        assert answer.status_code == 422
        assert fault in text(answer) and answer.context["text"] == said
        assert not ScriptFavourite.objects.exists()

    def test_a_colleagues_wording_is_not_there(self, she, org):
        hers = ScriptFavourite.objects.create(guide=org.stranger, text="别人的", created_at=NOW)
        for url in (f"/g/scripts/mine/{hers.pk}/", f"/g/scripts/mine/{hers.pk}/delete/"):
            assert she.post(url, {"text": "改掉", "node": ""}).status_code == 404
        hers.refresh_from_db()
        assert hers.text == "别人的"

    def test_comes_back_to_the_task(self, she, org):
        task = make_talk(make_member(owner=org.guide, salutation="王哥"), org.guide)
        answer = she.post(f"/g/scripts/mine/new/?task={task.pk}", {"text": "〔称呼〕，慢走", "node": "m30"})
        back = she.get(answer["Location"])
        assert "王哥，慢走" in text(back)
        assert f"/g/tasks/{task.pk}/?script=own%3A{ScriptFavourite.objects.get().pk}" in text(back)


class TestApi:
    def test_offers_for_a_task(self, she, org):
        task = make_talk(make_member(owner=org.guide, salutation="王哥"), org.guide)
        found = she.get(f"/api/v1/scripts/?task={task.pk}").json()["results"]
        assert [one["key"] for one in found] == ["m30_first_store", "m30_suit", "m30_any_store"]
        start, end = found[0]["spans"][0]
        assert found[0]["text"][start:end] == "王哥" and found[0]["may_send"]

    def test_searches_the_library(self, she):
        found = she.get("/api/v1/scripts/?q=衣架").json()["results"]
        assert [one["key"] for one in found] == ["m30_suit"] and not found[0]["may_send"]

    @pytest.mark.parametrize("asked", ["task=x", "topic=y", "node=d4"])
    def test_says_what_it_does_not_understand(self, she, asked):
        assert she.get(f"/api/v1/scripts/?{asked}").status_code == 422

    def test_the_star(self, she, org):
        url = "/api/v1/scripts/m30_suit/favourite/"
        answer = she.post(url, {"is_favourite": True}, content_type="application/json")
        assert (answer.status_code, answer.json()) == (200, {"is_favourite": True})
        assert ScriptFavourite.objects.get().script_key == "m30_suit"

    def test_a_task_of_another_store_is_not_there(self, org):
        task = make_talk(make_member(owner=org.guide), org.guide)
        assert sign_in(Client(), org.stranger).get(f"/api/v1/scripts/?task={task.pk}").status_code == 404
