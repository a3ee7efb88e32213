"""Routes of the room."""

from django.urls import URLPattern, path

from . import pages

urlpatterns: list[URLPattern] = [
    path("g/rectify/<int:finding>/", pages.rectify, name="rectify"),
]
