"""The order feed: tills and malls post what was sold."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crm.orders.models import FeedSource, Order
from crm.orders.services import DUPLICATE_KEY, MAX_ROWS, ingest_orders, token_hash
from yejibao.core import access, clock
from yejibao.core.errors import Invalid, Malformed, SignInRequired, TooLarge, Unavailable

MAX_BODY = 10 * 1024 * 1024


class BadToken(SignInRequired):
    code, title = "auth.token", _("令牌不对或已停用")


class BodyTooLarge(TooLarge):
    title = _("一次最多 10 MB，请分批提交")


# ---------------------------------------------------------------- what goes in and out, for the schema


class FeedLine(serializers.Serializer):
    line_no = serializers.IntegerField(required=False, min_value=1, help_text="行号，缺省按顺序")
    sku = serializers.CharField(
        required=False, max_length=32, help_text="款色码；缺省的品名、颜色、品类、洗护类别按它从商品库补全"
    )
    item_name = serializers.CharField(required=False, max_length=64)
    color = serializers.CharField(required=False, max_length=16)
    size = serializers.CharField(required=False, max_length=16)
    care_key = serializers.CharField(required=False, max_length=16, help_text="洗护类别，如 suit_wool")
    family = serializers.CharField(required=False, max_length=32, help_text="品类，如 西服")
    quantity = serializers.IntegerField(required=False, min_value=1, default=1)
    paid_fen = serializers.IntegerField(min_value=0, help_text="整行实付，分；已摊完优惠，不含运费")


class FeedReturnLine(serializers.Serializer):
    line_no = serializers.IntegerField(min_value=1)
    quantity = serializers.IntegerField(min_value=1)
    refund_fen = serializers.IntegerField(min_value=0)


class FeedReturn(serializers.Serializer):
    number = serializers.CharField(max_length=64, help_text="退货单号；同一张单里重复的不再计")
    at = serializers.DateTimeField()
    lines = FeedReturnLine(many=True, required=False, help_text="不填就是剩下的全退")


class FeedExchange(serializers.Serializer):
    number = serializers.CharField(max_length=64)
    at = serializers.DateTimeField()
    line_no = serializers.IntegerField(min_value=1, help_text="换下的那一行")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {"with": FeedLine(help_text="换上的商品")}  # `with` is a word of Python


class FeedMember(serializers.Serializer):
    member_no = serializers.CharField(required=False, max_length=32)
    phone = serializers.CharField(required=False, max_length=32)
    name = serializers.CharField(required=False, max_length=32, help_text="会员不存在时，有姓名就建档")
    salutation = serializers.CharField(required=False, max_length=16)
    gender = serializers.ChoiceField(required=False, choices=["m", "f", "u"])
    owner_guide = serializers.CharField(required=False, max_length=64, help_text="专属导购的企业微信账号，只在建档时用")
    main_store = serializers.CharField(required=False, max_length=32, help_text="主归属门店编码，只在建档时用")
    phone_consent = serializers.BooleanField(required=False)
    friend_external_id = serializers.CharField(required=False, max_length=64)


class FeedOrder(serializers.Serializer):
    number = serializers.CharField(max_length=64, help_text="单号，在来源内唯一")
    store = serializers.CharField(max_length=32, help_text="门店编码")
    guide = serializers.CharField(required=False, max_length=64, help_text="服务导购的企业微信账号")
    member = FeedMember(required=False, help_text="也可以只写会员号或手机号（文字）；散客不填")
    kind = serializers.ChoiceField(choices=Order.Kind.choices)
    paid_at = serializers.DateTimeField(help_text="付款时间，ISO 8601；不带时区按北京时间")
    paid_fen = serializers.IntegerField(required=False, min_value=0, help_text="有商品行时须等于各行之和")
    lines = FeedLine(many=True, required=False)
    is_gift = serializers.BooleanField(required=False)
    is_delivery = serializers.BooleanField(required=False)
    received_at = serializers.DateTimeField(required=False, help_text="签收时间")
    note = serializers.CharField(required=False, max_length=255)
    returns = FeedReturn(many=True, required=False)
    exchanges = FeedExchange(many=True, required=False)
    status = serializers.ChoiceField(required=False, choices=["paid", "void"], default="paid")


class FeedBatch(serializers.Serializer):
    orders = FeedOrder(many=True, help_text="最多 1,000 张")


class FeedFieldError(serializers.Serializer):
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class FeedResult(serializers.Serializer):
    number = serializers.CharField()
    result = serializers.ChoiceField(choices=["created", "same", "changed", "refused"])
    code = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    errors = FeedFieldError(many=True, required=False)  # type: ignore[assignment]


class FeedCounts(serializers.Serializer):
    created = serializers.IntegerField()
    same = serializers.IntegerField()
    changed = serializers.IntegerField()
    refused = serializers.IntegerField()


class FeedAnswer(serializers.Serializer):
    results = FeedResult(many=True, help_text="与提交的顺序相同，每张单一条")
    counts = FeedCounts()


class FeedProblem(serializers.Serializer):
    """RFC 9457 problem+json."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()


