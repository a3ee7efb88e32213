"""What finance transferred by bank of cards that were paid out: an account of its own, and a row a transfer."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PROTECTED = {"on_delete": django.db.models.deletion.PROTECT, "related_name": "+"}
BEFORE = (
    "principal",
    "gift",
    "cash_wechat",
    "cash_counter",
    "revenue_clearing",
    "gift_cost",
    "refund_clearing",
    "suspense",
)
AFTER = (*BEFORE[:4], "cash_bank", *BEFORE[4:])
# One constant, as in 0046: PostgreSQL reads it anew for each statement that writes.
ACCOUNTS = """
ALTER TABLE crm_ledgerentry DROP CONSTRAINT entry_account,
    ADD CONSTRAINT entry_account CHECK (account = ANY ('{{{names}}}'::text[])) NOT VALID;
ALTER TABLE crm_ledgerentry VALIDATE CONSTRAINT entry_account;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0047_scanned_pieces"),
        ("guides", "0017_goods_notices"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            [migrations.RunSQL(ACCOUNTS.format(names=",".join(AFTER)), ACCOUNTS.format(names=",".join(BEFORE)))],
            [
                migrations.RemoveConstraint("ledgerentry", "entry_account"),
                migrations.AddConstraint(
                    "ledgerentry", models.CheckConstraint(condition=models.Q(account__in=AFTER), name="entry_account")
                ),
            ],
        ),
        migrations.AlterField(
            "ledgerentry",
            "account",
            models.CharField(
                choices=[
                    ("principal", "储值本金"),
                    ("gift", "储值赠金"),
                    ("cash_wechat", "微信收款"),
                    ("cash_counter", "柜台收款"),
                    ("cash_bank", "银行付款"),
                    ("revenue_clearing", "销售待结"),
                    ("gift_cost", "赠金成本"),
                    ("refund_clearing", "退款待付"),
                    ("suspense", "待查款项"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            "transfer",
            "kind",
            models.CharField(
                choices=[
                    ("top_up", "充值"),
                    ("spend", "消费"),
                    ("spend_refund", "退回卡里"),
                    ("card_refund", "退卡"),
                    ("payout", "银行转账"),
                    ("replacement", "换卡"),
                    ("takings", "收款"),
                    ("payback", "退款"),
                    ("clearing", "结转"),
                    ("reversal", "冲正"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            "takings",
            "way",
            models.CharField(
                choices=[
                    ("wechat", "微信"),
                    ("cash", "现金"),
                    ("card", "刷卡"),
                    ("voucher", "转账给门店"),
                    ("counter", "柜台其他"),
                    ("bank", "银行转出"),
                    ("wallet", "储值卡"),
                ],
                max_length=8,
            ),
        ),
        migrations.AddField("cardrefund", "transferred_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "cardrefund",
            models.Index(
                condition=models.Q(state="paid", way="account", transferred_at=None),
                fields=["paid_at", "id"],
                name="card_refund_to_bank",
            ),
        ),
        migrations.AddConstraint(
            "cardrefund",
            models.CheckConstraint(
                condition=models.Q(transferred_at=None)
                | (models.Q(state="paid", way="account") & ~models.Q(payout_ref="")),
                name="card_refund_transferred",
            ),
        ),
        migrations.CreateModel(
            name="CardPayout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("bank_ref", models.CharField(max_length=64)),
                ("amount_fen", models.BigIntegerField()),
                ("at", models.DateTimeField()),
                ("undone_at", models.DateTimeField(null=True)),
                ("undone_why", models.CharField(blank=True, default="", max_length=255)),
                ("by", models.ForeignKey(db_index=False, null=True, to=settings.AUTH_USER_MODEL, **PROTECTED)),
                (
                    "refund",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="payouts", to="crm.cardrefund"
                    ),
                ),
                ("transfer", models.OneToOneField(to="crm.transfer", **PROTECTED)),
                ("undone_by", models.ForeignKey(db_index=False, null=True, to=settings.AUTH_USER_MODEL, **PROTECTED)),
                ("undone_transfer", models.OneToOneField(null=True, to="crm.transfer", **PROTECTED)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(undone_at=None), fields=["refund"], name="card_payout_once"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(undone_at=None), fields=["bank_ref"], name="card_payout_number_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(amount_fen__gt=0) & ~models.Q(bank_ref=""), name="card_payout_amount"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(undone_at=None, undone_transfer=None, undone_why="")
                        | (models.Q(undone_at__isnull=False, undone_transfer__isnull=False) & ~models.Q(undone_why="")),
                        name="card_payout_undone_says_why",
                    ),
                ],
            },
        ),
    ]
