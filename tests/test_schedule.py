"""What beats when: every entry names a job that exists, and the nights are full of what callbacks may have missed."""

from typing import Any

import pytest
from django_celery_beat.models import PeriodicTask

from crm.friends.jobs import go_on_with_sync, start_nightly_sync
from guides.org.jobs import go_on_with_people_sync, start_nightly_people_sync
from yejibao import schedule
from yejibao.celery import app
from yejibao.wecom.syncing.models import SyncRun


def test_every_entry_names_a_job_and_a_name_once() -> None:
    app.loader.import_default_modules()
    app.autodiscover_tasks(force=True)
    assert [entry.job for entry in schedule.ENTRIES if entry.job not in app.tasks] == []
    assert len({entry.name for entry in schedule.ENTRIES}) == len(schedule.ENTRIES)


@pytest.mark.parametrize("job", [start_nightly_people_sync, start_nightly_sync])
def test_reconciling_beats_once_a_night(db: None, job: Any) -> None:
    schedule.install()
    (entry,) = PeriodicTask.objects.filter(task=job.name)
    assert entry.enabled and entry.queue == "nightly"
    assert entry.crontab.hour in ("0", "1") and str(entry.crontab.timezone) == schedule.TZ


@pytest.mark.django_db
def test_a_night_reads_all_lists_and_counts_what_was_missed(sandbox: Any) -> None:
    sandbox.post("world", people=[{"userid": "lan.chen", "name": "陈兰", "department": [1]}])
    start_nightly_people_sync()
    for _ in range(20):
        go_on_with_people_sync()
    start_nightly_sync()
    for _ in range(20):
        go_on_with_sync()
    runs = dict(SyncRun.objects.values_list("kind", "state"))
    assert runs["staff"] == "done" and runs["friends"] == "done"
