"""A client of the member API that has read its schema and nothing else: no names of ours, no tables, no routes."""

from __future__ import annotations

import copy
import io
import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from jsonschema import Draft202012Validator
from PIL import Image

Schema = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")
JSON, FORM = "application/json", "multipart/form-data"


def read_schema() -> Schema:
    """Return the description as a client developer downloads it."""
    got = Client().get("/api/v1/member/schema/", headers={"Accept": JSON})
    assert got.status_code == 200
    return dict(json.loads(got.content))


@dataclass(frozen=True)
class Operation:
    """One operation of the schema, with what its examples say."""

    id: str
    method: str
    path: str
    facts: Schema

    def parameters(self, where: str) -> list[Schema]:
        return [one for one in self.facts.get("parameters", ()) if one["in"] == where]

    @property
    def body_kind(self) -> str:
        return next(iter(self.facts.get("requestBody", {}).get("content", {})), "")

    @property
    def asks(self) -> dict[str, Any]:
        """Return the documented bodies by name; one empty ask where there is no body."""
        if not self.body_kind:
            return {"": None}
        examples = self.facts["requestBody"]["content"][self.body_kind].get("examples", {})
        return {name: one["value"] for name, one in examples.items()}

    @property
    def success(self) -> tuple[int, Schema]:
        """Return the status of its answer and what stands under it."""
        return next((int(status), one) for status, one in self.facts["responses"].items() if status.startswith("2"))

    @property
    def answer(self) -> Any:
        """Return the documented answer, None where it has no JSON."""
        content = self.success[1].get("content", {}).get(JSON, {})
        return next((one["value"] for one in content.get("examples", {}).values()), None)

    @property
    def is_for_members(self) -> bool:
        return bool(self.facts.get("security"))


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


class SchemaClient:
    """Calls operations by their id; what is not given is taken from the example, and every answer is held to the schema."""

    def __init__(self, schema: Schema, *, token: str = "") -> None:
        self.schema, self.token, self.http = schema, token, Client(raise_request_exception=False)
        self.operations = {
            facts["operationId"]: Operation(facts["operationId"], method, path, facts)
            for path, methods in schema["paths"].items() for method, facts in methods.items() if method in METHODS
        }  # fmt: skip

    def call(
        self, operation_id: str, *, path: dict[str, Any] | None = None, query: dict[str, Any] | None = None,
        ask: str = "", headers: dict[str, str] | None = None, **body: Any,
    ) -> Answer:  # fmt: skip
        """Call an operation; `body` changes the example named `ask`, else the first."""
        one = self.operations[operation_id]
        example = one.asks[ask] if ask else next(iter(one.asks.values()))
        content = None if example is None and not body else {**(example or {}), **body}
        return self.send(one, content, path=path or {}, query=query or {}, headers=headers or {})

    def send(
        self, one: Operation, body: Any, *, path: dict[str, Any] | None = None, query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        url = one.path
        for parameter in one.parameters("path"):
            name = parameter["name"]
            url = url.replace(f"{{{name}}}", str((path or {}).get(name) or _example_of(parameter)))
        wanted = {p["name"]: _example_of(p) for p in one.parameters("query") if p.get("required") or "examples" in p}
        sent = {"Authorization": f"Bearer {self.token}"} if self.token and one.is_for_members else {}
        for parameter in one.parameters("header"):
            if parameter.get("required"):
                sent[parameter["name"]] = self._etag_of(url, sent) if parameter["name"] == "If-Match" else str(uuid4())
        facts = {"headers": sent | (headers or {}), "query_params": wanted | (query or {})}
        match one.body_kind if body is not None else "":
            case "":
                got = self.http.generic(one.method.upper(), url, **facts)
            case kind if kind == FORM:
                got = self.http.post(url, body | {"file": _photo()}, **facts)
            case kind:
                got = self.http.generic(one.method.upper(), url, json.dumps(body), content_type=kind, **facts)
        return self._held(one, got)

    def _etag_of(self, url: str, headers: dict[str, str]) -> str:
        """Return the mark of a sheet as it is read before it is written."""
        etag: str = self.http.get(url, headers=headers).headers["ETag"]
        return etag

    def _held(self, one: Operation, got: Any) -> Answer:
        """Return the answer if the schema knows its status, and its shape; else fail."""
        described = one.facts["responses"].get(str(got.status_code))
        assert described is not None, f"{one.id}: {got.status_code} is not documented: {got.content[:300]!r}"
        kind = got.headers.get("Content-Type", "").partition(";")[0]
        body = json.loads(got.content) if kind.endswith("json") else got.content
        content = described.get("content", {})
        if content:
            assert kind in content, f"{one.id}: answers {kind}, not {list(content)}"
        if kind.endswith("json"):
            self.must_fit(body, content[kind]["schema"], where=f"{one.id} {got.status_code}")
        return Answer(got.status_code, body, dict(got.headers))

    def must_fit(self, value: Any, schema: Schema, *, where: str) -> None:
        """Fail unless a value is as a schema of the description says."""
        whole = {**json_schema(schema), "components": json_schema(self.schema["components"])}
        wrong = [
            f"{'.'.join(map(str, one.path))}: {one.message}" for one in Draft202012Validator(whole).iter_errors(value)
        ]
        assert wrong == [], f"{where}: {wrong}"


def json_schema(schema: Any) -> Any:
    """Return a schema of OpenAPI 3.0 as JSON Schema: `nullable` is the one word that differs."""
    schema = copy.deepcopy(schema)

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(one) for one in node]
        if not isinstance(node, dict):
            return node
        node = {key: walk(value) for key, value in node.items()}
        if node.pop("nullable", False):
            return {"anyOf": [node, {"type": "null"}]}
        return node

    return walk(schema)


def _example_of(parameter: Schema) -> Any:
    examples = parameter.get("examples") or {}
    assert examples, f"no example of the parameter {parameter['name']}"
    return next(iter(examples.values()))["value"]


def _photo() -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), (120, 90, 60)).save(out, format="JPEG")
    return SimpleUploadedFile("photo.jpg", out.getvalue(), content_type="image/jpeg")
