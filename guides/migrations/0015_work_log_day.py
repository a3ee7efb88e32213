from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("guides", "0011_announcements"),
    ]

    operations = [
        migrations.CreateModel(
            name="WorkLogDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(unique=True)),
                ("asked_at", models.DateTimeField(null=True)),
                ("reminded_at", models.DateTimeField(null=True)),
                ("reported_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.AlterField(
            model_name="holiday",
            name="kind",
            field=models.CharField(
                choices=[
                    ("statutory", "法定节假日"),
                    ("bridge", "调休休息"),
                    ("workday", "调休上班"),
                    ("ordinary", "平常日"),
                ],
                max_length=10,
            ),
        ),
    ]
