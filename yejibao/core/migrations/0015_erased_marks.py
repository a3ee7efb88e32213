import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    """By which names a forgotten person could come back with a feed, as keyed hashes."""

    dependencies = [("core", "0014_audit_reveals")]

    operations = [
        migrations.AddField(
            model_name="erasure",
            name="marks",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=32), default=list, size=None
            ),
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=django.contrib.postgres.indexes.GinIndex(fields=["marks"], name="erasure_marks"),
        ),
    ]
