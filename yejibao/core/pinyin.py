"""The first letters of Chinese words, for people who search as they type on a phone: dybh finds 大衣保护."""

from bisect import bisect_right
from functools import lru_cache

# The characters of GB 2312's first level stand in the order of their readings; each letter begins at one of these.
_LETTERS = "abcdefghjklmnopqrstwxyz"
_BEGIN = "啊芭擦搭蛾发噶哈击喀垃妈拿哦啪期然撒塌挖昔压匝"
_EDGES = [int.from_bytes(character.encode("gb2312"), "big") for character in _BEGIN]
_LAST = int.from_bytes("座".encode("gb2312"), "big")
# Common words of the trade whose character is of the second level, or is read otherwise there than in the standard.
_OTHERS = {
    "熨": "y",
    "褶": "z",
    "裥": "j",
    "氅": "c",
    "绗": "h",
    "瘪": "b",
    "喱": "l",
    "莱": "l",
    "嘿": "h",
    "咖": "k",
    "卡": "k",
}


@lru_cache(maxsize=8192)
def initials(text: str) -> str:
    """Return the first letter of each character's reading; Latin letters and digits stay, what has no reading is a blank.

    A character with several readings has the one of the standard's order. That is enough to find, not to read aloud.
    """
    return "".join(_letter(character) for character in text)


def _letter(character: str) -> str:
    if character.isascii():
        return character.lower() if character.isalnum() else " "
    if character in _OTHERS:
        return _OTHERS[character]
    try:
        place = int.from_bytes(character.encode("gb2312"), "big")
    except UnicodeEncodeError:
        return " "
    return _LETTERS[bisect_right(_EDGES, place) - 1] if _EDGES[0] <= place <= _LAST else " "
