from django.db import migrations, models


class Migration(migrations.Migration):
    """What each restore drill proved."""

    dependencies = [("core", "0012_settings")]

    operations = [
        migrations.CreateModel(
            name="DrillReport",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("seconds", models.FloatField()),
                ("bundle", models.CharField(max_length=128)),
                ("rows", models.BigIntegerField(default=0)),
                ("is_well", models.BooleanField()),
                ("error", models.CharField(blank=True, max_length=255)),
                ("facts", models.JSONField(default=dict)),
            ],
        ),
    ]
