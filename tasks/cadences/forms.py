"""The form of one step: text in, numbers out, and a sentence in Chinese for each field that does not fit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .models import CadenceStep
from .publishing import BUYERS, DAYS, check_step, facts_of

INTEGERS = (*DAYS, "offset_minutes", "priority")


@dataclass
class StepForm:
    """What was typed, what it means, and what is wrong with it. Nothing typed is ever lost."""

    step: CadenceStep
    typed: dict[str, str]
    changes: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, str] = field(default_factory=dict)  # what somebody else made of a field meanwhile

    @classmethod
    def of(cls, step: CadenceStep) -> "StepForm":
        """Return the form as it opens."""
        return cls(step, typed_of(facts_of(step)))

    @classmethod
    def read(cls, step: CadenceStep, data: Mapping[str, str]) -> "StepForm":
        """Return the form as it was sent; `errors` names every field that does not fit."""
        form = cls(step, {name: data.get(name, "")[:200].strip() for name in fields_of(step)})
        form._parse()
        trial = CadenceStep(**{f.attname: getattr(step, f.attname) for f in CadenceStep._meta.concrete_fields})
        for name, value in form.changes.items():
            setattr(trial, name, value)
        form.blame(check_step(trial))
        return form

    def _parse(self) -> None:
        for name in INTEGERS:
            if name in self.typed:
                self._number(name)
        percent = self.typed["on_time_target"].removesuffix("%").strip()
        if percent.isdecimal() and 1 <= int(percent) <= 100:
            self.changes["on_time_target"] = int(percent) / 100
        else:
            self.errors["on_time_target"] = "填 1 到 100 的整数"
        levels = {buyer: self.typed[f"priority_{buyer}"] for buyer in BUYERS}
        if all(level in ("", "1", "2", "3", "4", "5") for level in levels.values()):
            self.changes["priority_by_buyer"] = {buyer: int(level) for buyer, level in levels.items() if level}
        else:
            self.errors["priority_by_buyer"] = "优先级是 1 到 5"
        for name in ("why", "headline"):
            self.changes[name] = self.typed[name]

    def _number(self, name: str) -> None:
        text = self.typed[name]
        if text.isdecimal() and len(text) <= 4:
            self.changes[name] = int(text)
        else:
            self.errors[name] = "填一个整数" if text else "这里要填一个数"

    @property
    def buyer_levels(self) -> list[dict[str, str]]:
        """Return the priority by purchases so far, as three inputs."""
        return [
            {"key": key, "name": str(name), "typed": self.typed.get(f"priority_{key}", "")}
            for key, name in BUYERS.items()
            if key in self.step.buyers
        ]

    def blame(self, problems: list[dict[str, str]]) -> None:
        """Take over what the rules say, the first sentence of each field."""
        for problem in problems:
            self.errors.setdefault(problem["field"], problem["message"])

    def compare(self, current: Mapping[str, Any]) -> None:
        """Show beside each field what it became meanwhile, where that is not what was typed."""
        self.theirs = {name: text for name, text in typed_of(current).items() if self.typed.get(name) != text}


def fields_of(step: CadenceStep) -> tuple[str, ...]:
    """Return the names of the inputs."""
    windows = ("offset_minutes",) if step.offset_minutes is not None else DAYS
    return (*windows, "priority", *(f"priority_{buyer}" for buyer in BUYERS), "on_time_target", "why", "headline")


def typed_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the facts of a step as the inputs show them."""
    texts = {name: "" if facts[name] is None else str(facts[name]) for name in INTEGERS}
    return texts | {
        **{f"priority_{buyer}": str(facts["priority_by_buyer"].get(buyer, "")) for buyer in BUYERS},
        "on_time_target": f"{facts['on_time_target'] * 100:.0f}",
        "why": facts["why"],
        "headline": facts["headline"],
    }
