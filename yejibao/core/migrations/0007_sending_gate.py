from django.db import migrations, models


class Migration(migrations.Migration):
    """The gate that keeps sending shut after a restore."""

    dependencies = [("core", "0006_audit_seals")]

    operations = [
        migrations.CreateModel(
            name="SendingGate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("shut_at", models.DateTimeField()),
                ("why", models.CharField(max_length=255)),
                ("opened_at", models.DateTimeField(null=True)),
                ("opened_by", models.CharField(blank=True, max_length=64)),
                ("reason", models.CharField(blank=True, max_length=255)),
            ],
        ),
    ]
