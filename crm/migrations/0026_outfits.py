import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0024_stocktake"),
        ("guides", "0016_finding_closed"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="OutfitPlan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=40)),
                ("season", models.CharField(max_length=4)),
                ("low_c", models.SmallIntegerField()),
                ("high_c", models.SmallIntegerField()),
                (
                    "groups",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), default=list, size=None
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("low_c__lte", models.F("high_c"))), name="outfit_plan_warmth"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Outfit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=40)),
                ("version", models.PositiveSmallIntegerField(default=1)),
                (
                    "plan",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="outfits",
                        to="crm.outfitplan",
                    ),
                ),
                ("day", models.PositiveSmallIntegerField(null=True)),
                ("name", models.CharField(max_length=40)),
                ("season", models.CharField(max_length=4)),
                ("low_c", models.SmallIntegerField(null=True)),
                ("high_c", models.SmallIntegerField(null=True)),
                ("occasion", models.CharField(max_length=8)),
                (
                    "groups",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20), blank=True, default=list, size=None
                    ),
                ),
                ("reason", models.CharField(max_length=200)),
                ("body_tip", models.CharField(blank=True, max_length=120)),
                ("pitch", models.CharField(blank=True, max_length=120)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "草稿"),
                            ("proposed", "投稿待审"),
                            ("published", "已发布"),
                            ("refused", "未采纳"),
                            ("withdrawn", "已下架"),
                        ],
                        default="draft",
                        max_length=10,
                    ),
                ),
                (
                    "author",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "stylist",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("proposed_at", models.DateTimeField(null=True)),
                ("published_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_why", models.CharField(blank=True, max_length=120)),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["state", "-updated_at", "-id"], name="outfit_list"),
                    models.Index(
                        condition=models.Q(("author__isnull", False)),
                        fields=["author", "-created_at"],
                        name="outfit_author",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("key", "version"), name="outfit_key_version"),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "published")), fields=("key",), name="outfit_key_published"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "published")), fields=("plan", "day"), name="outfit_one_a_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("day", None), ("plan", None)),
                            models.Q(("day__gte", 1), ("day__lte", 7), ("plan__isnull", False)),
                            _connector="OR",
                        ),
                        name="outfit_plan_and_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "published"), _negated=True),
                            ("published_at__isnull", False),
                            _connector="OR",
                        ),
                        name="outfit_published_when",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["refused", "withdrawn"]), _negated=True),
                            models.Q(("ended_at__isnull", False), models.Q(("ended_why", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="outfit_ended_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "proposed"), _negated=True), ("author__isnull", False), _connector="OR"
                        ),
                        name="outfit_proposed_by",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutfitPiece",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "outfit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pieces",
                        to="crm.outfit",
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                (
                    "style",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crm.stylecolor"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("outfit", "position"), name="outfit_piece_place"),
                    models.UniqueConstraint(fields=("outfit", "style"), name="outfit_piece_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutfitCredit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "outfit",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="credit", to="crm.outfit"
                    ),
                ),
                (
                    "guide",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="outfit_credits",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("points", models.PositiveSmallIntegerField()),
                ("at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["guide", "-at"], name="outfit_credit_guide"),
                    models.Index(fields=["-at"], name="outfit_credit_newest"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("points__gt", 0)), name="outfit_credit_counts")
                ],
            },
        ),
        migrations.CreateModel(
            name="LookChoice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="look_choices",
                        to="crm.member",
                    ),
                ),
                ("on", models.DateField()),
                (
                    "outfit",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="crm.outfit"
                    ),
                ),
                ("swaps", models.JSONField(default=dict)),
                (
                    "by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("member", "on"), name="look_choice_day")],
            },
        ),
        migrations.CreateModel(
            name="LookShare",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="look_shares",
                        to="crm.member",
                    ),
                ),
                (
                    "guide",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("starts_on", models.DateField()),
                ("day", models.DateField(null=True)),
                ("words", models.CharField(max_length=500)),
                ("made_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("opened_at", models.DateTimeField(null=True)),
                ("liked_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["member", "-made_at"], name="look_share_newest")],
                "constraints": [],
            },
        ),
    ]
