"""Routes of the cockpit."""

from django.urls import URLPattern, URLResolver, path

from . import backups, doctor, health, inbox, inbox_replay, pages
from .audit import pages as audit

app_name = "cockpit"

urlpatterns: list[URLPattern | URLResolver] = [
    path("hq/audit/", audit.page, name="audit"),
    path("hq/audit/people/", audit.people, name="audit-people"),
    path("hq/audit/members/", audit.find_member, name="audit-find-member"),
    path("hq/audit/members/<uuid:public_id>/", audit.member, name="audit-member"),
    path("hq/backups/", backups.page, name="backups"),
    path("hq/backups/open/", backups.open_gate, name="open-gate"),
    path("hq/doctor/", doctor.page, name="doctor"),
    path("hq/doctor/report/", doctor.report, name="doctor-report"),
    path("hq/health/", health.page, name="health"),
    path("hq/inbox/", inbox.page, name="inbox"),
    path("hq/inbox/entries/", inbox_replay.entries, name="inbox-entries"),
    path("hq/inbox/lines/", inbox.lines, name="inbox-lines"),
    path("hq/inbox/replay/", inbox_replay.replay, name="inbox-replay"),
    path("hq/push/", pages.push, name="push"),
    path("hq/push/causes/<slug:key>/", pages.cause, name="push-cause"),
    path("hq/push/resend/", pages.resend, name="push-resend"),
    path("hq/push/close/", pages.close, name="push-close"),
    path("hq/push/messages/<int:pk>/resend/", pages.resend_one, name="push-resend-one"),
    path("hq/push/messages/<int:pk>/close/", pages.close_one, name="push-close-one"),
    path("hq/push/events/retry/", pages.retry_events, name="push-retry-events"),
    path("hq/push/events/<int:pk>/close/", pages.close_event, name="push-close-event"),
    path("hq/push/cycles/retry/", pages.retry_cycles, name="push-retry-cycles"),
]
