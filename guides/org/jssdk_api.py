"""What the JS-SDK asks of us: a signature for the page it stands in."""

from django.conf import settings
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from yejibao.core import access
from yejibao.core.errors import Unavailable
from yejibao.wecom import jssdk
from yejibao.wecom.errors import GatewayError


class SignatureQuery(serializers.Serializer):
    url = serializers.CharField(max_length=2048, trim_whitespace=False)
    kind = serializers.ChoiceField(choices=["agent", "corp"], default="agent")


class SignatureOut(serializers.Serializer):
    timestamp = serializers.IntegerField()
    nonceStr = serializers.CharField()
    signature = serializers.CharField()


class SignatureView(APIView):
    """Sign one of our own pages for `ww.register`: `corp` for config, `agent` for agentConfig."""

    access = access.SignedIn()
    limit = "jssdk"

    @extend_schema(
        operation_id="wecom_signature",
        parameters=[
            OpenApiParameter("url", str, required=True, description="address of the page, up to the #"),
            OpenApiParameter("kind", str, enum=["agent", "corp"]),
        ],
        responses=SignatureOut,
    )
    def get(self, request: Request) -> Response:
        form = SignatureQuery(data=request.query_params)
        form.is_valid(raise_exception=True)
        # A demo answers under every name of its machine; in production only the trusted domain is signed.
        own = "" if settings.PRODUCTION else f"{request.scheme}://{request.get_host()}"
        try:
            signed = jssdk.signature(form.validated_data["url"], form.validated_data["kind"], also=own)
        except GatewayError:
            raise Unavailable("企业微信现在连不上，聊天里的发送暂时用不了", retry_after=10) from None
        return Response(signed.as_json())
