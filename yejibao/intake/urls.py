"""Routes of the intake."""

from django.urls import URLPattern, URLResolver

from .api import routes

app_name = "intake"

urlpatterns: list[URLPattern | URLResolver] = [*routes()]
