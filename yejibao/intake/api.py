"""Data of other systems by API: one address per kind, each row gets its answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError, transaction
from django.urls import path
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from yejibao.core import access, clock, idempotency, limits
from yejibao.core.errors import Forbidden, Invalid, Malformed, NotFound, SignInRequired, TooLarge, Unavailable

from . import kinds
from .kinds import Field, Kind, RawRow
from .models import Batch, Source
from .reading import DUPLICATE_KEY
from .services import MAX_ROWS, close_batch, new_batch, source_of, take, tell_count
from .stage import Answer

MAX_BODY = 10 * 1024 * 1024
WORDS = ("created", "same", "changed", "refused")
WHY = "another system, with the token of its source"


class BadToken(SignInRequired):
    code, title = "auth.token", _("令牌不对或已停用")


class KindNotAllowed(Forbidden):
    code, title = "perm.kind", _("这个来源不能送这种数据")


class BodyTooLarge(TooLarge):
    title = _("一次最多 10 MB，请分批提交")


class SourceToken(BaseAuthentication):
    """`Authorization: Bearer …`; the source it belongs to becomes `request.auth`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Source]:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        found = source_of(token.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise BadToken(_("请在请求头里带上 Authorization: Bearer 令牌"))
        return AnonymousUser(), found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SourceTokenScheme(OpenApiAuthenticationExtension):
    target_class = SourceToken
    name = "feedToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "来源的令牌：总部 → 数据接入 → 来源，或 bin/manage feed_token NAME",
        }


# ---------------------------------------------------------------- what goes out, for the schema


class FieldErrorOut(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class Counts(serializers.Serializer):
    created = serializers.IntegerField()
    same = serializers.IntegerField()
    changed = serializers.IntegerField()
    refused = serializers.IntegerField()


class RowAnswer(serializers.Serializer):
    key = serializers.CharField(help_text="这一行的编号；读不出时为空")
    result = serializers.ChoiceField(choices=WORDS)
    code = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    errors = FieldErrorOut(many=True, required=False)  # type: ignore[assignment]


class BatchAnswer(serializers.Serializer):
    batch = serializers.IntegerField(help_text="批号，可用来查这一批")
    results = RowAnswer(many=True, help_text="与提交的顺序相同，每行一条")
    counts = Counts()


class BatchOut(serializers.Serializer):
    batch = serializers.IntegerField()
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=Batch.State.choices)
    rows = serializers.IntegerField()
    counts = Counts()
    created_at = serializers.DateTimeField()


class CountIn(serializers.Serializer):
    kind = serializers.CharField(max_length=16)
    day = serializers.DateField()
    rows = serializers.IntegerField(
        min_value=0, max_value=2_000_000_000, help_text="这一天发来的行数，每次答复成功的请求都计"
    )


class CountOut(serializers.Serializer):
    kind = serializers.CharField()
    day = serializers.DateField()
    told = serializers.IntegerField()
    received = serializers.IntegerField()
    committed = serializers.IntegerField()
    refused = serializers.IntegerField()
    is_even = serializers.BooleanField(help_text="发来的都收到了，收到的不是入库就是拒收")


class Problem(serializers.Serializer):
    """RFC 9457 problem+json."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = FieldErrorOut(many=True, required=False)  # type: ignore[assignment]


PROBLEMS: dict[int, Any] = dict.fromkeys((400, 401, 403, 409, 413, 422, 429, 503), Problem)
KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="同一请求重发时带同一个编号，得到同一个答复；最多 64 个字符",
)


# ---------------------------------------------------------------- taking rows


def read_json(request: Request) -> Any:
    """Return the JSON of a request. Raises BodyTooLarge or Malformed."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        raise BodyTooLarge()
    body = request._request.body
    if len(body) > MAX_BODY:
        raise BodyTooLarge()
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(_("请求内容不是正确的 JSON（UTF-8）")) from error


