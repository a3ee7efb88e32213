"""Celery only wakes the code: jobs carry no truth, any number of them is harmless."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yejibao.settings")
app = Celery("yejibao")
app.config_from_object("django.conf:settings", namespace="CELERY")
ROOMS = [
    "yejibao.core",
    "crm.scoring",
    "crm.members",
    "tasks.cadences",
    "tasks.followups",
    "tasks.review",
]
app.autodiscover_tasks(ROOMS, related_name="jobs")
