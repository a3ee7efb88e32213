"""The rules in force, read once per act: the published version of a cadence and its steps."""

from dataclasses import dataclass
from typing import Any

from .models import CadenceStep, CadenceVersion


@dataclass(frozen=True)
class Rulebook:
    """A cadence's published version with all that enrolling needs."""

    cadence_id: int
    version: CadenceVersion
    steps: tuple[CadenceStep, ...]

    @property
    def rules(self) -> dict[str, Any]:
        return self.version.rules

    def plan(self, buyer: str) -> list[str]:
        """Return the step keys of a full cycle for a purchase node."""
        return [step.key for step in self.steps if buyer in step.buyers]

    @property
    def small_plan(self) -> list[str]:
        return [step.key for step in self.steps if step.in_small]

    @property
    def plans(self) -> dict[str, list[str]]:
        return {buyer: self.plan(buyer) for buyer in ("first", "repeat", "loyal")} | {"small": self.small_plan}

    @property
    def first_key(self) -> str:
        """Return the key of the first touch, the one step that counts in minutes."""
        return next(step.key for step in self.steps if step.offset_minutes is not None)


def rules_of(cadence: str) -> Rulebook:
    """Return the rulebook of a cadence by key. Raises CadenceVersion.DoesNotExist if none is published."""
    version = CadenceVersion.objects.select_related("cadence").get(cadence__key=cadence, state="published")
    return Rulebook(version.cadence_id, version, tuple(version.steps.order_by("position")))
