"""Sales from the basket to the money and back, and promotions as dated rows."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0022_wallet"),
    ]

    operations = [
        migrations.CreateModel(
            name="Sale",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, unique=True)),
                (
                    "channel",
                    models.CharField(
                        choices=[("till", "门店收银"), ("proxy", "代客下单"), ("mall", "商城"), ("live", "直播")],
                        max_length=8,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("draft", "开单中"),
                            ("awaiting_member", "等顾客确认"),
                            ("awaiting_payment", "等付款"),
                            ("paid", "已付款"),
                            ("closed", "已关闭"),
                            ("refunded", "已全退"),
                        ],
                        default="draft",
                        max_length=16,
                    ),
                ),
                ("points_wanted", models.PositiveIntegerField(default=0)),
                ("wallet_wanted_fen", models.BigIntegerField(default=0, null=True)),
                ("priced_at", models.DateTimeField(null=True)),
                ("is_delivery", models.BooleanField(default=False)),
                ("note", models.CharField(blank=True, max_length=255)),
                ("tag_fen", models.BigIntegerField(default=0)),
                ("item_off_fen", models.BigIntegerField(default=0)),
                ("order_off_fen", models.BigIntegerField(default=0)),
                ("coupon_fen", models.BigIntegerField(default=0)),
                ("points", models.PositiveIntegerField(default=0)),
                ("points_entry_id", models.BigIntegerField(null=True)),
                ("points_fen", models.BigIntegerField(default=0)),
                ("principal_fen", models.BigIntegerField(default=0)),
                ("gift_fen", models.BigIntegerField(default=0)),
                ("paid_fen", models.BigIntegerField(default=0)),
                ("terms", models.JSONField(default=dict)),
                ("refunded_fen", models.BigIntegerField(default=0)),
                ("confirm_key", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField()),
                ("confirmed_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("paid_at", models.DateTimeField(null=True)),
                ("closed_at", models.DateTimeField(null=True)),
                ("close_reason", models.CharField(blank=True, max_length=64)),
                (
                    "coupon",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="crm.coupon",
                    ),
                ),
                (
                    "guide",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sales",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="sales", to="crm.member"
                    ),
                ),
                (
                    "order",
                    models.OneToOneField(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="sale", to="crm.order"
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sales",
                        to="guides.store",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SaleLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("line_no", models.PositiveSmallIntegerField()),
                ("quantity", models.PositiveSmallIntegerField()),
                ("is_gift", models.BooleanField(default=False)),
                ("tag_fen", models.BigIntegerField(default=0)),
                ("item_off_fen", models.BigIntegerField(default=0)),
                ("order_off_fen", models.BigIntegerField(default=0)),
                ("coupon_fen", models.BigIntegerField(default=0)),
                ("points_fen", models.BigIntegerField(default=0)),
                ("principal_fen", models.BigIntegerField(default=0)),
                ("gift_fen", models.BigIntegerField(default=0)),
                ("paid_fen", models.BigIntegerField(default=0)),
                ("returned_quantity", models.PositiveSmallIntegerField(default=0)),
                (
                    "sale",
                    models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="lines", to="crm.sale"
                    ),
                ),
                ("sku", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crm.sku")),
            ],
        ),
        migrations.CreateModel(
            name="SaleMove",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("from_state", models.CharField(max_length=16)),
                ("to_state", models.CharField(max_length=16)),
                ("at", models.DateTimeField()),
                ("why", models.CharField(blank=True, max_length=64)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "sale",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="moves", to="crm.sale"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SalePayment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "way",
                    models.CharField(
                        choices=[
                            ("wallet", "储值卡"),
                            ("wechat_code", "微信付款码"),
                            ("wechat_native", "微信扫码付"),
                            ("wechat_link", "微信支付"),
                            ("cash", "现金"),
                            ("card", "刷卡"),
                            ("voucher", "转账给门店"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "等付款"), ("settled", "已到账"), ("closed", "未付")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                ("amount_fen", models.BigIntegerField()),
                ("refunded_fen", models.BigIntegerField(default=0)),
                ("transfer_id", models.BigIntegerField(null=True)),
                ("pay_order_id", models.BigIntegerField(null=True)),
                ("reference", models.CharField(blank=True, max_length=64)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "sale",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="payments", to="crm.sale"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SaleRefund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=64, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[("asked", "待审批"), ("refused", "没同意"), ("paying", "退款中"), ("done", "已退款")],
                        max_length=8,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[("no_reason", "七天无理由"), ("quality", "质量问题")],
                        default="no_reason",
                        max_length=16,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=255)),
                ("amount_fen", models.BigIntegerField(default=0)),
                ("wallet_fen", models.BigIntegerField(default=0)),
                ("withheld_fen", models.BigIntegerField(default=0)),
                ("points_back", models.IntegerField(default=0)),
                ("points_taken", models.IntegerField(default=0)),
                ("is_full", models.BooleanField(default=False)),
                ("asked_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="refunds", to="crm.order"
                    ),
                ),
                (
                    "sale",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="refunds", to="crm.sale"
                    ),
                ),
                (
                    "store",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.store"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RefundPart",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount_fen", models.BigIntegerField()),
                ("transfer_id", models.BigIntegerField(null=True)),
                ("pay_refund_id", models.BigIntegerField(null=True, unique=True)),
                ("done_at", models.DateTimeField(null=True)),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="refund_parts", to="crm.salepayment"
                    ),
                ),
                (
                    "refund",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="parts", to="crm.salerefund"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RefundLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("line_no", models.PositiveSmallIntegerField()),
                ("quantity", models.PositiveSmallIntegerField()),
                ("amount_fen", models.BigIntegerField(default=0)),
                (
                    "refund",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lines", to="crm.salerefund"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Promotion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=32)),
                (
                    "kind",
                    models.CharField(choices=[("item", "单品促销"), ("order", "满减"), ("gift", "满赠")], max_length=8),
                ),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(null=True)),
                ("ended_early_at", models.DateTimeField(null=True)),
                ("members_only", models.BooleanField(default=False)),
                (
                    "levels",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=2), default=list, size=None
                    ),
                ),
                (
                    "styles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=32), default=list, size=None
                    ),
                ),
                (
                    "categories",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=16), default=list, size=None
                    ),
                ),
                ("price_fen", models.BigIntegerField(null=True)),
                ("percent", models.PositiveSmallIntegerField(default=0)),
                ("steps", models.JSONField(default=list)),
                ("threshold_fen", models.BigIntegerField(default=0)),
                ("made_at", models.DateTimeField()),
                (
                    "gift_sku",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crm.sku"
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "unit",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.orgunit"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["ends_at"], name="promotion_ends")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("ends_at", None), ("ends_at__gt", models.F("starts_at")), _connector="OR"),
                        name="promotion_ends_after_it_begins",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("percent__lte", 90),
                            ("threshold_fen__gte", 0),
                            models.Q(("price_fen", None), ("price_fen__gt", 0), _connector="OR"),
                        ),
                        name="promotion_amounts",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("gift_sku", None),
                                ("kind", "item"),
                                models.Q(("price_fen__isnull", False), ("percent__gt", 0), _connector="OR"),
                            ),
                            models.Q(("gift_sku", None), ("kind", "order"), ("percent", 0), ("price_fen", None)),
                            models.Q(
                                ("gift_sku__isnull", False),
                                ("kind", "gift"),
                                ("percent", 0),
                                ("price_fen", None),
                                ("threshold_fen__gt", 0),
                            ),
                            _connector="OR",
                        ),
                        name="promotion_says_one_thing",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="sale",
            index=models.Index(fields=["store", "-created_at"], name="sale_store_newest"),
        ),
        migrations.AddIndex(
            model_name="sale",
            index=models.Index(
                condition=models.Q(("state__in", ("draft", "awaiting_member", "awaiting_payment"))),
                fields=["expires_at"],
                name="sale_expires",
            ),
        ),
        migrations.AddConstraint(
            model_name="sale",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("coupon_fen__gte", 0),
                    ("gift_fen__gte", 0),
                    ("item_off_fen__gte", 0),
                    ("order_off_fen__gte", 0),
                    ("paid_fen__gte", 0),
                    ("points_fen__gte", 0),
                    ("principal_fen__gte", 0),
                    ("tag_fen__gte", 0),
                ),
                name="sale_amounts_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="sale",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "paid_fen",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("tag_fen"), "-", models.F("item_off_fen")
                                    ),
                                    "-",
                                    models.F("order_off_fen"),
                                ),
                                "-",
                                models.F("coupon_fen"),
                            ),
                            "-",
                            models.F("points_fen"),
                        ),
                    )
                ),
                name="sale_parts_make_the_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="sale",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "paid_fen__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("principal_fen"), "+", models.F("gift_fen")
                        ),
                    )
                ),
                name="sale_card_pays_no_more",
            ),
        ),
        migrations.AddConstraint(
            model_name="sale",
            constraint=models.CheckConstraint(
                condition=models.Q(("refunded_fen__gte", 0), ("refunded_fen__lte", models.F("paid_fen"))),
                name="sale_refunds_within_paid",
            ),
        ),
        migrations.AddConstraint(
            model_name="sale",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("order__isnull", False), ("paid_at__isnull", False), ("state__in", ("paid", "refunded"))),
                    models.Q(
                        ("order", None),
                        ("paid_at", None),
                        ("state__in", ("draft", "awaiting_member", "awaiting_payment", "closed")),
                    ),
                    _connector="OR",
                ),
                name="sale_paid_has_its_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="sale",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "closed"), _negated=True), ("closed_at__isnull", False), _connector="OR"
                ),
                name="sale_closed_at_a_moment",
            ),
        ),
        migrations.AddConstraint(
            model_name="saleline",
            constraint=models.UniqueConstraint(fields=("sale", "line_no"), name="sale_line_no"),
        ),
        migrations.AddConstraint(
            model_name="saleline",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gte", 1), ("returned_quantity__lte", models.F("quantity"))),
                name="sale_line_quantity",
            ),
        ),
        migrations.AddConstraint(
            model_name="saleline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("coupon_fen__gte", 0),
                    ("gift_fen__gte", 0),
                    ("item_off_fen__gte", 0),
                    ("order_off_fen__gte", 0),
                    ("paid_fen__gte", 0),
                    ("points_fen__gte", 0),
                    ("principal_fen__gte", 0),
                    ("tag_fen__gte", 0),
                ),
                name="sale_line_no_negative_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="saleline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "paid_fen",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("tag_fen"), "-", models.F("item_off_fen")
                                    ),
                                    "-",
                                    models.F("order_off_fen"),
                                ),
                                "-",
                                models.F("coupon_fen"),
                            ),
                            "-",
                            models.F("points_fen"),
                        ),
                    )
                ),
                name="sale_line_shares_make_the_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="saleline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "paid_fen__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("principal_fen"), "+", models.F("gift_fen")
                        ),
                    )
                ),
                name="sale_line_card_pays_no_more",
            ),
        ),
        migrations.AddConstraint(
            model_name="salepayment",
            constraint=models.CheckConstraint(condition=models.Q(("amount_fen__gt", 0)), name="sale_payment_amount"),
        ),
        migrations.AddConstraint(
            model_name="salepayment",
            constraint=models.CheckConstraint(
                condition=models.Q(("refunded_fen__gte", 0), ("refunded_fen__lte", models.F("amount_fen"))),
                name="sale_payment_refunds_within",
            ),
        ),
        migrations.AddConstraint(
            model_name="salepayment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "settled"), _negated=True), ("settled_at__isnull", False), _connector="OR"
                ),
                name="sale_payment_settled_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="salepayment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("way", "wallet"), models.Q(("state", "closed"), _negated=True)),
                fields=("sale",),
                name="sale_one_wallet_payment",
            ),
        ),
        migrations.AddConstraint(
            model_name="salepayment",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("way__in", ("wechat_code", "wechat_native", "wechat_link")),
                    models.Q(("state", "closed"), _negated=True),
                ),
                fields=("sale",),
                name="sale_one_wechat_payment",
            ),
        ),
        migrations.AddConstraint(
            model_name="salepayment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("pay_order_id__isnull", False)),
                fields=("pay_order_id",),
                name="sale_payment_of_pay_order",
            ),
        ),
        migrations.AddIndex(
            model_name="salerefund",
            index=models.Index(fields=["store", "-asked_at"], name="sale_refund_store"),
        ),
        migrations.AddConstraint(
            model_name="salerefund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_fen__gte", 0),
                    ("points_back__gte", 0),
                    ("wallet_fen__gte", 0),
                    ("withheld_fen__gte", 0),
                    ("wallet_fen__lte", models.F("amount_fen")),
                ),
                name="sale_refund_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="salerefund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "done"), _negated=True), ("done_at__isnull", False), _connector="OR"
                ),
                name="sale_refund_done_at_a_moment",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundpart",
            constraint=models.UniqueConstraint(fields=("refund", "payment"), name="sale_refund_part"),
        ),
        migrations.AddConstraint(
            model_name="refundpart",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_fen__gt", 0)), name="sale_refund_part_amount"
            ),
        ),
        migrations.AddConstraint(
            model_name="refundline",
            constraint=models.UniqueConstraint(fields=("refund", "line_no"), name="sale_refund_line"),
        ),
        migrations.AddConstraint(
            model_name="refundline",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_fen__gte", 0), ("quantity__gte", 1)), name="sale_refund_line_amounts"
            ),
        ),
    ]
