"""What stores took a day by way of payment; refunds ended by hand; since when the feed's price holds."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PROTECTED = {"db_index": False, "on_delete": django.db.models.deletion.PROTECT, "related_name": "+"}


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0042_mall_tickets"),
        ("guides", "0017_goods_notices"),
        ("wechatpay", "0003_ended_by_hand"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("financeday", "takings_at", models.DateTimeField(null=True)),
        migrations.AddField("stylecolor", "price_since", models.DateTimeField(null=True)),
        migrations.CreateModel(
            name="Takings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                (
                    "way",
                    models.CharField(
                        choices=[
                            ("wechat", "微信"), ("cash", "现金"), ("card", "刷卡"), ("voucher", "转账给门店"), ("counter", "柜台其他"), ("wallet", "储值卡"),
                        ],
                        max_length=8,
                    ),
                ),
                (
                    "purpose",
                    models.CharField(choices=[("sale", "销售"), ("top_up", "储值"), ("other", "其他")], max_length=8),
                ),
                ("in_fen", models.BigIntegerField()),
                ("out_fen", models.BigIntegerField()),
                ("in_count", models.PositiveIntegerField()),
                ("out_count", models.PositiveIntegerField()),
                ("store", models.ForeignKey(null=True, to="guides.store", **PROTECTED)),
            ],
            options={
                "indexes": [models.Index(fields=["store", "day"], name="takings_of_store")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("day", "store", "way", "purpose"), name="takings_once", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("in_fen__gte", 0), ("out_fen__gte", 0)), name="takings_amounts"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefundEnding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "how",
                    models.CharField(choices=[("paid", "另外付给会员"), ("given_up", "不退了，写明原因")], max_length=8),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "等批准"), ("approved", "批了，等付款"), ("done", "办完了"), ("dropped", "没批准或撤回"),
                        ],
                        default="asked",
                        max_length=8,
                    ),
                ),
                ("amount_fen", models.BigIntegerField()),
                ("reason", models.CharField(max_length=255)),
                ("payout_ref", models.CharField(blank=True, max_length=64)),
                ("asked_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("approval", models.ForeignKey(null=True, to="guides.approval", **PROTECTED)),
                ("asked_by", models.ForeignKey(to=settings.AUTH_USER_MODEL, **PROTECTED)),
                ("ended_by", models.ForeignKey(null=True, to=settings.AUTH_USER_MODEL, **PROTECTED)),
                ("pay_refund", models.ForeignKey(to="wechatpay.payrefund", **PROTECTED)),
            ],
            options={
                "indexes": [models.Index(fields=["approval"], name="refund_ending_approval")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "dropped"), _negated=True), fields=("pay_refund",), name="refund_ending_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_fen__gt", 0), models.Q(("reason", ""), _negated=True)),
                        name="refund_ending_says_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("how", "paid"), ("state", "done"), _negated=True),
                            models.Q(("payout_ref", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="refund_ending_paid_with_number",
                    ),
                ],
            },
        ),
    ]  # fmt: skip
