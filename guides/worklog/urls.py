"""Routes of work logs."""

from django.urls import URLPattern, path

from . import pages

urlpatterns: list[URLPattern] = [
    path("g/worklog/", pages.own_log, name="own-worklog"),
    path("g/worklog/<int:pk>/", pages.own_old_log, name="worklog"),
    path("m/worklogs/", pages.logs, name="worklogs"),
    path("m/worklogs/<int:pk>/", pages.log, name="worklog-read"),
    path("hq/worklogs/", pages.logs, name="hq-worklogs"),
    path("hq/worklogs/template/", pages.template, name="worklog-template"),
]
