"""All routes. A department gathers those of its rooms in its own urls.py."""

from django.urls import include, path

urlpatterns = [
    path("", include("tasks.urls")),  # first, since Django asks one after the other: what guides open all day
    path("", include("yejibao.core.urls")),
    path("", include("yejibao.wecom.urls")),
    path("", include("yejibao.intake.urls")),
    path("", include("guides.urls")),
    path("", include("crm.urls")),
    path("", include("yejibao.cockpit.urls")),
    path("", include("yejibao.demo.urls")),
]
handler404 = "yejibao.core.middleware.not_found"
