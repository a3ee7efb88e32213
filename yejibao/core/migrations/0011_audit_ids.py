from django.db import migrations


class Migration(migrations.Migration):
    """Who saw this member, in lists and exports too: their rows hold the ids of all they showed."""

    atomic = False
    dependencies = [("core", "0010_key_rotation_and_erasure")]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY audit_of_ids ON core_auditentry USING gin ((after -> 'ids'))"
            " WHERE action IN ('export.made', 'member.listed')",
            "DROP INDEX audit_of_ids",
        )
    ]
