"""Routes of 呼叫总部."""

from django.urls import path

from . import desk_pages as desk
from . import pages

urlpatterns = [
    path("g/help/", pages.help_page, name="help"),
    path("g/help/found/", pages.found, name="help-found"),
    path("g/help/helped/<int:pk>/", pages.helped, name="help-helped"),
    path("g/help/<int:pk>/", pages.thread, name="help-thread"),
    path("g/help/<int:pk>/rate/", pages.rate, name="help-rate"),
    path("g/help/<int:pk>/close/", pages.close, name="help-close"),
    path("hq/helpdesk/", desk.queue, name="helpdesk"),
    path("hq/helpdesk/<int:pk>/", desk.desk_thread, name="helpdesk-thread"),
    path("hq/helpdesk/<int:pk>/take/", desk.take, name="helpdesk-take"),
    path("hq/helpdesk/<int:pk>/answer/", desk.answer, name="helpdesk-answer"),
    path("hq/helpdesk/<int:pk>/pass/", desk.pass_on, name="helpdesk-pass"),
    path("hq/helpdesk/<int:pk>/keep/", desk.keep, name="helpdesk-keep"),
    path("hq/helpdesk/kept/", desk.drafts, name="helpdesk-drafts"),
    path("hq/helpdesk/categories/", desk.categories, name="helpdesk-categories"),
    path("hq/helpdesk/categories/<int:pk>/", desk.category, name="helpdesk-category"),
]
