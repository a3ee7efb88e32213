import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

WAYS = [
    ("guide", "导购发"), ("claim", "会员领"), ("audience", "按人群发"), ("points", "积分兑"), ("birthday", "生日礼"), ("welcome", "新好友领"),
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("crm", "0037_surveys")]

    operations = [
        migrations.AlterField(
            model_name="couponbatch", name="ways",
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(choices=WAYS, max_length=8), size=None),
        ),
        migrations.AlterField(
            model_name="coupon", name="way",
            field=models.CharField(
                choices=[
                    ("guide", "导购发"), ("claim", "自己领"), ("audience", "总部发"), ("points", "积分兑"), ("birthday", "生日礼"), ("welcome", "加好友领"),
                ],
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="CodeVisit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("openid", models.CharField(max_length=128)),
                ("opened_at", models.DateTimeField()),
                ("registered_at", models.DateTimeField(null=True)),
                ("member", models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="code_visits", to="crm.member")),
                ("way", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="visits", to="crm.contactway")),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("member__isnull", False)), fields=["member"], name="code_visit_member"),
                    models.Index(fields=["openid", "-opened_at"], name="code_visit_latest"),
                ],
                "constraints": [models.UniqueConstraint(fields=("way", "openid"), name="code_visit_once")],
            },
        ),
    ]  # fmt: skip
