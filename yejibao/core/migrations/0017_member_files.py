from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0016_stored_files")]

    operations = [
        migrations.AddField(
            model_name="storedfile", name="by_member_id", field=models.BigIntegerField(null=True),
        ),
    ]  # fmt: skip
