"""售后质检 and 常用答复: drawn tickets with their scores, and the sentences that stand ready."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0033_exchanges"),
        ("guides", "0017_goods_notices"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ReplyTemplate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.SlugField(max_length=32, unique=True)),
                ("name", models.CharField(max_length=24)),
                ("text", models.CharField(max_length=500)),
                ("kinds", models.JSONField(default=list)),
                ("place", models.PositiveSmallIntegerField(default=50)),
                ("is_open", models.BooleanField(default=True)),
                ("changed_at", models.DateTimeField()),
                (
                    "changed_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ServiceCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("week", models.DateField()),
                (
                    "why",
                    models.CharField(
                        choices=[("low", "评了低分"), ("reopened", "又打开过"), ("drawn", "抽到")], max_length=8
                    ),
                ),
                ("drawn_at", models.DateTimeField()),
                ("marks", models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
                ("score", models.PositiveSmallIntegerField(null=True)),
                ("comment", models.CharField(blank=True, db_default="", default="", max_length=500)),
                ("checked_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
                (
                    "answered_by",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="service_checks",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "checked_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.store"),
                ),
                (
                    "ticket",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="check_of", to="crm.ticket"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=Q(("checked_at", None)), fields=["drawn_at", "id"], name="service_check_waits"
                    ),
                    models.Index(
                        condition=Q(("checked_at__isnull", False)),
                        fields=["checked_at", "id"],
                        name="service_check_done",
                    ),
                    models.Index(fields=["answered_by", "checked_at"], name="service_check_of"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            Q(("checked_at", None), ("checked_by", None)),
                            Q(("checked_at__isnull", False), ("checked_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="service_check_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=Q(("score", None), ("score__lte", 100), _connector="OR"), name="service_check_of_100"
                    ),
                    models.CheckConstraint(
                        condition=Q(("seen_at", None), ("checked_at__isnull", False), _connector="OR"),
                        name="service_check_seen_after",
                    ),
                ],
            },
        ),
    ]
