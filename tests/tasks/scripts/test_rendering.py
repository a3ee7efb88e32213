"""From a script to what the member reads."""

import pytest

from tasks.scripts.rendering import Rendered, render
from tasks.scripts.words import variables


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        (
            "{member_name}，{item_name}合身吗？",
            {"member_name": "王哥", "item_name": "藏青套西"},
            "王哥，藏青套西合身吗？",
        ),
        ("我是{guide_name}", {}, "我是您的专属导购"),
        ("我是{guide_name}", {"guide_name": "  "}, "我是您的专属导购"),
        ("我是{guide_name}", {"guide_name": None}, "我是您的专属导购"),
        ("地址{store_address}。", {}, "地址。"),
        ("有{points}积分", {"points": 1200}, "有1200积分"),
        ("好搭[，点开看：{outfit_link}]。", {}, "好搭。"),
        ("好搭[，点开看：{outfit_link}]。", {"outfit_link": "https://x/1"}, "好搭，点开看：https://x/1。"),
        ("{live_time}[：{live_link}]见[{outfit_link}]", {"live_link": "L"}, "今晚：L见"),
        ("谢谢[微笑]，{member_name}", {"member_name": "王哥"}, "谢谢[微笑]，王哥"),
        ("[{outfit_name}：{outfit_link}]", {"outfit_link": "L"}, "这套搭配：L"),
    ],
)
def test_fills_in(text, values, expected):
    assert render(text, values).text == expected


@pytest.mark.parametrize("name", sorted(variables()))
def test_every_variable_falls_back_to_what_the_domain_file_says(name):
    text = f"[{{{name}}}]" if name.endswith("_link") else f"{{{name}}}"
    assert render(text, {}).text == variables()[name]
    assert render(text, {name: "好"}).text == "好"


@pytest.mark.parametrize(
    "trick",
    [
        "{guide_name}",
        "{0}",
        "{member_name.__class__}",
        "%(guide_name)s",
        "[{outfit_link}]",
        "{{member_name}}",
        "$guide_name",
    ],
)
def test_what_a_member_calls_himself_is_never_a_format(trick):
    values = {"member_name": trick, "guide_name": "晓雯", "outfit_link": "https://x"}
    assert render("{member_name}您好，我是{guide_name}", values).text == f"{trick}您好，我是晓雯"


@pytest.mark.parametrize(
    "text", ["{unknown}", "{member_name.phone}", "{member_name[0]}", "{0}", "{}", "{ member_name }"]
)
def test_what_is_no_variable_stays_as_it_is(text):
    assert render(text, {"member_name": "王哥"}).text == text


def test_values_are_one_line_without_marks():
    assert render("{member_name}", {"member_name": " 王\n哥⟦\t⟧ "}).text == "王 哥"


def test_tells_where_values_were_filled_in_and_only_values():
    rendered = render("{member_name}，我是{guide_name}，{size}留好了", {"member_name": "王哥", "size": "175/92A"})
    assert rendered.text == "王哥，我是您的专属导购，175/92A留好了"
    assert [rendered.text[start:end] for start, end in rendered.spans] == ["王哥", "175/92A"]
    assert rendered.marked == "⟦王哥⟧，我是您的专属导购，⟦175/92A⟧留好了"


def test_marks_nothing_when_nothing_was_filled_in():
    assert Rendered("您好").marked == "您好"
