"""What the door keeps in PostgreSQL, so that losing Redis costs speed and nothing else."""

from django.db import models

from yejibao.core.personal import EncryptedField

from .inbox.models import InboxEntry, Mirror
from .mass.models import MassSend, MassSender, MassTarget
from .syncing.models import SyncPart, SyncRun
from .welcome.models import WelcomeMessage

__all__ = [
    "BudgetWindow",
    "Credential",
    "InboxEntry",
    "MassSend",
    "MassSender",
    "MassTarget",
    "Mirror",
    "SyncPart",
    "SyncRun",
    "WelcomeMessage",
]


class Credential(models.Model):
    """An access token or ticket in force; the row that processes share. Redis holds a copy in front of it."""

    key = models.CharField(max_length=64, primary_key=True)  # a hash of corp, agent, secret and kind; never the secret
    value = EncryptedField(blank=True)
    expires_at = models.DateTimeField(null=True)  # PostgreSQL's clock
    is_repeated = models.BooleanField(default=False)  # the platform handed out again what it had just refused
    changed_at = models.DateTimeField()


class BudgetWindow(models.Model):
    """What was used of one budget. Only in use while Redis is gone."""

    key = models.CharField(max_length=160, primary_key=True)
    used = models.JSONField(default=dict)
