"""The description of the member API by itself: all a client developer needs, for whoever asks."""

from typing import Any

from django.urls import URLPattern, URLResolver, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from yejibao.core.access import Anonymous, Declared

WHY = "who writes the mini-program reads it; it describes what members may call and names nothing else"
TITLE = {"TITLE": "业绩宝会员 API", "DESCRIPTION": "小程序用的接口。怎么用见 docs/member-api.md。", "VERSION": "1"}


class MemberSchema(SpectacularAPIView):
    access = Anonymous(why=WHY)
    permission_classes = [Declared]
    custom_settings = TITLE


class MemberDocs(SpectacularSwaggerSplitView):
    access = Anonymous(why=WHY)
    permission_classes = [Declared]


def routes_of(patterns: list[Any]) -> list[URLPattern | URLResolver]:
    """Return the routes of the description of these."""
    return [
        path("api/v1/member/schema/", MemberSchema.as_view(patterns=patterns), name="member-schema"),
        path("api/v1/member/docs/", MemberDocs.as_view(url_name="crm:member-schema"), name="member-docs"),
    ]
