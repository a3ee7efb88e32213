"""What the platform told us, and what it last said of the things nobody else in the house keeps."""

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext_lazy as _

from yejibao.core.personal import EncryptedField

# An encrypted column takes no lookups.
HAS_TEXT = RawSQL("wecom_inboxentry.body <> ''", (), output_field=models.BooleanField())


class InboxQuerySet(models.QuerySet["InboxEntry"]):
    def with_text(self) -> "InboxQuerySet":
        """Entries that still have their text and can be worked off again."""
        return self.alias(has_text=HAS_TEXT).filter(has_text=True)


class InboxEntry(models.Model):
    """One callback, stored as it came (reliability-security §7). The text goes after a month, the digest after 400 days."""

    class State(models.TextChoices):
        WAITING = "waiting", _("等待处理")
        DONE = "done", _("已处理")
        UNHANDLED = "unhandled", _("没有部门认领")  # genuine, but of a kind nobody here knows or wants
        PARKED = "parked", _("搁置")  # failed five times; a person decides

    source = models.CharField(max_length=32)  # the app in the address it came to
    digest = models.BinaryField(max_length=32)  # SHA-256 of the decrypted bytes: a retry is encrypted anew
    kind = models.CharField(max_length=80, blank=True)  # change_external_contact/add_external_contact; "": unreadable
    happened_at = models.DateTimeField(null=True)  # CreateTime, whole seconds
    received_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    priority = models.SmallIntegerField(default=5)  # 0: somebody waits for our answer within seconds
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    claim_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)  # PostgreSQL's clock; waiting and leased = in somebody's hands
    done_at = models.DateTimeField(null=True)
    error = models.CharField(
        max_length=255, blank=True
    )  # class and code of the last failure, never a text of the event
    body = EncryptedField(blank=True)  # the XML; "" once it is no longer needed

    objects = InboxQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "digest"], name="inbox_source_digest")]
        indexes = [
            # claim(): what is due, urgent first
            models.Index(fields=["priority", "next_at"], name="inbox_waiting", condition=Q(state="waiting")),
            # the screen: what wants a person, newest first
            models.Index(fields=["-id"], name="inbox_trouble", condition=Q(state__in=["parked", "unhandled"])),
            # the day's figures and both ends of keeping; rows come in this order, so a summary of blocks is enough
            BrinIndex(fields=["received_at"], name="inbox_received"),
        ]


class Mirror(models.Model):
    """The last word of the platform about one of its things: a chat, a corp tag, a living, an approval, a card.

    News that is older than what stands here changes nothing; what was deleted there is marked here, never dropped.
    """

    kind = models.CharField(max_length=16)
    key = models.CharField(max_length=128)
    state = models.CharField(max_length=32, blank=True)
    version = models.BigIntegerField(default=0)  # the platform's own count of changes, where it has one
    happened_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)
    facts = models.JSONField(default=dict)  # ids, states and numbers; no names of people

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="mirror_kind_key")]
