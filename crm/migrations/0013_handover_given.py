"""A guide may pass her members on and stay; what a transfer waits for has one wording. No column changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crm", "0012_member_indexes")]

    operations = [
        migrations.AlterField(
            model_name="guidehandover",
            name="reason",
            field=models.CharField(
                choices=[("resigned", "离职"), ("moved_store", "调店"), ("long_leave", "长假"), ("given", "转交")],
                db_default="resigned",
                default="resigned",
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="friendtransfer",
            name="state",
            field=models.CharField(
                choices=[
                    ("planned", "排队等转"),
                    ("asked", "排队等转"),
                    ("waiting", "等 24 小时"),
                    ("done", "已转好"),
                    ("refused", "会员不愿意换"),
                    ("taker_full", "接手人的客户已满"),
                    ("failed", "企业微信没有转"),
                ],
                default="planned",
                max_length=12,
            ),
        ),
    ]
