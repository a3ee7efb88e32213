"""Ground floor tables: audit, idempotency keys, heartbeats, outbox, inbox of nothing yet."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from .files.models import StoredFile
from .outbox.models import OutboxEvent, OutboxMessage, SendingGate

__all__ = [
    "AuditEntry",
    "AuditSeal",
    "DrillReport",
    "Erasure",
    "Heartbeat",
    "IdempotencyKey",
    "KeyRotation",
    "OutboxEvent",
    "OutboxMessage",
    "SecretMark",
    "SendingGate",
    "SettingChange",
    "StoredFile",
]


class AuditEntry(models.Model):
    """Who did what to which row, and why. Append only: triggers refuse UPDATE, TRUNCATE, and DELETE before its time
    (audit_keeping.py). `at` is the product's clock, which people read; `written_at` the database's own."""

    class Result(models.TextChoices):
        OK = "ok", "成功"
        REFUSED = "refused", "被拒绝"

    at = models.DateTimeField()
    written_at = models.DateTimeField(null=True, db_default=Now())  # null: written before there was the column
    actor_kind = models.CharField(max_length=16)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=64)
    working_role = models.CharField(max_length=32, blank=True)
    on_behalf_of_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=64)
    resource = models.CharField(max_length=64)
    resource_id = models.CharField(max_length=64)
    scope = models.CharField(max_length=64, blank=True)  # all | self | org paths or stores of the working role
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.CharField(max_length=255, blank=True)
    ip = models.GenericIPAddressField(null=True)
    device = models.CharField(max_length=64, blank=True, db_default="")  # "企业微信 4.1.20 · iPhone"
    request_id = models.CharField(max_length=64, blank=True)
    result = models.CharField(max_length=8, choices=Result.choices, default=Result.OK, db_default="ok")

    class Meta:
        indexes = [
            models.Index(fields=["resource", "resource_id", "-at"], name="audit_by_resource"),
            models.Index(fields=["actor_id", "-at"], name="audit_by_actor"),
            models.Index(fields=["action", "-at"], name="audit_by_action"),
            models.Index(fields=["-at", "-id"], name="audit_newest"),
            # A manager reads only these of her people, who have done much else.
            models.Index(
                fields=["actor_id", "-at"],
                name="audit_reveals",
                condition=models.Q(action__in=("member.phone_revealed", "member.revealed")),
            ),
        ]


class AuditSeal(models.Model):
    """The hash over the audit rows after `after_id` up to `last_id`, and over the seal before it. Append only as they are."""

    after_id = models.BigIntegerField(unique=True)
    last_id = models.BigIntegerField()
    rows = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=64)  # SHA-256, hex
    sealed_at = models.DateTimeField()
    version = models.PositiveSmallIntegerField(default=2, db_default=1)  # which columns were hashed (sealing.py)


class DrillReport(models.Model):
    """What one restore drill proved, or where it failed (backup/drilling.py)."""

    at = models.DateTimeField()
    seconds = models.FloatField()
    bundle = models.CharField(max_length=128)
    rows = models.BigIntegerField(default=0)
    is_well = models.BooleanField()
    error = models.CharField(max_length=255, blank=True)
    facts = models.JSONField(default=dict)


class IdempotencyKey(models.Model):
    """The stored answer of a command that carried an Idempotency-Key (reliability-security §4)."""

    actor = models.CharField(max_length=64)
    key = models.CharField(max_length=64)
    request_sha = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)  # null: still running
    body = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["actor", "key"], name="idempotency_actor_key")]


class Heartbeat(models.Model):
    """The last sign of life of a process, by PostgreSQL's clock; `job:NAME` is when a job last went well."""

    JOB = "job:"

    name = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
    facts = models.JSONField(default=dict)


class KeyRotation(models.Model):
    """How far a table has come on its way to a new key: everything up to `after` was looked at (core/rotation.py)."""

    table = models.CharField(max_length=64)
    key_id = models.CharField(max_length=32)
    after = models.CharField(max_length=64, blank=True)  # the last primary key, as text
    rows = models.PositiveBigIntegerField(default=0)
    changed = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["table", "key_id"], name="key_rotation_table")]


class Erasure(models.Model):
    """A person who was forgotten on request. Kept for good, and in a file outside: a restore forgets him again."""

    subject_id = models.BigIntegerField(primary_key=True)
    erased_at = models.DateTimeField()
    marks = ArrayField(models.CharField(max_length=32), default=list)  # his card numbers and phones, as keyed hashes

    class Meta:
        indexes = [GinIndex(fields=["marks"], name="erasure_marks")]  # a feed must not bring him back


class SettingChange(models.Model):
    """One change of a setting of the brand (tunables.py): never edited, at most taken back before it begins."""

    key = models.CharField(max_length=40)
    number = models.PositiveIntegerField()
    value = models.JSONField()
    starts_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    changed_by_id = models.BigIntegerField(null=True)
    changed_by_name = models.CharField(max_length=64)
    reason = models.CharField(max_length=255)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "number"], name="setting_key_number")]
        indexes = [models.Index(fields=["key", "-starts_at"], name="setting_in_force")]


class SecretMark(models.Model):
    """That a secret is set, and since when; `mark` is a keyed hash, empty for one that is not set."""

    name = models.CharField(max_length=64, primary_key=True)
    mark = models.CharField(max_length=32)
    since = models.DateTimeField()
