import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("guides", "0002_staff_session")]

    operations = [
        migrations.CreateModel(
            name="StoreChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("starts_on", models.DateField()),
                (
                    "state",
                    models.CharField(
                        choices=[("planned", "待生效"), ("done", "已生效"), ("cancelled", "已取消")], default="planned", max_length=10
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=255)),
                ("at", models.DateTimeField()),
                (
                    "by",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "from_store",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.store"),
                ),
                (
                    "staff",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="store_changes", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "to_store",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.store"),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "planned")), fields=("staff",), name="store_change_one_planned"
                    )
                ]
            },
        )
    ]
