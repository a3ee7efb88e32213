import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import yejibao.core.personal


class Migration(migrations.Migration):
    """Where people are signed in, and the secret of their authenticator apps."""

    dependencies = [("guides", "0006_exports")]

    operations = [
        migrations.AddField("staffsession", "seen_at", models.DateTimeField(null=True)),
        migrations.AddField("staffsession", "began_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "staffsession", "device", models.CharField(blank=True, db_default="", default="", max_length=32)
        ),
        migrations.AddField("staffsession", "ip", models.GenericIPAddressField(null=True)),
        migrations.CreateModel(
            name="SecondFactor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("secret", yejibao.core.personal.EncryptedField()),
                ("enrolled_at", models.DateTimeField(null=True)),
                ("last_step", models.BigIntegerField(default=0)),
                ("failure_count", models.PositiveSmallIntegerField(default=0)),
                ("locked_until", models.DateTimeField(null=True)),
                ("recovery_codes", models.JSONField(default=list)),
                (
                    "staff",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="second_factor",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
