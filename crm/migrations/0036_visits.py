"""Members are asked to come to the store: invitations, what became of them, goods set aside, managers' lists."""

import uuid

import django.contrib.postgres.functions
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0035_tailoring"),
        ("guides", "0017_goods_notices"),
    ]

    operations = [
        migrations.CreateModel(
            name="VisitGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=40)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("tryon", "试穿"),
                            ("new_arrival", "上新"),
                            ("event", "活动"),
                            ("care", "养护"),
                            ("other", "来坐坐"),
                        ],
                        default="event",
                        max_length=12,
                    ),
                ),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("asks_on", models.DateField()),
                ("conditions", models.JSONField(default=dict)),
                ("scope_path", models.TextField(blank=True)),
                ("made_at", models.DateTimeField()),
                (
                    "state",
                    models.CharField(
                        choices=[("running", "正在分给导购"), ("done", "分好了"), ("stopped", "停了")],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("cursor", models.BigIntegerField(default=0)),
                ("meant_count", models.IntegerField(default=0)),
                ("planned_count", models.IntegerField(default=0)),
                ("left_out", models.JSONField(default=dict)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "made_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="guides.orgunit",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Visit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "public_id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=uuid.uuid4,
                        editable=False,
                        unique=True,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("tryon", "试穿"),
                            ("new_arrival", "上新"),
                            ("event", "活动"),
                            ("care", "养护"),
                            ("other", "来坐坐"),
                        ],
                        default="tryon",
                        max_length=12,
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("guide", "导购邀约"), ("task", "任务里约的"), ("group", "集体邀约")],
                        default="guide",
                        max_length=8,
                    ),
                ),
                ("cause", models.CharField(blank=True, db_default="", default="", max_length=32)),
                ("words", models.CharField(blank=True, db_default="", default="", max_length=120)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planned", "待邀约"),
                            ("invited", "已邀约"),
                            ("accepted", "已应约"),
                            ("arrived", "已到店"),
                            ("bought", "已成交"),
                            ("declined", "来不了"),
                            ("no_show", "没有来"),
                            ("no_answer", "没回音"),
                            ("cancelled", "已取消"),
                        ],
                        default="invited",
                        max_length=10,
                    ),
                ),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("day", models.DateField()),
                ("wants_reminder", models.BooleanField(db_default=True, default=True)),
                ("is_own_answer", models.BooleanField(db_default=False, default=False)),
                ("moved_count", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("made_at", models.DateTimeField()),
                ("invited_at", models.DateTimeField(null=True)),
                ("opened_at", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("arrived_at", models.DateTimeField(null=True)),
                (
                    "seen_by",
                    models.CharField(
                        blank=True,
                        choices=[("guide", "导购点的"), ("order", "他买单了"), ("scan", "他扫了店里的吊牌")],
                        db_default="",
                        default="",
                        max_length=6,
                    ),
                ),
                ("bought_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, db_default="", default="", max_length=60)),
                (
                    "guide",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="visits",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="visits",
                        to="crm.member",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.order",
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="visits",
                        to="guides.store",
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="visits",
                        to="crm.visitgroup",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="VisitPiece",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("is_missing", models.BooleanField(db_default=False, default=False)),
                (
                    "reservation",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="visit_piece",
                        to="crm.reservation",
                    ),
                ),
                (
                    "sku",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crm.sku"
                    ),
                ),
                (
                    "visit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pieces",
                        to="crm.visit",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="VisitStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("planned", "待邀约"),
                            ("invited", "已邀约"),
                            ("accepted", "已应约"),
                            ("arrived", "已到店"),
                            ("bought", "已成交"),
                            ("declined", "来不了"),
                            ("no_show", "没有来"),
                            ("no_answer", "没回音"),
                            ("cancelled", "已取消"),
                        ],
                        max_length=10,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("is_member", models.BooleanField(default=False)),
                ("old_starts_at", models.DateTimeField(null=True)),
                ("words", models.CharField(blank=True, max_length=60)),
                (
                    "by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "visit",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="crm.visit",
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="visitgroup",
            index=models.Index(
                condition=models.Q(("state", "running")), fields=["id"], name="member_visit_group_running"
            ),
        ),
        migrations.AddIndex(
            model_name="visitgroup",
            index=models.Index(fields=["unit", "-made_at"], name="member_visit_group_unit"),
        ),
        migrations.AddConstraint(
            model_name="visitgroup",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))), name="member_visit_group_slot"
            ),
        ),
        migrations.AddIndex(
            model_name="visit",
            index=models.Index(fields=["store", "day"], name="member_visit_store_day"),
        ),
        migrations.AddIndex(
            model_name="visit",
            index=models.Index(fields=["day"], name="member_visit_day"),
        ),
        migrations.AddIndex(
            model_name="visit",
            index=models.Index(fields=["member", "-starts_at"], name="member_visit_member"),
        ),
        migrations.AddIndex(
            model_name="visit",
            index=models.Index(
                condition=models.Q(("group__isnull", False)), fields=["group", "id"], name="member_visit_group"
            ),
        ),
        migrations.AddIndex(
            model_name="visit",
            index=models.Index(
                condition=models.Q(("state__in", ["planned", "invited", "accepted"])),
                fields=["ends_at"],
                name="member_visit_open_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="visit",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["planned", "invited", "accepted"])),
                fields=("member",),
                name="member_visit_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="visit",
            constraint=models.UniqueConstraint(
                condition=models.Q(("order__isnull", False)), fields=("order",), name="member_visit_order_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="visit",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))), name="member_visit_slot"
            ),
        ),
        migrations.AddConstraint(
            model_name="visit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "accepted"), _negated=True), ("accepted_at__isnull", False), _connector="OR"
                ),
                name="member_visit_accepted_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="visit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["arrived", "bought"]), _negated=True),
                    ("arrived_at__isnull", False),
                    _connector="OR",
                ),
                name="member_visit_arrived_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="visit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "bought"), _negated=True),
                    models.Q(("bought_at__isnull", False), ("order__isnull", False)),
                    _connector="OR",
                ),
                name="member_visit_bought_has_order",
            ),
        ),
        migrations.AddIndex(
            model_name="visitpiece",
            index=models.Index(
                condition=models.Q(("is_missing", False), ("reservation", None)),
                fields=["visit"],
                name="member_visit_piece_to_keep",
            ),
        ),
        migrations.AddConstraint(
            model_name="visitpiece",
            constraint=models.UniqueConstraint(fields=("visit", "sku"), name="member_visit_piece_once"),
        ),
        migrations.AddIndex(
            model_name="visitstep",
            index=models.Index(fields=["visit", "id"], name="member_visit_step_visit"),
        ),
    ]
