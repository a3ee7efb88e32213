"""How the member API is written: the base of every call, and `@call`, which describes it with examples and its refusals.

    class OneTicket(MemberView):
        @call("member_ticket", "一张售后单", gives=MemberTicketOut, ids={"public_id": TICKET}, answer={...})
        def get(self, request, public_id):
            return Response(MemberTicketOut(self.find(Ticket.objects.visible_to(self.actor), public_id)).data)

Every call but the login carries `Authorization: Bearer …`; ids are public ones; a row of another member answers 404. A GET has
an ETag and answers 304 to who has it already. What changes something takes an Idempotency-Key; of the answer only ids are
kept with it. The examples are sent to the real server by tests/crm/portal/test_contract.py. For readers: docs/member-api.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.utils.cache import get_conditional_response
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crm.members.models import Member
from yejibao.core import access, idempotency, paging
from yejibao.core.errors import DomainError, SignInRequired
from yejibao.core.openapi import refuses as declares_refusals

from .models import MemberSession
from .places import find_one

PAGE = 20
DAY = re.compile(r"\d{4}-\d\d-\d\d")
TAG = "member"
EXAMPLE_KEY = "018f3b8e-6d2a-7c41-9f5e-2b1d8c0a7e64"
Handler = TypeVar("Handler", bound=Callable[..., Response])

BEFORE = OpenApiParameter("before", str, description="上一页答复里的 before，原样带回；不带、认不出来就是第一页")
KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, required=True,
    description="先生成、存好再发（UUID）；同一件事重试用同一个，只办一次，答复相同",
    examples=[OpenApiExample("一个 UUID", value=EXAMPLE_KEY)],
)  # fmt: skip
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="上次答复的 ETag；没变就答 304，没有内容"
)
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="读它时答复的 ETag；别处刚改过就答 412"
)
ETAG = OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200], description="这份内容的记号")
NOT_CHANGED = OpenApiResponse(description="和 If-None-Match 的一样，没有内容")


class MemberToken(BaseAuthentication):
    """`Authorization: Bearer yjm_…`; the middleware has read it, this names it in the schema."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, MemberSession] | None:
        session = getattr(request._request, "member_session", None)
        return (AnonymousUser(), session) if session is not None else None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class MemberTokenScheme(OpenApiAuthenticationExtension):
    target_class = MemberToken
    name = "memberToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "会员的令牌：POST /api/v1/member/login/ 用 wx.login 的 code 换，七天",
        }


