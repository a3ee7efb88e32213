"""The matrix of who may do what to which rows, as data/access_matrix.yaml has it: the one source of every scoped.py."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from yejibao.core.domain_files import read_yaml

FILE = Path(__file__).parent.parent / "data" / "access_matrix.yaml"


@dataclass(frozen=True)
class Right:
    """How far one role reaches in one action, and how that is narrowed ("" where it is not)."""

    reach: str  # own, or a scope of org_and_roles.yaml
    only: str = ""


@cache
def book() -> dict[str, Any]:
    """Return the file as it stands."""
    loaded: dict[str, Any] = read_yaml(FILE)
    return loaded


@cache
def rights(action: str) -> dict[str, Right]:
    """Return what each role may do in an action; a role that is not named may nothing. Raises KeyError."""
    split = {role: word.partition("/") for role, word in book()["actions"][action].items()}
    return {role: Right(reach, only) for role, (reach, _slash, only) in split.items()}


@cache
def holders(action: str) -> tuple[str, ...]:
    """Return every role that is named in an action, however narrowed."""
    return tuple(rights(action))


@cache
def exactly(action: str, reach: str, only: str = "") -> tuple[str, ...]:
    """Return the roles with this very reach, narrowed in this very way."""
    return tuple(role for role, right in rights(action).items() if right == Right(reach, only))


@cache
def owners(action: str) -> tuple[str, ...]:
    """Return the roles that reach rows of their own, and the store's manager: she has members and tasks as a guide has."""
    named = [role for role, right in rights(action).items() if right.reach == "own"]
    return (*named, *(role for role in ("store_manager",) if role in rights(action) and role not in named))


@cache
def leaders(action: str, only: str = "") -> tuple[str, ...]:
    """Return the roles that reach the rows of a subtree; those narrowed in a way with `only`, else those who are not."""
    return tuple(role for role, right in rights(action).items() if right.reach != "own" and right.only == only)
