"""The API's own description: every operation names the refusals it may answer with, in one format, without saying so itself."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from . import errors, idempotency
from .access import Anonymous, Rule
from .errors import DomainError

PROBLEM = "application/problem+json"
WORDS = {
    400: _("请求读不懂"),
    401: _("没有登录，或者令牌不对"),
    403: _("没有这个权限；code 说是哪个"),
    404: _("找不到，或者不归你看"),
    409: _("现在不能这样做；code 说为什么"),
    412: _("刚改过，看最新的再来"),
    413: _("内容太大"),
    422: _("有几处要改；errors 说是哪几处"),
    429: _("太快了；Retry-After 说等多久"),
    503: _("系统忙；Retry-After 说等多久"),
}
# What any call may be refused with, by status; a call names what is its own beside these.
USUAL: dict[int, tuple[type[DomainError], ...]] = {
    400: (errors.Malformed,),
    401: (errors.SignInRequired,),
    403: (errors.Forbidden,),
    404: (errors.NotFound,),
    409: (idempotency.InProgress,),
    412: (errors.Stale,),
    413: (errors.TooLarge,),
    422: (errors.Invalid, idempotency.KeyMismatch),
    429: (errors.TooMany,),
    503: (errors.Unavailable,),
}
Handler = TypeVar("Handler", bound=Callable[..., Any])


def refuses(*kinds: type[DomainError]) -> Callable[[Handler], Handler]:
    """Name the refusals of a call's own, so that its codes stand in the schema."""

    def declare(handler: Handler) -> Handler:
        handler.refuses = kinds  # type: ignore[attr-defined]
        return handler

    return declare


class TimesOfDay(OpenApiSerializerFieldExtension):
    """A time of a shop's day, in its own zone: what the format `time` means has a zone in it."""

    target_class = "rest_framework.serializers.TimeField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^\d{2}:\d{2}(:\d{2})?$", "example": "22:00:00"}


class ProblemField(serializers.Serializer[Any]):
    field = serializers.CharField(allow_blank=True)
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemDetails(serializers.Serializer[Any]):
    """出错时的答复（RFC 9457）：程序看 code，人看 detail，title 是这一类的名字。"""  # core/errors.py; the description shows it

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    instance = serializers.CharField(allow_blank=True)
    request_id = serializers.CharField(allow_blank=True)
    retryable = serializers.BooleanField()
    errors = ProblemField(many=True, required=False, help_text="哪几个字段、为什么；422 input.invalid 才有")  # type: ignore[assignment]
    retry_after = serializers.IntegerField(required=False, help_text="等几秒再试，和 Retry-After 一样；429 才有")
    visit = serializers.UUIDField(required=False, help_text="已经约着的那一次；visit.open 才有")


class ApiSchema(AutoSchema):
    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return what the framework says of an operation, with the refusals added."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        schema = self.resolve_serializer(ProblemDetails, "response").ref
        responses = operation["responses"]
        own = self._own_refusals()
        statuses = self._refusals(operation) | {int(status) for status in responses if status >= "400"}
        for status in statuses | {kind.status for kind in own}:
            usual = (
                kind for kind in USUAL.get(status, ()) if self.method != "GET" or kind is not idempotency.KeyMismatch
            )
            kinds = [*usual, *(kind for kind in own if kind.status == status)]
            content: dict[str, Any] = {"schema": schema}
            if kinds:
                content["examples"] = {kind.code: _example_of(kind) for kind in kinds}
            responses[str(status)] = {"description": str(WORDS.get(status, "")), "content": {PROBLEM: content}}
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def _refusals(self, operation: dict[str, Any]) -> set[int]:
        places = {parameter["in"] for parameter in operation.get("parameters", ())} - {"header"}
        found = {429, 503}
        if not isinstance(self._rule(), Anonymous):
            found |= {401, 403}
        if places:  # an id, or a cursor
            found |= {400, 404, 422}
        if self.method != "GET":
            found |= {400, 409, 413, 422}
        return found

    def _own_refusals(self) -> tuple[type[DomainError], ...]:
        name = getattr(self.view, "action", None) or self.method.lower()
        found: tuple[type[DomainError], ...] = getattr(getattr(self.view, name, None), "refuses", ())
        return found

    def _rule(self) -> Rule | None:
        """Return who may call the operation; a viewset may say it for each of its actions."""
        rule = getattr(self.view, "access", None)
        if isinstance(rule, dict):
            rule = rule.get(getattr(self.view, "action", ""), rule.get("*"))
        return rule


def _example_of(kind: type[DomainError]) -> dict[str, Any]:
    """Return a refusal as a program gets it."""
    body = kind.__new__(kind)
    DomainError.__init__(body, **vars(kind).get("example", {}))
    return {"summary": str(kind.title), "value": body.problem()}


class Description(SchemaGenerator):
    """The description of all calls, drawn up once a process: it follows from the code alone, and takes half a second."""

    def get_schema(self, request: Any = None, public: bool = False) -> Any:
        return _drawn_up()


@cache
def _drawn_up() -> Any:
    with translation.override(settings.LANGUAGE_CODE):
        return SchemaGenerator().get_schema(request=None, public=True)
