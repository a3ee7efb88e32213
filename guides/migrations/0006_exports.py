import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import yejibao.core.personal

STATES = [
    ("waiting", "等审批"), ("queued", "排队中"), ("running", "生成中"), ("ready", "可以下载"), ("taken", "已下载"),
    ("refused", "没同意"), ("failed", "没做成"), ("expired", "过期没下载"),
]  # fmt: skip


class Migration(migrations.Migration):
    """Exports that were asked for, and the file of one until it is taken."""

    dependencies = [("guides", "0005_approvals")]

    operations = [
        migrations.CreateModel(
            name="Export",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(max_length=32)),
                ("title", models.CharField(max_length=120)),
                ("params", models.JSONField(default=dict)),
                ("with_phone", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, max_length=255)),
                ("working_role", models.CharField(max_length=32)),
                ("state", models.CharField(choices=STATES, max_length=8)),
                ("asked_at", models.DateTimeField()),
                ("asked_on", models.DateField()),
                ("ip", models.GenericIPAddressField(null=True)),
                ("agent", models.CharField(blank=True, max_length=255)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                ("rows_total", models.PositiveIntegerField(default=0)),
                ("rows_done", models.PositiveIntegerField(default=0)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("error", models.CharField(blank=True, max_length=255)),
                ("ready_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("link_hash", models.CharField(blank=True, max_length=64)),
                ("link_until", models.DateTimeField(null=True)),
                (
                    "staff",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="exports", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ExportFile",
            fields=[
                (
                    "export",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="file",
                        serialize=False,
                        to="guides.export",
                    ),
                ),
                ("content", yejibao.core.personal.EncryptedField()),
            ],
        ),
        migrations.AddIndex("export", models.Index(fields=["staff", "-asked_at"], name="export_of_person")),
        migrations.AddIndex(
            "export",
            models.Index(
                condition=models.Q(("state__in", ("queued", "running", "ready"))),
                fields=["state"],
                name="export_in_hand",
            ),
        ),
    ]
