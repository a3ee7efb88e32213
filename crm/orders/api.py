"""The order feed: tills and malls post what was sold."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from crm.orders.models import Order
from yejibao.core import access
from yejibao.intake import kinds
from yejibao.intake.api import KEY_HEADER, PROBLEMS, SourceToken, accept, row_answer
from yejibao.intake.stage import Answer

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
    batch = serializers.IntegerField(help_text="批号")
    results = FeedResult(many=True, help_text="与提交的顺序相同，每张单一条")
    counts = FeedCounts()


# ---------------------------------------------------------------- the route


class OrderFeed(APIView):
    access = access.Token(why="a till or a mall, with the token of its source")
    authentication_classes = [SourceToken]

    @extend_schema(
        operation_id="feed_orders",
        summary="提交订单",
        description=(
            "一批最多 1,000 张、10 MB。同一来源的同一单号重复提交不会重复记账：内容相同答 same，"
            "有退货、换货、签收、更正或作废答 changed。有错的单逐张答 refused 并指出字段，其余照收。"
            "金额一律为整数分。"
        ),
        parameters=[KEY_HEADER],
        request=FeedBatch,
        responses={200: FeedAnswer} | PROBLEMS,
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
        return accept(request, kinds.get("orders"), name="orders", answer_of=_answer)


def _answer(answer: Answer) -> dict[str, Any]:
    told = row_answer(answer)
    return {"number": told.pop("key"), **told}
