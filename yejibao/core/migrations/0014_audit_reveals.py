from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Reveals by person, without all else that he did."""

    atomic = False
    dependencies = [("core", "0013_drill_report")]

    operations = [
        AddIndexConcurrently(
            "auditentry",
            models.Index(
                fields=["actor_id", "-at"], name="audit_reveals",
                condition=models.Q(("action__in", ("member.phone_revealed", "member.revealed"))),
            ),
        ),
    ]
