from django.db import migrations, models

REFUSE = """
CREATE TRIGGER core_seal_append_only BEFORE UPDATE OR DELETE ON core_auditseal
    FOR EACH ROW EXECUTE FUNCTION core_audit_refuse();
"""


class Migration(migrations.Migration):
    """Seals on the audit trail, as append only as the trail itself."""

    dependencies = [("core", "0005_message_turns")]

    operations = [
        migrations.CreateModel(
            name="AuditSeal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("after_id", models.BigIntegerField(unique=True)),
                ("last_id", models.BigIntegerField()),
                ("rows", models.PositiveBigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("sealed_at", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(REFUSE, "DROP TRIGGER core_seal_append_only ON core_auditseal"),
    ]
