"""Routes of the room."""

from django.urls import URLPattern, path

from . import follow_urls, pages, plan_pages, visit_pages

urlpatterns: list[URLPattern] = [
    path("m/patrol/", pages.home, name="patrol"),
    path("m/patrol/stores/", pages.stores, name="patrol-stores"),
    path("m/patrol/stores/<int:pk>/", pages.store, name="patrol-store"),
    path("m/patrol/stores/<int:pk>/start/", pages.start, name="patrol-start"),
    path("m/patrol/nonce/", pages.nonce, name="patrol-nonce"),
    path("m/patrol/visits/<uuid:public_id>/", visit_pages.visit, name="patrol-visit"),
    path("m/patrol/visits/<uuid:public_id>/sync/", visit_pages.sync, name="patrol-sync"),
    path("m/patrol/visits/<uuid:public_id>/submit/", visit_pages.submit, name="patrol-submit"),
    path("m/patrol/visits/<uuid:public_id>/drop/", visit_pages.drop, name="patrol-drop"),
    path("m/patrol/plan/", plan_pages.plan, name="patrol-plan"),
    path("m/patrol/plan/add/", plan_pages.add, name="patrol-plan-add"),
    path("m/patrol/plan/<int:pk>/drop/", plan_pages.drop, name="patrol-plan-drop"),
    path("hq/patrol/plan/", plan_pages.board, name="patrol-coverage"),
    *follow_urls.urlpatterns,
]
