"""Routes of the intake."""

from django.urls import URLPattern, URLResolver, path

from . import pages, refused_pages
from .api import routes

app_name = "intake"

urlpatterns: list[URLPattern | URLResolver] = [
    path("hq/intake/", pages.home, name="home"),
    path("hq/intake/upload/", pages.send_file, name="upload"),
    path("hq/intake/templates/<slug:key>.xlsx", pages.template, name="template"),
    path("hq/intake/batches/<int:pk>/", pages.batch, name="batch"),
    path("hq/intake/batches/<int:pk>/decide/", pages.decide, name="decide"),
    path("hq/intake/batches/<int:pk>/errors.csv", pages.batch_errors, name="batch-errors"),
    path("hq/intake/refused/", refused_pages.refused, name="refused"),
    path("hq/intake/refused/settle/", refused_pages.settle_cause, name="settle-cause"),
    path("hq/intake/refused/<int:pk>/", refused_pages.refused_row, name="refused-row"),
    path("hq/intake/days/", pages.reconciliation, name="days"),
    *routes(),
]
