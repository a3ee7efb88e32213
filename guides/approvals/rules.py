"""Who approves what, as data/four_eyes.yaml says it."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from yejibao.core.domain_files import read_yaml
from yejibao.core.scope import Actor

FILE = Path(__file__).parent.parent / "data" / "four_eyes.yaml"

Step = tuple[str, ...]  # one approval: by a holder of any of these roles


@dataclass(frozen=True)
class Kind:
    """One thing that is asked and approved. `approvals` by the role that asks, each by a different person."""

    key: str
    label: str
    permission: str
    lasts: timedelta
    approvals: dict[str, tuple[Step, ...]]

    def asking_role(self, actor: Actor) -> str:
        """Return the role in which a person asks: the one he works in before others he holds; "" where he may not."""
        if self.permission and not actor.may(self.permission):
            return ""
        held = [actor.working_role, *(grant.role for grant in actor.grants)]
        return next((role for role in held if role in self.approvals and actor.has_role(role)), "")


@cache
def kinds() -> dict[str, Kind]:
    """Return all kinds by key."""
    book = read_yaml(FILE)["kinds"]
    return {
        key: Kind(
            key,
            row["label"],
            row["ask"],
            timedelta(days=row["days"]),
            {role: tuple(tuple(step) for step in steps) for role, steps in row["approvals"].items()},
        )
        for key, row in book.items()
    }
