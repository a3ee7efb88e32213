"""How figures, moments and people are written, and the markup every page shares."""

from datetime import date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.messages import success
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.test import RequestFactory

from yejibao.core import clock as product_clock
from yejibao.core import hx, nav, words
from yejibao.core.scope import Actor, Grant
from yejibao.core.templatetags import yjb


def at(text: str) -> datetime:
    return product_clock.parse_iso(text)


NOW = at("2026-11-21 10:10")  # a Saturday


def render(source: str, **context: Any) -> str:
    return Template(source).render(Context(context | {"now": NOW}))


# ---------------------------------------------------------------- money and figures


@pytest.mark.parametrize(
    ("fen", "short", "exact", "large"),
    [
        (268000, "¥2,680", "¥2,680.00", "¥2,680"),
        (123450, "¥1,235", "¥1,234.50", "¥1,235"),
        (12_800_000, "¥128,000", "¥128,000.00", "¥12.8 万"),
        (-12_800_000, "-¥128,000", "-¥128,000.00", "-¥12.8 万"),
        (100_000_000, "¥1,000,000", "¥1,000,000.00", "¥100 万"),
        (0, "¥0", "¥0.00", "¥0"),
        (None, "—", "—", "—"),
    ],
)
def test_money_is_read_as_a_person_says_it(fen: int | None, short: str, exact: str, large: str) -> None:
    assert (words.yuan(fen), words.yuan_exact(fen), words.wan(fen)) == (short, exact, large)


def test_a_figure_without_data_says_so() -> None:
    assert render("{{ x|pct }} {{ x|count }} {{ x|short_day }} {{ x|clock_time }} {{ x|ago }}", x=None) == "— — — — —"


def test_shares_and_counts() -> None:
    assert render("{{ a|pct }} {{ a|pct:1 }} {{ b|count }} {{ c|count }}", a=0.784, b=2184, c=218_460) == (
        "78% 78.4% 2,184 21.8 万"
    )


# ---------------------------------------------------------------- days, moments, deadlines


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (date(2026, 11, 21), "今天"),
        (date(2026, 11, 22), "明天"),
        (date(2026, 11, 20), "昨天"),
        (date(2026, 11, 24), "11-24"),
        (date(2026, 9, 2), "9-02"),
        (date(2025, 12, 21), "2025-12-21"),
        (at("2026-11-22 00:30"), "明天"),  # still the 21st in UTC
    ],
)
def test_days_are_named_by_their_distance(day: date, said: str) -> None:
    assert words.short_day(day, NOW) == said


def test_moments_are_shanghai_time() -> None:
    moment = at("2026-11-21T01:58:00+00:00")
    assert render("{{ m|clock_time }} / {{ m|short_moment:now }} / {{ m|weekday }} / {{ m|long_day }}", m=moment) == (
        "9:58 / 今天 9:58 / 周六 / 11 月 21 日 周六"
    )


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-11-21 10:09:40", "刚刚"),
        ("2026-11-21 09:58", "12 分钟前"),
        ("2026-11-21 07:00", "3 小时前"),
        ("2026-11-19 10:00", "2 天前"),
        ("2026-10-01 10:00", "10-01"),
    ],
)
def test_how_long_ago(moment: str, said: str) -> None:
    assert words.ago(at(moment), NOW) == said


@pytest.mark.parametrize(
    ("hour", "said"),
    [("04:59", "夜深了"), ("05:00", "早上好"), ("11:00", "中午好"), ("13:00", "下午好"), ("18:00", "晚上好")],
)
def test_greeting_follows_the_clock(hour: str, said: str) -> None:
    assert words.greeting(at(f"2026-11-21 {hour}")) == said


@pytest.mark.parametrize(
    ("due_at", "said", "level"),
    [
        ("2026-11-21 10:28", "剩 18 分", "now"),
        ("2026-11-21 10:10:30", "剩 1 分", "now"),
        ("2026-11-21 11:30", "剩 1 时 20 分", "now"),
        ("2026-11-21 11:10", "剩 1 时", "now"),
        ("2026-11-21 12:09:59", "剩 2 时", "now"),
        ("2026-11-21 12:10", "今天 12:10 前", "today"),
        ("2026-11-21 22:00", "今天 22:00 前", "today"),
        ("2026-11-22 00:00", "今天内", "today"),
        ("2026-11-22 20:00", "明天 20:00 前", "week"),
        ("2026-11-23 00:00", "明天内", "week"),
        ("2026-11-24 22:00", "11-24 前", "week"),
        ("2027-01-20 22:00", "2027-1-20 前", "week"),
        ("2026-11-21 10:10", "超 1 分", "now"),
        ("2026-11-21 09:40", "超 30 分", "now"),
        ("2026-11-21 07:00", "超 3 时", "now"),
        ("2026-11-19 10:00", "超 2 天", "now"),
    ],
)
def test_a_deadline_says_what_is_left(due_at: str, said: str, level: str) -> None:
    assert (words.due_words(at(due_at), NOW), words.urgency(at(due_at), NOW)) == (said, level)


