"""Routes of the department: gathers those of its rooms."""

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from .announcements import urls as announcements
from .approvals import pages as approvals
from .attendance import urls as attendance
from .attendance.api import RosterViewSet
from .attendance.clockin import urls as clock_in
from .drive import urls as drive
from .exports import pages as exports
from .helpdesk import urls as helpdesk
from .meetings import urls as meetings
from .notices import pages as notices
from .org import account_pages as account
from .org import pages
from .org.api import MeView, StaffViewSet, StoreViewSet, UnitViewSet
from .org.backoffice import urls as backoffice
from .org.jssdk_api import SignatureView
from .patrol import urls as patrol
from .storeboard import pages as storeboard
from .votes import urls as votes
from .worklog import urls as worklog

app_name = "guides"

api = SimpleRouter()
api.register("stores", StoreViewSet, basename="store")
api.register("staff", StaffViewSet, basename="staff")
api.register("units", UnitViewSet, basename="unit")
api.register("roster", RosterViewSet, basename="roster")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.front, name="front"),
    path("login/", pages.login, name="login"),
    path("login/code/", account.login_code, name="login-code"),
    path("login/wecom/", pages.wecom_start, name="wecom-start"),
    path("login/wecom/callback/", pages.wecom_callback, name="wecom-callback"),
    path("logout/", pages.logout, name="logout"),
    path("me/", pages.me, name="me"),
    path("me/role/", pages.switch_role, name="switch-role"),
    path("me/confirm/", account.confirm, name="confirm"),
    path("me/confirm/wecom/", account.confirm_by_platform, name="confirm-by-platform"),
    path("me/second/", account.second, name="second-factor"),
    path("me/devices/", account.own_devices, name="devices"),
    path("me/devices/end/", account.end_own_devices, name="devices-end"),
    path("hq/people/<int:pk>/devices/", account.devices_of, name="staff-devices"),
    path("hq/people/<int:pk>/devices/end/", account.end_devices_of, name="staff-devices-end"),
    path("me/notifications/", notices.notifications, name="notifications"),
    path("me/notifications/read/", notices.read_all, name="notifications-read"),
    path("me/notifications/opened/", notices.opened, name="notifications-opened"),
    path("me/notifications/<int:pk>/", notices.follow, name="notification"),
    path("me/approvals/", approvals.approvals, name="approvals"),
    path("me/approvals/<int:pk>/", approvals.approval, name="approval"),
    path("me/approvals/<int:pk>/decide/", approvals.decide, name="approval-decide"),
    path("me/approvals/<int:pk>/withdraw/", approvals.withdraw, name="approval-withdraw"),
    path("me/exports/", exports.exports, name="exports"),
    path("me/exports/ask/<slug:key>/", exports.ask, name="export-ask"),
    path("me/exports/<int:pk>/", exports.export, name="export"),
    path("me/exports/<int:pk>/asked/", exports.asked, name="export-asked"),
    path("me/exports/<int:pk>/download/", exports.download, name="export-download"),
    path("me/exports/<int:pk>/file/<str:secret>/", exports.file, name="export-file"),
    *attendance.urlpatterns,
    *worklog.urlpatterns,
    *clock_in.urlpatterns,
    path("m/board/", storeboard.board, name="store-board"),
    path("g/", pages.front),
    path("m/", pages.front),
    *announcements.urlpatterns,
    *helpdesk.urlpatterns,
    *votes.urlpatterns,
    *meetings.urlpatterns,
    *drive.urlpatterns,
    path("hq/", pages.hq_home, name="hq-home"),
    *backoffice.urlpatterns,
    *patrol.urlpatterns,
    path("api/v1/wecom/signature", SignatureView.as_view(), name="wecom-signature"),
    path("api/v1/me/", MeView.as_view(), name="me-api"),
    path("api/v1/", include(api.urls)),
]
