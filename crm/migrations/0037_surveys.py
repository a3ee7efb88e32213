"""Surveys 评价: who was asked, what was said, the figures of each day."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0036_visits"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Survey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                ("kind", models.CharField(choices=[("purchase", "购买"), ("service", "售后"), ("fitting", "量体定制")], max_length=8)),
                ("cause", models.CharField(max_length=32, unique=True)),
                ("token_hash", models.CharField(max_length=64, unique=True)),
                ("about_at", models.DateTimeField()),
                ("asked_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("answered_at", models.DateTimeField(null=True)),
                ("way", models.CharField(blank=True, choices=[("link", "链接"), ("page", "会员页"), ("app", "小程序")], max_length=4)),
                ("stars", models.PositiveSmallIntegerField(null=True)),
                ("reasons", django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=16), default=list, size=None)),
                ("words", models.CharField(blank=True, max_length=300)),
                ("is_anonymous", models.BooleanField(default=False)),
                ("reply", models.CharField(blank=True, max_length=300)),
                ("replied_at", models.DateTimeField(null=True)),
                ("complaint", models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="low_survey", to="crm.ticket")),
                ("guide", models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("member", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="surveys", to="crm.member")),
                ("order", models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crm.order")),
                ("replied_by", models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("store", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.store")),
                ("ticket", models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="survey", to="crm.ticket")),
            ],
            options={
                "indexes": [
                    models.Index(fields=["member", "-asked_at"], name="survey_of_member"),
                    models.Index(condition=models.Q(("answered_at__isnull", False)), fields=["store", "-answered_at"], name="survey_of_store"),
                    models.Index(condition=models.Q(("answered_at__isnull", False)), fields=["guide", "-answered_at"], name="survey_of_guide"),
                    models.Index(condition=models.Q(("answered_at__isnull", False)), fields=["-answered_at"], name="survey_answered"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("answered_at__isnull", True), ("stars__isnull", True)),
                            models.Q(("answered_at__isnull", False), ("stars__range", (1, 5))),
                            _connector="OR",
                        ),
                        name="survey_answered_has_stars",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("replied_at__isnull", True), ("answered_at__isnull", False), _connector="OR"),
                        name="survey_reply_to_an_answer",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SurveyRefusal",
            fields=[
                ("member", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="+", serialize=False, to="crm.member")),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="SurveyDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("kind", models.CharField(max_length=8)),
                ("asked", models.IntegerField(default=0)),
                ("answered", models.IntegerField(default=0)),
                ("stars", models.IntegerField(default=0)),
                ("five", models.IntegerField(default=0)),
                ("four", models.IntegerField(default=0)),
                ("low", models.IntegerField(default=0)),
                ("guide", models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL)),
                ("store", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="guides.store")),
            ],
            options={
                "indexes": [models.Index(fields=["day"], name="survey_day")],
                "constraints": [models.UniqueConstraint(fields=("store", "day", "guide", "kind"), name="survey_day_once", nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name="SurveyReason",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("kind", models.CharField(max_length=8)),
                ("reason", models.CharField(max_length=16)),
                ("count", models.IntegerField(default=0)),
                ("store", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="guides.store")),
            ],
            options={
                "indexes": [models.Index(fields=["day"], name="survey_reason_day")],
                "constraints": [models.UniqueConstraint(fields=("store", "day", "kind", "reason"), name="survey_reason_once")],
            },
        ),
    ]
