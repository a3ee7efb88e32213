"""First letters of readings, as people type them."""

import pytest

from yejibao.core.pinyin import initials


@pytest.mark.parametrize(
    ("text", "letters"),
    [("大衣保养", "dyby"), ("30 分钟回访", "30 fzhf"), ("卡其裤", "kqk"), ("T恤POLO", "txpolo"), ("生日，券", "sr q"), ("雯", " ")],
)  # fmt: skip
def test_first_letters(text: str, letters: str) -> None:
    assert initials(text) == letters


def test_the_edges_of_the_table() -> None:
    assert initials("啊芭擦搭蛾发噶哈击喀垃妈拿哦啪期然撒塌挖昔压匝座") == "abcdefghjklmnopqrstwxyzz"
