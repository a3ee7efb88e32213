"""Routes of what follows a visit: reports, rectification, figures."""

from django.urls import URLPattern, path

from .figures import pages as figures
from .rectify import pages as rectify
from .reminders import pages as reminders
from .reports import pages as reports

urlpatterns: list[URLPattern] = [
    path("m/patrol/reports/", reports.reports, name="patrol-reports"),
    path("m/patrol/reports/<int:pk>/", reports.report, name="patrol-report"),
    path("m/patrol/reports/<int:pk>/a4/", reports.as_pdf, name="patrol-report-pdf"),
    path("m/patrol/reports/<int:pk>/picture/", reports.as_picture, name="patrol-report-picture"),
    path("m/patrol/findings/", rectify.findings, name="patrol-findings"),
    path("m/patrol/findings/<int:pk>/", rectify.finding, name="patrol-finding"),
    path("m/patrol/findings/<int:pk>/check/", rectify.check, name="patrol-finding-check"),
    path("m/patrol/findings/<int:pk>/waive/", rectify.waive, name="patrol-finding-waive"),
    path("m/patrol/findings/<int:pk>/assign/", rectify.assign, name="patrol-finding-assign"),
    path("m/patrol/findings/<int:pk>/wait/", rectify.wait, name="patrol-finding-wait"),
    path("m/patrol/findings/<int:pk>/resume/", rectify.resume, name="patrol-finding-resume"),
    path("m/patrol/stores/<int:store>/items/<slug:item>/", rectify.history, name="patrol-item-history"),
    path("m/patrol/figures/", figures.phone, name="patrol-figures"),
    path("m/patrol/reminders/", reminders.reminders, name="patrol-reminders"),
    path("hq/patrol/", figures.board, name="patrol-board"),
]
