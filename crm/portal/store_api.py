"""门店 for the mini-program: where the brand is, his own store first."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from guides.org.models import Store
from yejibao.core import clock

from .calls import MemberView, call
from .fitting_api import STORE
from .stores import stores_of

A_STORE = {
    "store": STORE, "name": "新街口店", "city": "南京", "address": "中山路 1 号", "opens_at": "09:30", "closes_at": "22:00", "is_mine": True,
}  # fmt: skip


class MemberStoreOut(serializers.ModelSerializer[Store]):
    store = serializers.CharField(source="code", help_text="门店编号，申请售后、预约时用它")
    name = serializers.CharField(source="short_name")
    address = serializers.CharField(source="address_short")
    opens_at = serializers.TimeField(format="%H:%M")
    closes_at = serializers.TimeField(format="%H:%M")
    is_mine = serializers.SerializerMethodField(help_text="他自己的门店")

    def get_is_mine(self, store: Store) -> bool:
        return bool(store.pk == self.context["main"])

    class Meta:
        model = Store
        fields = ("store", "name", "city", "address", "opens_at", "closes_at", "is_mine")


class MemberStoresOut(serializers.Serializer[Any]):
    results = MemberStoreOut(many=True)


QUERY = OpenApiParameter("q", str, description="城市、店名或地址里的字；不带就是自己的门店和前三十家")


class Stores(MemberView):
    limit = "search"

    @call(
        "member_stores", "门店", gives=MemberStoresOut, query=[QUERY], answer={"results": [A_STORE]},
        says="自己的在前，再是扫过码的那家。还没有门店的新会员从这里选一家，申请售后时带上 store。",
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        member = self.member
        found = stores_of(member, today=clock.today(), query=request.query_params.get("q", ""))
        rows = MemberStoreOut(found, many=True, context={"main": member.main_store_id}).data
        return Response({"results": rows})


ROUTES = [path("api/v1/member/stores/", Stores.as_view(), name="member-stores")]
