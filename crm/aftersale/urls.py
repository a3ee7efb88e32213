"""Routes of the room: tickets in the store, the service desk."""

from django.urls import URLPattern, URLResolver, path

from . import desk_pages, pages, panels  # noqa: F401  panels hang themselves
from .checking import pages as checking
from .replies import pages as replies

urlpatterns: list[URLPattern | URLResolver] = [
    path("tickets/<int:pk>/", pages.find, name="ticket-find"),
    path("g/tickets/", pages.tickets, name="tickets"),
    path("g/tickets/<int:pk>/", pages.ticket, name="ticket"),
    path("g/tickets/<int:pk>/say/", pages.say, name="ticket-say"),
    path("g/tickets/<int:pk>/goods/", pages.goods, name="ticket-goods"),
    path("g/tickets/<int:pk>/difference/", pages.difference, name="ticket-difference"),
    path("g/tickets/<int:pk>/fee-code/", pages.fee_code, name="ticket-fee-code"),
    path("g/tickets/<int:pk>/bag/", pages.bag, name="ticket-bag"),
    path("g/members/<uuid:public_id>/tickets/new/", pages.new_ticket, name="ticket-new"),
    path("hq/service/", desk_pages.queue, name="service-desk"),
    path("hq/service/checks/", checking.checks, name="service-checks"),
    path("hq/service/checks/<int:pk>/", checking.check, name="service-check"),
    path("hq/service/figures/", checking.figures, name="service-figures"),
    path("hq/service/replies/", replies.templates, name="service-replies"),
    path("hq/service/replies/<slug:key>/", replies.template, name="service-reply"),
    path("hq/service/<int:pk>/", desk_pages.desk_ticket, name="desk-ticket"),
    path("hq/service/<int:pk>/say/", desk_pages.say, name="desk-ticket-say"),
]
