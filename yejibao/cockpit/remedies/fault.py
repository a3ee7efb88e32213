"""A part of the chain, what can be wrong with it and what to do: the shapes, and the words all judges share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from yejibao.core import words

Facts = dict[str, Any]
HQ, OPS = "总部", "运维"
SAFE = "任务和消息都在数据库里，一条不会丢。"


@dataclass(frozen=True)
class Step:
    """One thing to do: by whom, what, the command where there is one, and the screen where it can be done."""

    who: str
    what: str
    command: str = ""
    link: str = ""
    to: str = ""  # a URL name, with an anchor behind # where it needs one

    @property
    def url(self) -> str:
        name, mark, anchor = self.to.partition("#")
        try:
            return reverse(name) + mark + anchor if name else ""
        except NoReverseMatch:
            return ""


@dataclass(frozen=True)
class Fault:
    """`said`: 出错, 变慢 or 待处理 (a person has to decide about single rows)."""

    said: str
    what: str
    means: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Part:
    """One line of the page. `judge` returns what is wrong, or None; `note` a few figures."""

    key: str
    name: str
    does: str
    sign: str
    judge: Callable[[Facts, Facts], Fault | None]
    note: Callable[[Facts], str] = lambda facts: ""
    since: Callable[[Facts], datetime | None] | None = None
    shows: Callable[[Facts], bool] | None = None


def said(facts: Facts) -> str:
    return "出错" if facts["state"] == "down" else "变慢"


def share(value: float) -> str:
    return words.pct(value)


def long(seconds: float) -> str:
    """Return 50 秒, 12 分 or 1 时 20 分."""
    return f"{round(seconds)} 秒" if seconds < 120 else words.minutes_words(int(seconds) // 60)


def answers(facts: Facts) -> str:
    milliseconds = facts["milliseconds"]
    return "答一句不到 1 毫秒" if milliseconds < 1 else f"答一句 {milliseconds:.0f} 毫秒"


def restart(unit: str) -> tuple[Step, Step]:
    return (
        Step(OPS, "重启它，十几秒后这里应变回正常。", f"systemctl restart {unit}"),
        Step(OPS, "又停了，就看日志最后 50 行，把「error」那几行发给开发。", f"journalctl -u {unit} -n 50"),
    )
