"""Routes of the department: gathers those of its rooms."""

from django.urls import URLPattern, URLResolver, include, path

from tasks.duties import panels as duties  # noqa: F401  hangs the room's panels
from tasks.followups import fitting_panels, footprints, handover_pack, handover_panels, panels  # noqa: F401  hangs the room's panels

app_name = "tasks"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("tasks.followups.urls")),
    path("", include("tasks.duties.urls")),
    path("", include("tasks.cadences.urls")),
    path("", include("tasks.review.urls")),
    path("", include("tasks.scripts.urls")),
]
