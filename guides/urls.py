"""Routes of the department: gathers those of its rooms."""

from django.urls import URLPattern, URLResolver, path

from .org import pages
from .org.jssdk_api import SignatureView

app_name = "guides"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.front, name="front"),
    path("login/", pages.login, name="login"),
    path("login/wecom/", pages.wecom_start, name="wecom-start"),
    path("login/wecom/callback/", pages.wecom_callback, name="wecom-callback"),
    path("logout/", pages.logout, name="logout"),
    path("me/", pages.me, name="me"),
    path("me/role/", pages.switch_role, name="switch-role"),
    path("hq/", pages.hq_home, name="hq-home"),
    path("api/v1/wecom/signature", SignatureView.as_view(), name="wecom-signature"),
]