def test_later_this_week_is_a_weekday() -> None:
    assert words.due_words(at("2026-11-22 22:00"), at("2026-11-18 10:00")) == "周日前"


def test_due_at_midnight_is_today_until_it_is_near() -> None:
    assert words.due_words(at("2026-11-22 00:00"), at("2026-11-21 23:00")) == "剩 1 时"


def test_countdown_ticks_only_in_the_last_two_hours() -> None:
    near = render("{% countdown due now 'end' %}", due=at("2026-11-21 10:28"))
    far = render("{% countdown due now %}", due=at("2026-11-21 22:00"))
    assert '<span class="due c-red end">' in near
    assert '<span data-due="1080">剩 18 分</span>' in near
    assert far == '<span class="due c-amber " data-due="42600">今天 22:00 前</span>'
    assert render("{% countdown due now %}", due=None) == ""


# ---------------------------------------------------------------- people


def test_people_are_masked_and_keep_their_colour() -> None:
    said = render(
        "{{ p|mask_phone }} {{ n|mask_name }} {{ n|surname }} {{ 7|avatar_class }}", p="13800132075", n="王建平"
    )
    assert said == "138****2075 王** 王 a2"
    assert {yjb.avatar_class(pk) for pk in range(600)} == {"a1", "a2", "a3", "a4", "a5", "a6"}


def test_every_tier_has_a_word_and_none_shows_nothing() -> None:
    assert [render("{% tier t %}", t=key) for key in ("core", "unconsumed", None, "gold")] == [
        '<span class="tier core">核心</span>', '<span class="tier non">未消费</span>', "", "",
    ]  # fmt: skip


# ---------------------------------------------------------------- markup is whole, and nothing slips through


class Balance(HTMLParser):
    """Raises when a tag is left open or closed twice."""

    VOID = ("br", "input", "hr", "img", "meta", "link", "circle", "line", "rect", "polygon", "polyline", "path")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def check_whole(html: str) -> str:
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    return html


BAD = "<script>alert(1)</script>\"'&"


@pytest.mark.parametrize(
    "source",
    [
        "{{ bad|script_marks }}", "{{ bad|highlight:'script' }}", "{% avatar bad 1 %}", "{% icon bad %}",
        "{% progress 3 10 '' bad %}", "{% tape 1 2 bad %}", "{% garment bad bad name=bad %}",
        "{% heat_cell 0.5 2 bad bad bad %}", "{% sheet 'x' title=bad %}{{ bad }}{% endsheet %}",
        "{% ring 50 label=bad %}{{ bad }}{% endring %}", "{% sparkline values label=bad %}",
        "{% bars values names label=bad %}", "{% trail steps bad %}",
    ],
)  # fmt: skip
def test_what_people_typed_stays_text(source: str) -> None:
    html = check_whole(
        render(source, bad=BAD, values=[1, 2, 3], names=[BAD, BAD, BAD], steps=[{"label": BAD, "note": BAD}])
    )
    assert "<script" not in html
    assert "\"'&" not in html


def test_filled_variables_of_a_script_are_marked() -> None:
    assert render("{{ s|script_marks }}", s="⟦王哥⟧，您好\n<b>") == "<mark>王哥</mark>，您好<br>&lt;b&gt;"


def test_search_words_are_marked_once_whatever_they_are() -> None:
    assert render("{{ s|highlight:q }}", s="大衣 mark", q="mark k 大衣") == (
        '<mark class="k">大衣</mark> <mark class="k">mark</mark>'
    )
    assert render("{{ s|highlight:q }}", s="a<b", q="") == "a&lt;b"


def test_heat_says_in_words_what_it_shows_in_colour() -> None:
    bad = render("{% heat_cell 0.44 4 '/m/drill/' '郭宇航' '3 天' %}")
    assert 'class="c low"' in bad and 'aria-label="郭宇航 3 天 完成 44%，超时 4 件"' in bad and "超时 4" in bad
    assert 'class="c w"' in render("{% heat_cell 0.9 %}")
    assert 'class="c "' in render("{% heat_cell 0.44 0 %}")  # few done, but nothing late: no alarm
    assert render("{% heat_cell None %}") == '<span class="c na">–</span>'


def test_charts_need_no_more_than_they_are_given() -> None:
    assert render("{% sparkline v %}", v=[]) == render("{% sparkline v %}", v=[3, None]) == ""
    assert render("{% bars v %}", v=[]) == ""
    check_whole(render("{% sparkline v %}", v=[0, 0, None, 0]))
    check_whole(render("{% bars v n %}", v=[0, 0], n=["一", "二"]))
    assert render("{% bars v stacked=True %}", v=[[1, 2], [3]]).count("<rect") == 3
    assert "—" in render("{% ring None %}{% endring %}")


