"""Routes of the room: the link a member holds, and the pages of the people he speaks of."""

from django.urls import URLPattern, URLResolver, path

from . import link_pages, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("s/<slug:token>/", link_pages.survey, name="survey"),
    path("s/<slug:token>/stop/", link_pages.stop, name="survey-stop"),
    path("g/surveys/", pages.praise, name="praise"),
    path("surveys/", pages.board, name="surveys"),
    path("surveys/<int:pk>/reply/", pages.reply, name="survey-reply"),
    path("hq/surveys/rules/", pages.when, name="survey-rules"),
]
