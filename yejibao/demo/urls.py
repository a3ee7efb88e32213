"""Routes of the WeCom-like client. They answer 404 where there is no stand-in, as in production."""

from django.urls import path

from . import sandbox_client as client
from . import sandbox_levers as levers
from . import sandbox_masses as masses
from . import sandbox_member as member
from . import sandbox_pay as paying
from . import sandbox_people as people
from . import sandbox_staff as staff
from . import sandbox_strangers as strangers
from . import sandbox_tags as tags

app_name = "demo"

urlpatterns = [
    path("sandbox/", client.home, name="sandbox"),
    path("sandbox/people/", people.people, name="sandbox-people"),
    path("sandbox/connect/oauth2/authorize", people.authorize, name="sandbox-authorize"),
    path("sandbox/wwlogin/sso/login", people.scan_to_sign_in, name="sandbox-sign-in"),
    path("sandbox/api/poll", client.poll, name="sandbox-poll"),
    path("sandbox/api/chat", client.say, name="sandbox-chat"),
    path("sandbox/api/press", client.press, name="sandbox-press"),
    path("sandbox/api/clock", levers.turn_clock, name="sandbox-clock"),
    path("sandbox/api/order", levers.place_order, name="sandbox-order"),
    path("sandbox/api/faults", levers.faults, name="sandbox-faults"),
    path("sandbox/member/", member.choose, name="sandbox-member"),
    path("sandbox/api/pay", paying.pay, name="sandbox-pay"),
    path("sandbox/api/phone", member.take_phone, name="sandbox-phone"),
    path("sandbox/masses/", masses.masses, name="sandbox-masses"),
    path("sandbox/scan/", strangers.scan_page, name="sandbox-scan-page"),
    path("sandbox/api/scan", strangers.scan, name="sandbox-scan"),
    path("sandbox/api/told", strangers.told, name="sandbox-told"),
    path("sandbox/api/unfriend", strangers.part, name="sandbox-unfriend"),
    path("sandbox/api/remark", strangers.edit, name="sandbox-remark"),
    path("sandbox/api/staff/resign", staff.resign, name="sandbox-resign"),
    path("sandbox/api/staff/move", staff.move, name="sandbox-move"),
    path("sandbox/api/tags", tags.tags, name="sandbox-tags"),
]
