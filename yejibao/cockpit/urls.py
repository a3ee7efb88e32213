"""Routes of the cockpit."""

from django.urls import URLPattern, URLResolver, path

from . import (
    backups,
    doctor,
    health,
    inbox,
    inbox_replay,
    integrations,
    messages_page,
    pages,
    schedule_page,
    settings_page,
    sources_page,
)
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
    path("hq/intake/sources/", sources_page.sources, name="sources"),
    path("hq/intake/sources/new/", sources_page.new_source, name="source-new"),
    path("hq/intake/sources/<int:pk>/", sources_page.source, name="source"),
    path("hq/intake/sources/<int:pk>/token/", sources_page.token, name="source-token"),
    path("hq/intake/sources/<int:pk>/stop/", sources_page.stop, name="source-stop"),
    path("hq/integrations/", integrations.page, name="integrations"),
    path("hq/jobs/", schedule_page.page, name="jobs"),
    path("hq/jobs/<int:pk>/", schedule_page.job, name="job"),
    path("hq/jobs/<int:pk>/switch/", schedule_page.switch, name="job-switch"),
    path("hq/jobs/<int:pk>/run/", schedule_page.run, name="job-run"),
    path("hq/messages/", messages_page.page, name="messages"),
    path("hq/messages/<int:pk>/", messages_page.message, name="message"),
    path("hq/messages/<int:pk>/park/", messages_page.park, name="message-park"),
    path("hq/messages/news/", messages_page.news, name="news"),
    path("hq/messages/news/<int:pk>/retry/", messages_page.retry_one, name="news-retry"),
    path("hq/settings/", settings_page.page, name="settings"),
    path("hq/settings/<slug:key>/", settings_page.setting, name="setting"),
    path("hq/settings/<slug:key>/change/", settings_page.change, name="setting-change"),
    path("hq/settings/<slug:key>/<int:number>/withdraw/", settings_page.withdraw, name="setting-withdraw"),
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