def test_goods_without_photo_get_their_silhouette() -> None:
    assert 'href="#g-coat"' in render("{% garment '羊毛大衣' '藏青' %}")
    assert 'href="#g-bag"' in render("{% garment None %}")
    sprite = check_whole(render("{% garment_sprite %}"))
    assert sprite.startswith("<svg") and 'id="g-coat"' in sprite


def test_each_icon_the_templates_name_is_in_the_sprite() -> None:
    import re

    from django.conf import settings

    have = set(re.findall(r'id="i-([a-z0-9-]+)"', (settings.BASE_DIR / "static" / "icons.svg").read_text()))
    used = {
        (name, str(file.relative_to(settings.BASE_DIR)))
        for file in (settings.BASE_DIR / "templates").rglob("*.html")
        for name in re.findall(r'(?:{% icon "|\sicon=")([a-z0-9-]+)"', file.read_text())
    }
    assert {(name, file) for name, file in used if name not in have} == set()


# ---------------------------------------------------------------- navigation


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nav, "_areas", {"hq": {}})
    nav.add("hq", key="late", label="推送健康", icon="activity", url="/hq/push/", order=90, permission="push.view")
    nav.add("hq", key="rules", label="回访规则", icon="workflow", url="/hq/rules/", order=20, roles=("hq_operator",))
    nav.add("hq", key="home", label="总览", icon="list", url="/hq/", order=10, badge=lambda request: 4)
    nav.add("hq", key="ghost", label="还没有", icon="list", url="nowhere:at_all", order=1)


def ask(path: str, actor: Actor | None) -> HttpRequest:
    request = RequestFactory().get(path)
    request.actor = actor  # type: ignore[attr-defined]
    return request


def test_navigation_shows_what_works_and_is_allowed(places: None) -> None:
    operator = Actor(kind="staff", grants=(Grant("hq_operator", "all"),))
    watcher = Actor(kind="staff", permissions=frozenset({"push.view"}))
    assert [one.key for one in nav.entries("hq", ask("/hq/", operator))] == ["home", "rules"]
    assert [one.key for one in nav.entries("hq", ask("/hq/", watcher))] == ["home", "late"]
    assert [one.key for one in nav.entries("hq", ask("/hq/", None))] == ["home"]


def test_the_menu_is_that_of_the_role_one_works_in(places: None) -> None:
    held = {"kind": "staff", "grants": (Grant("hq_operator", "all"), Grant("hq_training", "all"))}
    may = frozenset({"push.view"})
    at_rules = Actor(**held, working_role="hq_operator", permissions=may)  # type: ignore[arg-type]
    teaching = Actor(**held, working_role="hq_training", permissions=may, working_permissions=may)  # type: ignore[arg-type]
    assert [one.key for one in nav.entries("hq", ask("/hq/", at_rules))] == ["home", "rules"]
    assert [one.key for one in nav.entries("hq", ask("/hq/", teaching))] == ["home", "late"]


def test_a_group_stands_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nav, "_areas", {"hq": {}})
    for key, group, order in (("a", "系统", 50), ("b", "", 60), ("c", "组织", 55), ("d", "系统", 90)):
        nav.add("hq", key=key, label=key, icon="list", url=f"/hq/{key}/", order=order, group=group)
    assert [one.key for one in nav.entries("hq", ask("/hq/", None))] == ["b", "a", "d", "c"]


def test_the_longest_matching_place_is_the_current_one(places: None) -> None:
    operator = Actor(kind="staff", grants=(Grant("hq_operator", "all"),))
    found = nav.entries("hq", ask("/hq/rules/3369/", operator))
    assert [(one.key, one.current, one.count) for one in found] == [("home", False, 4), ("rules", True, None)]
    assert [one.current for one in nav.entries("hq", ask("/elsewhere/", operator), current="home")] == [True, False]


# ---------------------------------------------------------------- toasts


def test_toasts_add_up_and_survive_the_header() -> None:
    response = hx.close_sheet(hx.toast(HttpResponse(), "李志强 标记为已回复", undo="/undo/", target="#task-7"))
    header = response["HX-Trigger"]
    assert header.isascii()
    import json

    assert json.loads(header) == {
        "toast": {"text": "李志强 标记为已回复", "undo": "/undo/", "target": "#task-7", "swap": "outerHTML"},
        "closeSheet": None,
    }


def test_a_flash_waits_for_the_next_page(rf: RequestFactory) -> None:
    from django.contrib.messages.storage.cookie import CookieStorage

    request = rf.get("/")
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    hx.flash(request, "已保存", undo="/undo/")
    success(request, "第二句")
    html = render(
        "{% flashes as said %}{% for one in said %}{{ one.text }}|{{ one.undo }};{% endfor %}", request=request
    )
    assert html == "已保存|/undo/;第二句|;"
