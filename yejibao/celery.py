"""Celery only wakes the code: jobs carry no truth, any number of them is harmless."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init

from yejibao.core import jobtrace  # noqa: F401  connects itself: each job leaves its line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yejibao.settings")
app = Celery("yejibao")
app.config_from_object("django.conf:settings", namespace="CELERY")
ROOMS = [
    "yejibao.core", "yejibao.intake", "crm.quality", "crm.visits", "crm.catalogue", "crm.catalogue.stocktake", "crm.wallet", "crm.portal", "crm.orders.proxy", "crm.orders.checkout", "crm.aftersale", "crm.benefits", "yejibao.wecom.inbox", "yejibao.wecom.mass", "yejibao.wechatpay", "crm.finance", "guides.org", "guides.attendance.clockin", "guides.notices", "guides.announcements", "guides.worklog", "guides.attendance", "guides.helpdesk", "guides.votes", "guides.meetings", "guides.drive", "guides.patrol.rectify", "guides.patrol.figures", "guides.patrol.reminders", "guides.exports", "guides.approvals", "crm.scoring", "crm.members", "crm.friends", "crm.tags", "crm.surveys", "crm.tailoring", "crm.privacy", "crm.corptags", "tasks.cadences",
    "tasks.followups", "tasks.review", "tasks.scripts", "tasks.duties",
]  # fmt: skip
app.autodiscover_tasks(ROOMS, related_name="jobs")


@beat_init.connect
def bring_schedule_up_to_date(**_: Any) -> None:
    """Upsert the schedule when beat starts, so that a new entry needs no hand. Workers check by themselves."""
    from yejibao.core.checks import refuse_unsafe_start
    from yejibao.schedule import install

    refuse_unsafe_start()
    install()
