"""One error format: RFC 9457 problem+json for programs, one sentence for people.

A rule that says no raises a `DomainError` next to the function that knows the rule; this module holds only the kinds.
Programs switch on `code` (dotted, stable), people read `title` and `detail`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import Http404, JsonResponse
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response


class DomainError(Exception):
    """An expected refusal. `extra` holds facts a program may want (amounts, current version); never personal data."""

    status = 409
    code = "conflict"
    title: Any = _("现在不能这样做")
    retryable = False

    def __init__(self, detail: Any = "", *, errors: list[dict[str, Any]] | None = None, **extra: Any) -> None:
        super().__init__(str(detail) or str(self.title))
        self.detail = str(detail)
        self.errors = errors or []
        self.extra = extra

    example: ClassVar[
        Mapping[str, Any]
    ] = {}  # what a refusal of this kind says besides, for the description of the calls

    def problem(self, *, instance: str = "", request_id: str = "") -> dict[str, Any]:
        """Return the problem+json body."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": str(self.title),
            "status": self.status,
            "code": self.code,
            "detail": self.detail or str(self.title),
            "instance": instance,
            "request_id": request_id,
            "retryable": self.retryable,
        }
        if self.errors:
            body["errors"] = self.errors
        return body | self.extra


class Malformed(DomainError):
    status, code, title = 400, "input.malformed", _("数据格式不对")


class SignInRequired(DomainError):
    status, code, title = 401, "auth.required", _("请先登录")


class Forbidden(DomainError):
    """In sight, but not his to do: the code names the permission that is missing, or the act."""

    status, code, title = 403, "perm.refused", _("你没有这个权限")

    def __init__(self, detail: Any = "", *, permission: str = "", **more: Any) -> None:
        super().__init__(detail, **more)
        if permission:
            self.code = f"perm.{permission}"


class NotFound(DomainError):
    status, code, title = 404, "not_found", _("找不到，或者不归你看")


class Conflict(DomainError):
    status, code, title = 409, "conflict", _("刚被别人处理过")


class Stale(DomainError):
    status, code, title = 412, "edit.stale", _("别人刚改过，请看最新的再改")


class TooLarge(DomainError):
    status, code, title = 413, "input.too_large", _("内容太大")


class Invalid(DomainError):
    status, code, title = 422, "input.invalid", _("有几处要改一下")
    example = {"errors": [{"field": "starts_at", "code": "required", "message": "选一个时间"}]}


class TooMany(DomainError):
    status, code, title, retryable = 429, "rate.limited", _("点得太快了，稍等一下"), True
    example = {"retry_after": 12}


class Unavailable(DomainError):
    status, code, title, retryable = 503, "unavailable", _("系统忙，请稍后再试"), True


class Internal(DomainError):
    status, code, title, retryable = 500, "internal", _("系统出了点问题"), True


def _field_errors(detail: Any, prefix: str = "") -> list[dict[str, Any]]:
    """Flatten DRF's nested validation detail to `[{field, code, message}]`."""
    if isinstance(detail, dict):
        return [row for key, value in detail.items() for row in _field_errors(value, f"{prefix}{key}.")]
    if isinstance(detail, list):
        rows = []
        for index, value in enumerate(detail):
            deeper = f"{prefix}{index}." if isinstance(value, (dict, list)) else prefix
            rows += _field_errors(value, deeper)
        return rows
    return [{"field": prefix.rstrip("."), "code": getattr(detail, "code", "invalid"), "message": str(detail)}]


def as_domain_error(error: Exception) -> DomainError | None:
    """Translate the framework's own refusals into ours; None for what is a bug."""
    match error:
        case DomainError():
            return error
        case drf.ParseError() | drf.UnsupportedMediaType():
            return Malformed(str(error.detail))
        case drf.ValidationError():
            return Invalid(_("请按提示修改后再提交"), errors=_field_errors(error.detail))
        case drf.NotAuthenticated() | drf.AuthenticationFailed():
            return SignInRequired()
        case drf.Throttled():
            return TooMany(retry_after=int(getattr(error, "wait", None) or 1))
        case drf.PermissionDenied() | PermissionDenied():
            return Forbidden()
        case drf.NotFound() | Http404():
            return NotFound()
        case drf.MethodNotAllowed():
            problem = DomainError(_("这个地址不支持这种操作"))
            problem.status, problem.code, problem.title = 405, "method.not_allowed", _("操作方式不对")
            return problem
        case drf.NotAcceptable():
            return Malformed(str(error.detail))
    return None


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: every refusal becomes problem+json; what is a bug stays loud."""
    problem = as_domain_error(error)
    if problem is None:
        return None
    request: Request = context["request"]
    body = problem.problem(instance=request.path, request_id=getattr(request, "request_id", ""))
    response = Response(body, status=problem.status, content_type="application/problem+json")
    if "retry_after" in problem.extra:
        response["Retry-After"] = str(problem.extra["retry_after"])
    return response


def problem_response(problem: DomainError, *, path: str, request_id: str = "") -> JsonResponse:
    """Return the same body outside DRF."""
    body = problem.problem(instance=path, request_id=request_id)
    response = JsonResponse(body, status=problem.status, content_type="application/problem+json")
    if "retry_after" in problem.extra:
        response["Retry-After"] = str(problem.extra["retry_after"])
    return response
