"""Photos of the mini-program: sent ahead one by one, as wx.uploadFile does, and read back with the member's token."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import path
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from crm.aftersale.queries import ROOM
from yejibao.core import access, clock, files
from yejibao.core.errors import NotFound
from yejibao.core.files.keeping import StorageFull
from yejibao.core.files.pictures import PhotoTooLarge
from yejibao.core.files.reading import response_of

from .calls import MemberView, call

PHOTO, NEW_PHOTO = "a4f7c867-edf9-4098-9de4-9518deed67ba", "b508d978-fe0a-41a9-aef5-a629effe78cb"  # of examples
ROOMS = (ROOM,)  # whose photos a member may add
SMALL = OpenApiParameter("small", str, description="1：小图；不带：原图")


class MemberPhotoIn(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="JPEG、PNG、WebP 或 HEIC，10 MB 以内")
    id = serializers.UUIDField(required=False, help_text="自己生成的编号；重传同一张用同一个，不会存两份")
    room = serializers.ChoiceField(choices=ROOMS, default=ROOM, help_text="用在哪里")


class MemberPhotoOut(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="name", help_text="放进 photos 里；两天里没有用上就删了")


class Photos(MemberView):
    parser_classes = (MultiPartParser,)
    limit = "upload"

    @call(
        "member_photo_add", "传一张照片", takes={"multipart/form-data": MemberPhotoIn}, gives=MemberPhotoOut, status=201,
        asks={"一张": {"file": "（照片）", "id": NEW_PHOTO, "room": ROOM}}, answer={"id": NEW_PHOTO}, has_key=False,
        refuses=[files.NotAPhoto, PhotoTooLarge, StorageFull],
        says="wx.uploadFile 一次一张，name 填 file。拍摄地点等信息不会留下。",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        said = self.given(MemberPhotoIn)
        home = files.home_of(said["room"])
        kept = files.keep_upload(said["file"], home=home, actor=self.actor, now=clock.now(), name=said.get("id"))
        return Response(MemberPhotoOut(kept).data, status=201)


class OnePhoto(MemberView):
    @call(
        "member_photo", "看一张照片", gives={(200, "image/jpeg"): OpenApiTypes.BINARY}, ids={"name": PHOTO}, query=[SMALL],
        says="自己传的、售后里给自己看的。wx.downloadFile 带上 Authorization；?small=1 是小图。照片传了不会变。",
    )  # fmt: skip
    def get(self, request: Request, name: UUID) -> Any:
        found = files.find(name, actor=access.actor_of(request._request))
        if found.room not in ROOMS:
            raise NotFound()
        small = bool(request.query_params.get("small"))
        mark = f'"{found.name}{"-small" if small else ""}"'  # what is kept under a name never changes
        return get_conditional_response(request._request, etag=mark) or _marked(response_of(found, small=small), mark)


def _marked(shown: HttpResponse, mark: str) -> HttpResponse:
    shown["ETag"] = mark
    return shown


ROUTES = [
    path("api/v1/member/photos/", Photos.as_view(), name="member-photos"),
    path("api/v1/member/photos/<uuid:name>/", OnePhoto.as_view(), name="member-photo"),
]
