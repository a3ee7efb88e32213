"""Every place in the product that guards against a race is in the list of guards, or says why it need not be."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .guards import GUARDS, REASONS, SHOWN_ELSEWHERE
from .taking_out import ROOT

WORDS = re.compile(
    r"pg_(?:try_)?advisory|FOR (?:NO KEY )?UPDATE|SKIP LOCKED|select_for_update|ON CONFLICT|ignore_conflicts|update_conflicts"
    r"|get_or_create|update_or_create|claim_token",
    re.IGNORECASE,
)
DEPARTMENTS = ("guides", "crm", "tasks", "livestream", "yejibao")


def places(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield `path:name` and the words of each function, method and constant of a file that has any."""
    name, text = str(path.relative_to(ROOT)), path.read_text()
    # Most files have none anywhere, and to take a file apart takes long.
    todo: list[tuple[str, ast.AST]] = [("", ast.parse(text))] if WORDS.search(text) else []
    while todo:
        prefix, outer = todo.pop()
        for node in ast.iter_child_nodes(outer):
            if isinstance(node, ast.ClassDef):
                todo.append((f"{prefix}{node.name}.", node))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{prefix}{node.name}", words_of(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name):
                    yield f"{name}:{prefix}{target.id}", words_of(node)


def words_of(node: ast.AST) -> set[str]:
    """Return the words in the code of a node; comments and docstrings tell, they do not guard."""
    for one in ast.walk(node):
        body = getattr(one, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0] = ast.Pass()
    return {found.lower() for found in WORDS.findall(ast.unparse(node))}


def test_every_place_is_guarded_or_says_why_not() -> None:
    found = [
        place
        for department in DEPARTMENTS
        for path in sorted((ROOT / department).rglob("*.py"))
        if "migrations" not in path.parts
        for place, words in places(path)
        if words
    ]
    named = {guard.at for guard in GUARDS} | set(SHOWN_ELSEWHERE) | set(REASONS)
    left = sorted(set(found) - named)
    assert left == [], "a guard without a race in tests/races/guards.py"


def test_what_is_shown_elsewhere_is_there() -> None:
    for test in SHOWN_ELSEWHERE.values():
        path, name = test.split("::")
        assert f"def {name}(" in (ROOT / path).read_text(), test
