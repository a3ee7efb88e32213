"""Routes of the rules."""

from django.urls import URLPattern, URLResolver, path

from . import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("hq/rules/", pages.rules, name="rules"),
    path("hq/rules/trial/", pages.rules_trial, name="rules-trial"),
    path("hq/rules/draft/", pages.rules_draft, name="rules-draft"),
    path("hq/rules/draft/drop/", pages.rules_drop, name="rules-drop"),
    path("hq/rules/draft/<slug:key>/", pages.rules_step, name="rules-step"),
    path("hq/rules/publish/", pages.rules_publish, name="rules-publish"),
    path("hq/rules/progress/", pages.rules_progress, name="rules-progress"),
    path("hq/rules/versions/", pages.rules_versions, name="rules-versions"),
]