# ---------------------------------------------------------------- the route


class FeedToken(BaseAuthentication):
    """`Authorization: Bearer …`; the source it belongs to becomes `request.auth`."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, FeedSource]:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        found = None
        if scheme.lower() == "bearer" and token.strip():
            found = FeedSource.objects.filter(token_sha=token_hash(token.strip()), is_active=True).first()
        if found is None:
            raise BadToken(_("请在请求头里带上 Authorization: Bearer 令牌"))
        return AnonymousUser(), found

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class FeedTokenScheme(OpenApiAuthenticationExtension):
    target_class = FeedToken
    name = "feedToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "bin/manage feed_token NAME 发放的令牌"}


class OrderFeed(APIView):
    access = access.Token(why="a till or a mall, with the token of its source")
    authentication_classes = [FeedToken]

    @extend_schema(
        operation_id="feed_orders",
        summary="提交订单",
        description=(
            "一批最多 1,000 张、10 MB。同一来源的同一单号重复提交不会重复记账：内容相同答 same，"
            "有退货、换货、签收、更正或作废答 changed。有错的单逐张答 refused 并指出字段，其余照收。"
            "金额一律为整数分。"
        ),
        request=FeedBatch,
        responses={200: FeedAnswer} | {status: FeedProblem for status in (400, 401, 413, 422, 503)},
        examples=[
            OpenApiExample(
                "一张门店单",
                request_only=True,
                value={
                    "orders": [
                        {
                            "number": "S001-20250301-0007", "store": "S001", "guide": "limin", "member": "13800132075",
                            "kind": "retail", "paid_at": "2025-03-01T15:00:00+08:00",
                            "lines": [{"sku": "25FXF101-NV", "size": "175/92A", "quantity": 1, "paid_fen": 238000}],
                        }
                    ]
                },
            )
        ],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        source: FeedSource = request.auth  # type: ignore[assignment]
        rows = read_batch(request)
        try:
            results = ingest_orders(rows, source=source.name, now=clock.now())
        except OperationalError as error:  # another batch holds the same orders, or the database is away
            raise Unavailable(retry_after=2) from error
        counts = Counter(result.result for result in results)
        return Response(
            {
                "results": [result.as_dict() for result in results],
                "counts": {word: counts[word] for word in ("created", "same", "changed", "refused")},
            }
        )


def read_batch(request: Request) -> list[Any]:
    """Return the rows of a request. Raises BodyTooLarge, Malformed (not JSON, not a list) or Invalid (too many, none)."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        raise BodyTooLarge()
    body = request._request.body
    if len(body) > MAX_BODY:
        raise BodyTooLarge()
    try:
        batch = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Malformed(_("请求内容不是正确的 JSON（UTF-8）")) from error
    rows = batch.get("orders") if isinstance(batch, dict) else batch
    if not isinstance(rows, list):
        raise Malformed(_('应为 {"orders": [...]}'))
    if not rows:
        raise Invalid(_("这一批没有订单"), errors=[{"field": "orders", "code": "required", "message": "至少一张单"}])
    if len(rows) > MAX_ROWS:
        raise Invalid(
            _("这一批有 %(count)d 张单，一批最多 1,000 张") % {"count": len(rows)},
            errors=[{"field": "orders", "code": "too_many", "message": "一批最多 1,000 张"}],
        )
    return rows


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
