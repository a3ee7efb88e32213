"""Routes of announcements; part of the department's names."""

from django.urls import URLPattern, path

from . import hq_pages, pages

urlpatterns: list[URLPattern] = [
    path("g/announcements/", pages.own_list, name="announcements"),
    path("g/announcements/<int:pk>/", pages.announcement, name="announcement"),
    path("g/announcements/<int:pk>/confirm/", pages.confirm, name="announcement-confirm"),
    path("m/announcements/", pages.manager_list, name="manager-announcements"),
    path("m/announcements/<int:pk>/", pages.manager_board, name="manager-announcement"),
    path("m/announcements/<int:pk>/urge/", pages.urge, name="announcement-urge"),
    path("hq/announcements/", hq_pages.announcements, name="announcements-hq"),
    path("hq/announcements/new/", hq_pages.new, name="announcement-new"),
    path("hq/announcements/units/", hq_pages.find_units, name="announcement-units"),
    path("hq/announcements/<int:pk>/", hq_pages.board, name="announcement-board"),
    path("hq/announcements/<int:pk>/edit/", hq_pages.edit, name="announcement-edit"),
    path("hq/announcements/<int:pk>/act/", hq_pages.act, name="announcement-act"),
    path("hq/announcements/<int:pk>/files/", hq_pages.add_file, name="announcement-files"),
    path("hq/announcements/<int:pk>/files/<uuid:name>/drop/", hq_pages.drop_file, name="announcement-file-drop"),
]
