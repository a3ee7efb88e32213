"""What v1 of the member API has promised, one line each: what an answer brings, and what a call takes or cannot do without.

`promised.txt` beside it is what is promised already. A promise may be added (test_client_walk.py says how), none is taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .schema_client import Operation, Schema, SchemaClient

FILE = Path(__file__).with_name("promised.txt")
Promise = tuple[str, str, str, str]  # operation, answers | takes | needs, field, type


def promised() -> set[Promise]:
    """Return what the file says."""
    rows = (line.split(" ", 3) for line in FILE.read_text().splitlines())
    return {(name, verb, field, kind) for name, verb, field, kind in rows}


def promise(more: set[Promise]) -> None:
    FILE.write_text("".join(f"{' '.join(line)}\n" for line in sorted(promised() | more)))


def given(schema: Schema) -> set[Promise]:
    """Return what the description says today."""
    return {line for one in SchemaClient(schema).operations.values() for line in _lines(schema, one)}


def broken(old: set[Promise], new: set[Promise]) -> list[Promise]:
    """Return what is no longer as it was promised, and what a call that was there now needs beside.

    More than was promised breaks nothing: a field that may be left out now, one of an answer that is always there now.
    """
    relaxed = {(name, "needs", field, kind) for name, verb, field, kind in new if verb == "takes"}
    surer = {(name, verb, field, f"{kind}, if any") for name, verb, field, kind in new if verb == "answers"}
    known = {(name, field) for name, verb, field, _kind in old if verb != "answers"}
    calls = {name for name, *_rest in old}
    asked = {
        line for line in new - old
        if line[1] == "needs" and line[0] in calls and (line[0], line[2]) not in known
        and (not (above := line[2].rpartition(".")[0]) or (line[0], above) in known)
    }  # fmt: skip
    return sorted((old - new - relaxed - surer) | asked)


def _lines(schema: Schema, one: Operation) -> Iterator[Promise]:
    code, answer = one.success
    yield one.id, "answers", str(code), " ".join(answer.get("content", {})) or "nothing"
    for content in answer.get("content", {}).values():
        for field, kind, is_sure in _fields(schema, content.get("schema", {}), ""):
            yield one.id, "answers", field, kind if is_sure else f"{kind}, if any"
    for parameter in one.facts.get("parameters", ()):
        kind = _kind(_plain(schema, parameter["schema"])[0])
        yield one.id, "needs" if parameter.get("required") else "takes", f"{parameter['in']}:{parameter['name']}", kind
    for content in one.facts.get("requestBody", {}).get("content", {}).values():
        for field, kind, is_needed in _fields(schema, content["schema"], ""):
            yield one.id, "needs" if is_needed else "takes", field, kind


def _fields(schema: Schema, node: Schema, above: str) -> Iterator[tuple[str, str, bool]]:
    """Yield each field below a schema with its type, and whether it is always there."""
    for plain in _plain(schema, node):
        if "items" in plain:
            yield from _fields(schema, plain["items"], above)
        for name, below in plain.get("properties", {}).items():
            field = f"{above}.{name}" if above else name
            kinds = sorted({_kind(one) for one in _plain(schema, below)} - {""})
            kind = "|".join(kinds) + (" or null" if below.get("nullable") else "")
            yield field, kind or "anything", name in plain.get("required", ())
            yield from _fields(schema, below, field)


def _plain(schema: Schema, node: Schema) -> list[Schema]:
    """Return the schemas a node stands for, its references followed."""
    if ref := node.get("$ref"):
        return _plain(schema, schema["components"]["schemas"][ref.rpartition("/")[2]])
    parts = [part for word in ("allOf", "oneOf", "anyOf") for part in node.get(word, ())]
    return [plain for part in parts for plain in _plain(schema, part)] or [node]


def _kind(node: Schema) -> str:
    return ":".join(filter(None, (node.get("type", ""), node.get("format", ""))))
