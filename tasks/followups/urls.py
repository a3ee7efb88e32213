"""Routes of the room: 今日, the task page and the acts on a task, for people and for programs."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