def read_batch(request: Request, name: str, unit: str) -> list[Any]:
    """Return the rows of a request. Raises BodyTooLarge, Malformed (not JSON, not a list) or Invalid (too many, none)."""
    batch = read_json(request)
    rows = batch.get(name) if isinstance(batch, dict) else batch
    if not isinstance(rows, list):
        raise Malformed(_('应为 {"%(name)s": [...]}') % {"name": name})
    if not rows:
        raise Invalid(_("这一批是空的"), errors=[{"field": name, "code": "required", "message": f"至少一{unit}"}])
    if len(rows) > MAX_ROWS:
        raise Invalid(
            _("这一批有 %(count)d %(unit)s，一批最多 1,000 %(unit)s") % {"count": len(rows), "unit": unit},
            errors=[{"field": name, "code": "too_many", "message": f"一批最多 1,000 {unit}"}],
        )
    return rows


def accept(
    request: Request, kind: Kind, *, name: str = "rows", answer_of: Callable[[Answer], dict[str, Any]] | None = None
) -> Response:
    """Take in a post of rows: who, how much, once per Idempotency-Key, each row with its answer."""
    source: Source = request.auth  # type: ignore[assignment]
    if kind.key not in source.kinds:
        raise KindNotAllowed(_("来源「%(source)s」没有开通%(kind)s") % {"source": source.name, "kind": kind.label})
    limits.spend("intake.posts", source.name, amount=1, per_minute=source.posts_per_minute)
    rows = read_batch(request, name, kind.unit)
    limits.spend("intake.rows", source.name, amount=len(rows), per_day=source.rows_per_day)

    @transaction.atomic
    def work() -> tuple[int, Any]:
        now = clock.now()
        batch = new_batch(kind, source, way=Batch.Way.API, now=now)
        answers = take(batch, [RawRow(place, row) for place, row in enumerate(rows, 1)], now=now)
        close_batch(batch, now=now)
        counts = Counter(answer.outcome for answer in answers)
        return 200, {
            "batch": batch.pk,
            "results": [(answer_of or row_answer)(answer) for answer in answers],
            "counts": {word: counts[word] for word in WORDS},
        }

    key = request.headers.get("Idempotency-Key", "")
    sha = idempotency.fingerprint("POST", request.path, request._request.body) if key else ""
    try:
        _status, body, replayed = idempotency.run(actor=f"source:{source.pk}", key=key, request_sha=sha, work=work)
    except OperationalError as error:  # another batch holds the same rows, or the database is away
        raise Unavailable(retry_after=2) from error
    return Response(body, headers={"Idempotency-Replayed": "true"} if replayed else None)


def row_answer(answer: Answer) -> dict[str, Any]:
    """Return what a source hears of a row; empty parts are left out."""
    told: dict[str, Any] = {"key": answer.key, "result": answer.outcome}
    if answer.outcome == "refused":
        told |= {"code": answer.errors[0]["code"], "detail": answer.errors[0]["message"], "errors": answer.errors}
    return told


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Keep a note when an object names a key twice: the row is refused, since nobody knows which one is meant."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            found[DUPLICATE_KEY] = key
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# ---------------------------------------------------------------- one address per kind


class IntakeView(APIView):
    """Rows of one kind; each kind has a class of its own, so that the schema tells its fields."""

    access = access.Token(why=WHY)
    authentication_classes = [SourceToken]


def view_of(kind: Kind) -> type[APIView]:
    """Return the view of a kind with its schema."""
    name = "".join(part.capitalize() for part in kind.key.split("_"))
    own = {one.name: _serializer_field(one) for one in kind.fields}
    row = kind.schema() if kind.schema else type(f"Intake{name}Row", (serializers.Serializer,), own)
    body = type(f"Intake{name}Batch", (serializers.Serializer,), {"rows": row(many=True, help_text="最多 1,000 行")})
    example = {one.name: kinds.example_of(one) for one in kind.fields if one.required or one.example != ""}
    schema = extend_schema(
        operation_id=f"intake_{kind.key}",
        summary=f"提交{kind.label}",
        description=(
            f"{kind.about}一批最多 1,000 行、10 MB。以 {'、'.join(kind.natural_key)} 认出同一行：内容相同答 same，"
            "有变化答 changed，不会重复。有错的行答 refused 并指出字段，其余照收。金额一律为整数分。"
        ),
        parameters=[KEY_HEADER],
        request=body,
        responses={200: BatchAnswer} | PROBLEMS,
        examples=[
            OpenApiExample(
                f"一{kind.unit}{kind.label}", request_only=True, value={"rows": [dict(kind.sample) or example]}
            )
        ],
        tags=["数据接入"],
    )

    def post(view: IntakeView, request: Request) -> Response:
        return accept(request, kind)

    return type(f"Intake{name}", (IntakeView,), {"post": schema(post)})


