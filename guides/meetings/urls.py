"""Routes of meetings."""

from django.urls import path

from . import pages

urlpatterns = [
    path("g/meetings/", pages.meetings, name="meetings"),
    path("g/meetings/<int:pk>/", pages.meeting, name="meeting"),
    path("g/meetings/<int:pk>/sign/", pages.sign_in, name="meeting-sign-in"),
    path("m/meetings/", pages.planned, name="meetings-planned"),
    path("m/meetings/new/", pages.new, name="meeting-new"),
    path("m/meetings/<int:pk>/", pages.one, name="meeting-planned"),
    path("m/meetings/<int:pk>/off/", pages.call_off, name="meeting-off"),
]
