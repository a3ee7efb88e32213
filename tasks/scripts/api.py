"""Scripts for programs: what to offer for a task, the library, the star."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tasks.followups.models import Task
from yejibao.core import clock
from yejibao.core.access import Roles

from .queries import Card, Wish, picker
from .ranking import Offered
from .services import set_favourite
from .words import NODE_LABELS, PRODUCT_LABELS, TOPICS


class WishIn(serializers.Serializer[Any]):
    task = serializers.IntegerField(required=False, allow_null=True, default=None)
    q = serializers.CharField(required=False, allow_blank=True, max_length=50, default="")
    topic = serializers.ChoiceField(required=False, choices=list(TOPICS), allow_blank=True, default="")
    node = serializers.ChoiceField(required=False, choices=list(NODE_LABELS), allow_blank=True, default="")
    product = serializers.ChoiceField(required=False, choices=list(PRODUCT_LABELS), allow_blank=True, default="")


class ScriptCardOut(serializers.Serializer[Any]):
    """A text that may be sent; for a task it is filled in, and `spans` say where."""

    key = serializers.CharField()
    title = serializers.CharField()
    text = serializers.CharField()
    spans = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))
    tone = serializers.CharField(allow_blank=True)
    is_favourite = serializers.BooleanField()
    may_send = serializers.BooleanField()


class ScriptListOut(serializers.Serializer[Any]):
    results = ScriptCardOut(many=True)


class FavouriteIn(serializers.Serializer[Any]):
    is_favourite = serializers.BooleanField()


class ScriptListView(APIView):
    """`GET /api/v1/scripts/?task=7`: the offer for a task, the best first; without a task the library."""

    access = Roles(roles=("guide", "store_manager"))

    @extend_schema(
        parameters=[
            OpenApiParameter("task", OpenApiTypes.INT),
            *(OpenApiParameter(name, OpenApiTypes.STR) for name in ("q", "topic", "node", "product")),
        ],
        responses=ScriptListOut,
        summary="话术：推荐给一个任务，或按条件找",
    )
    def get(self, request: Request) -> Response:
        form = WishIn(data=request.query_params)
        form.is_valid(raise_exception=True)
        asked = form.validated_data
        actor = request.actor  # type: ignore[attr-defined]
        task = None
        if asked["task"] is not None:
            task = get_object_or_404(Task.objects.visible_to(actor).with_people(), pk=asked["task"])
        wish = Wish(words=asked["q"], topic=asked["topic"], node=asked["node"], product=asked["product"])
        found = picker(wish, actor=actor, guide=request._request.user, now=clock.now(), task=task)  # type: ignore[arg-type]
        return Response({"results": ScriptCardOut([_out(one) for one in found], many=True).data})


class ScriptFavouriteView(APIView):
    access = Roles(roles=("guide", "store_manager"))

    @extend_schema(request=FavouriteIn, responses=FavouriteIn, summary="收藏或取消收藏一条话术")
    def post(self, request: Request, key: str) -> Response:
        form = FavouriteIn(data=request.data)
        form.is_valid(raise_exception=True)
        stands = set_favourite(key, actor=request.actor, now=clock.now(), **form.validated_data)  # type: ignore[attr-defined]
        return Response({"is_favourite": stands})


def _out(one: Offered | Card) -> dict[str, Any]:
    facts = {"key": one.key, "title": one.title, "text": one.text, "is_favourite": one.is_favourite}
    if isinstance(one, Card):
        return facts | {"spans": [], "tone": "", "may_send": one.may_send}
    return facts | {"spans": [list(span) for span in one.spans], "tone": one.tone, "may_send": True}
