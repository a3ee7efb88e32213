"""Refunds that finance ends by hand."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("wechatpay", "0002_steps_append_only")]

    operations = [
        migrations.AlterField(
            model_name="payrefund",
            name="state",
            field=models.CharField(
                choices=[
                    ("created", "待发起"),
                    ("processing", "退款中"),
                    ("success", "已退款"),
                    ("abnormal", "退款异常"),
                    ("closed", "退款关闭"),
                    ("paid_out", "另外付了"),
                    ("given_up", "不退了"),
                ],
                default="created",
                max_length=10,
            ),
        ),
    ]
