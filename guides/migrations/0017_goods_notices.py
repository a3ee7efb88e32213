"""What people are told of goods: pieces kept, pieces asked for."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("guides", "0016_finding_closed"),
    ]

    operations = [
        migrations.AlterField(
            model_name="notification",
            name="kind",
            field=models.CharField(
                choices=[
                    ("task", "任务"),
                    ("approval", "审批"),
                    ("review", "复盘"),
                    ("ticket", "售后"),
                    ("rectification", "整改"),
                    ("announcement", "公告"),
                    ("member", "会员"),
                    ("help", "呼叫总部"),
                    ("vote", "投票"),
                    ("meeting", "会议"),
                    ("export", "导出"),
                    ("goods", "货品"),
                ],
                max_length=16,
            ),
        ),
    ]
