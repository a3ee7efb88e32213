"""All routes. A department gathers those of its rooms in its own urls.py."""

from django.urls import include, path

from yejibao.core.routing import by_place

routes = [
    path("", include("tasks.urls")),
    path("", include("yejibao.core.urls")),
    path("", include("yejibao.wecom.urls")),
    path("", include("yejibao.wechatpay.urls")),
    path("", include("yejibao.intake.urls")),
    path("", include("guides.urls")),
    path("", include("crm.urls")),
    path("", include("yejibao.cockpit.urls")),
    path("", include("yejibao.demo.urls")),
]
urlpatterns = [by_place(*routes)]
handler404 = "yejibao.core.middleware.not_found"