_OF_FORM: dict[str, type[serializers.Field]] = {
    "whole": serializers.IntegerField, "fen": serializers.IntegerField, "flag": serializers.BooleanField,
    "day": serializers.DateField, "moment": serializers.DateTimeField,
}  # fmt: skip


def _serializer_field(one: Field) -> serializers.Field:
    facts: dict[str, Any] = {"required": one.required, "help_text": one.help or one.label}
    if one.form == "choice":
        return serializers.ChoiceField(choices=[(value, word) for word, value in one.choices.items()], **facts)
    made = _OF_FORM.get(one.form, serializers.CharField)
    if made is serializers.CharField:
        facts["max_length"] = one.most
    elif made is serializers.IntegerField:
        facts |= {"min_value": one.low, "max_value": one.high}
    return made(**facts)


class BatchView(APIView):
    access = access.Token(why=WHY)
    authentication_classes = [SourceToken]

    @extend_schema(
        operation_id="intake_batch", summary="查一批", responses={200: BatchOut} | PROBLEMS, tags=["数据接入"]
    )
    def get(self, request: Request, pk: int) -> Response:
        source: Source = request.auth  # type: ignore[assignment]
        batch = Batch.objects.filter(pk=pk, source=source).first()
        if batch is None:
            raise NotFound()
        counts = {word: getattr(batch, f"{word}_count") for word in WORDS}
        facts = {"batch": batch.pk, "kind": batch.kind, "state": batch.state, "rows": batch.row_count, "counts": counts}
        return Response(BatchOut(facts | {"created_at": batch.created_at}).data)


class CountsView(APIView):
    access = access.Token(why=WHY)
    authentication_classes = [SourceToken]

    @extend_schema(
        operation_id="intake_counts",
        summary="报当天发了多少行",
        description="每天收市后报一次，和我们收到的对账；对不上的会出现在总部的对账页。再报一次以后一次为准。",
        request=CountIn,
        responses={200: CountOut} | PROBLEMS,
        examples=[
            OpenApiExample("昨天的订单", request_only=True, value={"kind": "orders", "day": "2026-03-01", "rows": 1280})
        ],
        tags=["数据接入"],
    )
    def post(self, request: Request) -> Response:
        source: Source = request.auth  # type: ignore[assignment]
        limits.spend("intake.posts", source.name, amount=1, per_minute=source.posts_per_minute)
        form = CountIn(data=read_json(request))
        form.is_valid(raise_exception=True)
        kind, day = str(form.validated_data["kind"]), form.validated_data["day"]
        if kind not in source.kinds:
            raise KindNotAllowed()
        _refuse_far(day)
        found = tell_count(source, kind=kind, day=day, rows=form.validated_data["rows"], now=clock.now())
        is_even = found.told == found.received == found.committed + found.refused
        names = ("kind", "day", "told", "received", "committed", "refused")
        return Response(CountOut({name: getattr(found, name) for name in names} | {"is_even": is_even}).data)


def _refuse_far(day: date) -> None:
    today = clock.today()
    if not today - timedelta(days=62) <= day <= today:
        message = "只能报今天和前两个月的"
        raise Invalid(str(message), errors=[{"field": "day", "code": "input.out_of_range", "message": message}])


def routes() -> list[Any]:
    """Return the routes of all kinds that rooms have registered."""
    own = [
        path(f"api/v1/intake/{one.key}/", view_of(one).as_view(), name=f"api-{one.key}") for one in kinds.all_kinds()
    ]
    return [
        *own,
        path("api/v1/intake/batches/<int:pk>/", BatchView.as_view(), name="api-batch"),
        path("api/v1/intake/counts/", CountsView.as_view(), name="api-counts"),
    ]
