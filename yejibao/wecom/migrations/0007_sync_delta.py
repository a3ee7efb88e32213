from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wecom", "0006_mass_sends"),
    ]

    operations = [
        migrations.AlterField(
            model_name="syncrun",
            name="kind",
            field=models.CharField(
                choices=[
                    ("staff", "员工和部门"),
                    ("friends", "客户"),
                    ("tags", "企业标签"),
                    ("marks", "客户标签核对"),
                    ("delta", "每小时找新好友"),
                ],
                max_length=8,
            ),
        ),
    ]
