"""Routes of the department: gathers those of its rooms."""

from django.urls import URLPattern, URLResolver, include, path

app_name = "tasks"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("tasks.followups.urls")),
    path("", include("tasks.scripts.urls")),
]
