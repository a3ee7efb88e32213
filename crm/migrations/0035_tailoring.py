import uuid

import django.contrib.postgres.fields
import django.contrib.postgres.functions
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0034_quality_checks"),
        ("guides", "0017_goods_notices"),
    ]

    operations = [
        migrations.CreateModel(
            name="Fitting",
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
                    "state",
                    models.CharField(
                        choices=[
                            ("booked", "已预约"),
                            ("measured", "待确认"),
                            ("confirmed", "已确认"),
                            ("making", "制作中"),
                            ("ready", "可以取衣"),
                            ("collected", "已试穿取走"),
                            ("cancelled", "已取消"),
                            ("no_show", "没有到店"),
                        ],
                        default="booked",
                        max_length=10,
                    ),
                ),
                ("channel", models.CharField(choices=[("member", "会员自己约"), ("guide", "导购帮约")], max_length=8)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("wish", models.CharField(blank=True, max_length=255)),
                ("booked_at", models.DateTimeField()),
                ("moved_count", models.PositiveSmallIntegerField(default=0)),
                ("garment", models.CharField(blank=True, max_length=16)),
                ("quantity", models.PositiveSmallIntegerField(default=1)),
                ("fabric", models.CharField(blank=True, max_length=64)),
                (
                    "styles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=16), blank=True, default=list, size=None
                    ),
                ),
                (
                    "works",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=16), blank=True, default=list, size=None
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=255)),
                ("price_fen", models.BigIntegerField(default=0)),
                ("deposit_fen", models.BigIntegerField(default=0)),
                ("deposit_slip", models.CharField(blank=True, max_length=64)),
                ("promised_on", models.DateField(null=True)),
                ("first_promised_on", models.DateField(null=True)),
                ("terms_version", models.PositiveSmallIntegerField(null=True)),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("making_at", models.DateTimeField(null=True)),
                ("ready_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="FittingDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("capacity", models.PositiveSmallIntegerField()),
                ("why", models.CharField(blank=True, max_length=64)),
                ("changed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="FittingPlan",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("is_offered", models.BooleanField(default=True)),
                ("slot_minutes", models.PositiveSmallIntegerField(default=60)),
                ("capacity", models.PositiveSmallIntegerField(default=1)),
                ("first_at", models.TimeField()),
                ("last_at", models.TimeField()),
                ("changed_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="FittingStep",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("booked", "预约"),
                            ("moved", "改约"),
                            ("step", "进度"),
                            ("delayed", "延期"),
                            ("note", "内部备注"),
                        ],
                        max_length=8,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("is_member", models.BooleanField(default=False)),
                ("is_shown", models.BooleanField(default=True)),
                ("text", models.CharField(blank=True, max_length=255)),
                ("state", models.CharField(blank=True, max_length=10)),
            ],
        ),
        migrations.CreateModel(
            name="MemberMeasure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("taken_at", models.DateTimeField()),
                ("values", models.JSONField(default=dict)),
                ("note", models.CharField(blank=True, max_length=255)),
                ("confirmed_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AddField(
            model_name="orderline",
            name="is_made_to_measure",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="fitting",
            name="booked_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="fitting",
            name="guide",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="fitting",
            name="member",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="fittings", to="crm.member"
            ),
        ),
        migrations.AddField(
            model_name="fitting",
            name="order_line",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="fitting", to="crm.orderline"
            ),
        ),
        migrations.AddField(
            model_name="fitting",
            name="store",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.store"
            ),
        ),
        migrations.AddField(
            model_name="fittingday",
            name="changed_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="fittingday",
            name="store",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="guides.store"
            ),
        ),
        migrations.AddField(
            model_name="fittingplan",
            name="changed_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="fittingplan",
            name="store",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="fitting_plan", to="guides.store"
            ),
        ),
        migrations.AddField(
            model_name="fittingstep",
            name="by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="fittingstep",
            name="fitting",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="steps", to="crm.fitting"
            ),
        ),
        migrations.AddField(
            model_name="membermeasure",
            name="by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="membermeasure",
            name="member",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="measures", to="crm.member"
            ),
        ),
        migrations.AddField(
            model_name="membermeasure",
            name="store",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.store"
            ),
        ),
        migrations.AddField(
            model_name="fitting",
            name="measure",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="fittings", to="crm.membermeasure"
            ),
        ),
        migrations.AddConstraint(
            model_name="fittingday",
            constraint=models.UniqueConstraint(fields=("store", "day"), name="fitting_day_of_store"),
        ),
        migrations.AddConstraint(
            model_name="fittingplan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("capacity__range", (1, 9)),
                    ("last_at__gt", models.F("first_at")),
                    ("slot_minutes__range", (20, 180)),
                ),
                name="fitting_plan_makes_sense",
            ),
        ),
        migrations.AddIndex(
            model_name="fittingstep",
            index=models.Index(fields=["fitting", "id"], name="fitting_step_fitting"),
        ),
        migrations.AddIndex(
            model_name="membermeasure",
            index=models.Index(fields=["member", "-taken_at", "-id"], name="measure_of_member"),
        ),
        migrations.AddIndex(
            model_name="fitting",
            index=models.Index(fields=["store", "starts_at"], name="fitting_store_day"),
        ),
        migrations.AddIndex(
            model_name="fitting",
            index=models.Index(
                condition=models.Q(("state__in", ("collected", "cancelled", "no_show")), _negated=True),
                fields=["guide", "starts_at"],
                name="fitting_guide_open",
            ),
        ),
        migrations.AddIndex(
            model_name="fitting",
            index=models.Index(condition=models.Q(("state", "booked")), fields=["starts_at"], name="fitting_booked"),
        ),
        migrations.AddConstraint(
            model_name="fitting",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "booked")), fields=("member",), name="fitting_one_booked"
            ),
        ),
        migrations.AddConstraint(
            model_name="fitting",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at"))), name="fitting_ends_later"
            ),
        ),
        migrations.AddConstraint(
            model_name="fitting",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("deposit_fen__gte", 0),
                    ("deposit_fen__lte", models.F("price_fen")),
                    ("price_fen__gte", 0),
                    ("quantity__gte", 1),
                ),
                name="fitting_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="fitting",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ("booked", "cancelled", "no_show")),
                    ("measure__isnull", False),
                    ("closed_at__isnull", False),
                    _connector="OR",
                ),
                name="fitting_measured_has_measures",
            ),
        ),
        migrations.AddConstraint(
            model_name="fitting",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ("making", "ready")), _negated=True),
                    models.Q(("confirmed_at__isnull", False), ("promised_on__isnull", False)),
                    _connector="OR",
                ),
                name="fitting_made_after_his_word",
            ),
        ),
    ]