class MemberView(APIView):
    """Base of all: whose call it is, where his rows come from, and how a command is run once."""

    access: Any = access.Members()
    authentication_classes: Any = (MemberToken,)

    @property
    def session(self) -> MemberSession:
        session = cast("MemberSession | None", self.request.auth)
        if session is None:
            raise SignInRequired()
        return session

    @property
    def member(self) -> Member:
        member = self.session.member
        if member is None:
            raise SignInRequired()
        return member

    @property
    def actor(self) -> Any:
        return access.actor_of(self.request._request)

    @property
    def facts(self) -> dict[str, str]:
        return dict(self.actor.session_facts)

    def given(self, form: type[serializers.BaseSerializer[Any]]) -> dict[str, Any]:
        """Return what the body says. Raises DRF's ValidationError, which names every field that is wrong."""
        read = form(data=self.request.data)
        read.is_valid(raise_exception=True)
        return dict(read.validated_data)

    find = staticmethod(find_one)

    def page(
        self, rows: QuerySet[Any], column: str, out: type[serializers.BaseSerializer[Any]], **more: Any
    ) -> Response:
        """Return one page of a list, the newest first, with the mark of the next."""
        found, before = paging.page(rows, column, before=self.request.query_params.get("before", ""), size=PAGE)
        return Response({**more, "results": out(found, many=True, context={"view": self}).data, "before": before})

    @property
    def key(self) -> str:
        """Return the caller's Idempotency-Key. Raises Malformed where he gave none."""
        return idempotency.must_have_key(self.request._request)

    def once(self, content: Any, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run a command once per Idempotency-Key; return what `work` returned, then or now: ids, nothing personal.

        Raises Malformed without a key, and what `work` raises, again for the same key.
        """
        answer, self.is_replayed = idempotency.once(self.request._request, content, work, key=self.key)
        return answer

    is_replayed = False

    def etag_of(self, body: bytes) -> str:
        """Return the mark of an answer; a view whose sheet is written back says itself what must not have changed."""
        return f'"{hashlib.sha256(body).hexdigest()[:32]}"'

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        answered = super().finalize_response(request, response, *args, **kwargs)
        if self.is_replayed:
            answered["Idempotency-Replayed"] = "true"
        if request.method == "GET" and answered.status_code == 200 and isinstance(answered, Response):
            answered.add_post_render_callback(self._if_changed)
        return answered

    def _if_changed(self, answered: Response) -> Any:
        answered["ETag"] = self.etag_of(answered.content)
        return get_conditional_response(self.request._request, etag=answered["ETag"], response=answered)


def pageful(
    name: str, row: type[serializers.BaseSerializer[Any]], **more: serializers.Field[Any, Any, Any, Any]
) -> Any:
    """Return the serializer of a page of rows, named for the schema."""
    fields = {
        **more,
        "results": row(many=True),
        "before": serializers.CharField(allow_blank=True, help_text="下一页用它；空就是没有了"),
    }
    return type(name, (serializers.Serializer,), fields)


def call(
    operation_id: str,
    summary: str,
    *,
    gives: Any = None,
    answer: Any = None,
    takes: Any = None,
    asks: Mapping[str, Any] | None = None,
    ids: Mapping[str, str] | None = None,
    query: Sequence[OpenApiParameter] = (),
    headers: Sequence[OpenApiParameter] = (),
    refuses: Sequence[type[DomainError]] = (),
    status: int = 0,
    says: str = "",
    has_key: bool | None = None,
) -> Callable[[Handler], Handler]:
    """Describe a call in the schema, examples and all.

    `asks` are bodies by name, each of which the server must take; `answer` is what it says then; `ids` are the parameters of
    the path in the examples. `says` defaults to the summary, lest readers get the docstring of a base class. `refuses` are the refusals of its own, beside those every call has. A POST or PUT needs an
    Idempotency-Key unless `has_key` is False. Without `gives` it answers 204.
    """

    def describe(handler: Handler) -> Handler:
        is_get = handler.__name__ == "get"
        with_key = not is_get if has_key is None else has_key
        code = status or (200 if gives is not None else 204)
        parameters = [
            OpenApiParameter(name, _type_of(value), OpenApiParameter.PATH, examples=[OpenApiExample("例", value=value)])
            for name, value in (ids or {}).items()
        ]
        parameters += [*query, *headers, *([KEY] if with_key else []), *([IF_NONE_MATCH, ETAG] if is_get else [])]
        body = next(iter(takes)) if isinstance(takes, dict) else "application/json"
        examples = [
            OpenApiExample(name, request_only=True, value=value, media_type=body)
            for name, value in (asks or {}).items()
        ]
        if answer is not None:
            examples.append(OpenApiExample("答复", response_only=True, status_codes=[str(code)], value=answer))
        responses: dict[Any, Any] = dict(gives) if isinstance(gives, dict) else {code: gives}
        if is_get:
            responses[304] = NOT_CHANGED
        declares_refusals(*refuses)(handler)
        described: Handler = extend_schema(
            operation_id=operation_id, tags=[TAG], summary=summary, description=says or summary, parameters=parameters, request=takes,
            responses=responses, examples=examples,
        )(handler)  # fmt: skip
        return described

    return describe


def _type_of(value: str) -> Any:
    if len(value) == 36 and value.count("-") == 4:
        return OpenApiTypes.UUID
    return OpenApiTypes.DATE if DAY.fullmatch(value) else OpenApiTypes.STR
