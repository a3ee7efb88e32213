"""Routes of clocking in."""

from django.urls import URLPattern, path

from . import board_pages as board
from . import pages
from . import place_pages as places
from .api import NonceView, PressView

urlpatterns: list[URLPattern] = [
    path("g/clock-in/", pages.clock_page, name="clock-in"),
    path("g/clock-in/line/", pages.line, name="clock-line"),
    path("g/clock-in/month/", pages.month_page, name="clock-month"),
    path("g/clock-in/consent/", pages.consent, name="clock-consent"),
    path("g/clock-in/mend/", pages.mend, name="clock-mend"),
    path("g/clock-in/mend/<int:pk>/withdraw/", pages.withdraw, name="clock-mend-withdraw"),
    path("m/attendance/", board.board, name="attendance"),
    path("m/attendance/mend/<int:pk>/", board.decide, name="clock-mend-decide"),
    path("m/attendance/places/", places.place_list, name="clock-places"),
    path("m/attendance/places/<int:pk>/", places.place_page, name="clock-place"),
    path("m/attendance/places/<int:pk>/fence/", places.set_fence, name="clock-fence"),
    path("m/attendance/places/<int:pk>/wifi/", places.add_wifi, name="clock-wifi"),
    path("m/attendance/places/<int:pk>/wifi/<int:wifi>/drop/", places.drop_wifi, name="clock-wifi-drop"),
    path("api/v1/clock-in/nonce/", NonceView.as_view(), name="clock-nonce"),
    path("api/v1/clock-in/", PressView.as_view(), name="clock-press"),
]
