"""The domain file of patrols as it stands: what is no row of its own is read from here."""

from functools import cache
from pathlib import Path
from typing import Any

from yejibao.core.domain_files import read_yaml

FILE = Path(__file__).parent.parent / "data" / "patrol_checklist.yaml"


@cache
def book() -> dict[str, Any]:
    """Return the file."""
    loaded: dict[str, Any] = read_yaml(FILE)
    return loaded


def departments() -> dict[str, dict[str, Any]]:
    """Return the departments that patrol, by key: name, role at HQ, what they read before they go."""
    found: dict[str, dict[str, Any]] = book()["departments"]
    return found
