from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """What the audit screens filter by: an action, or nothing but the days."""

    atomic = False
    dependencies = [("core", "0008_audit_fields")]

    operations = [
        AddIndexConcurrently("auditentry", models.Index(fields=["action", "-at"], name="audit_by_action")),
        AddIndexConcurrently("auditentry", models.Index(fields=["-at", "-id"], name="audit_newest")),
    ]
