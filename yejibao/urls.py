"""All routes. A department gathers those of its rooms in its own urls.py."""

from django.urls import include, path

urlpatterns = [
    path("", include("yejibao.core.urls")),
    path("", include("yejibao.wecom.urls")),
    path("", include("guides.urls")),
    path("", include("crm.urls")),
    path("", include("tasks.urls")),
    path("", include("yejibao.cockpit.urls")),
    path("", include("yejibao.demo.urls")),
]
