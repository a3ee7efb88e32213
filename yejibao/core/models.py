"""Ground floor tables: audit, idempotency keys, heartbeats, outbox, inbox of nothing yet."""

from django.db import models

from .outbox.models import OutboxEvent, OutboxMessage, SendingGate

__all__ = ["AuditEntry", "AuditSeal", "Heartbeat", "IdempotencyKey", "OutboxEvent", "OutboxMessage", "SendingGate"]


class AuditEntry(models.Model):
    """Who did what to which row, and why. Append only: a trigger refuses UPDATE and DELETE."""

    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=64)
    working_role = models.CharField(max_length=32, blank=True)
    on_behalf_of_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=64)
    resource = models.CharField(max_length=64)
    resource_id = models.CharField(max_length=64)
    scope = models.CharField(max_length=64, blank=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.CharField(max_length=255, blank=True)
    ip = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["resource", "resource_id", "-at"], name="audit_by_resource"),
            models.Index(fields=["actor_id", "-at"], name="audit_by_actor"),
        ]


class AuditSeal(models.Model):
    """The hash over the audit rows after `after_id` up to `last_id`, and over the seal before it. Append only as they are."""

    after_id = models.BigIntegerField(unique=True)
    last_id = models.BigIntegerField()
    rows = models.PositiveBigIntegerField()
    digest = models.CharField(max_length=64)  # SHA-256, hex
    sealed_at = models.DateTimeField()


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
