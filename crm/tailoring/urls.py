"""Routes of the room, as the people of a store see it; the member's are in crm/portal."""

from django.urls import URLPattern, URLResolver, path

from . import pages, panels, plan_pages, slot_pages  # noqa: F401  panels hang themselves

urlpatterns: list[URLPattern | URLResolver] = [
    path("g/fittings/", pages.fittings, name="fittings"),
    path("g/fittings/<int:pk>/", pages.fitting, name="fitting"),
    path("g/fittings/<int:pk>/do/", pages.act, name="fitting-act"),
    path("g/fittings/<int:pk>/measure/", pages.measure, name="fitting-measure"),
    path("g/fittings/<int:pk>/move/", slot_pages.move, name="fitting-move"),
    path("g/members/<uuid:public_id>/fittings/new/", slot_pages.new_fitting, name="fitting-new"),
    path("m/fittings/", plan_pages.plan, name="fitting-plan"),
]
