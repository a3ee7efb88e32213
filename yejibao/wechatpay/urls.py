"""Routes of the door: what WeChat Pay calls."""

from django.urls import URLPattern, URLResolver, path

from .notices import pages

app_name = "wechatpay"

urlpatterns: list[URLPattern | URLResolver] = [
    path("callbacks/wechatpay/<slug:mchid>/", pages.notice, name="notice"),
]
