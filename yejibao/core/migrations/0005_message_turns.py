from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    """Each branch its share of the sender: rows queued before stand in lane 0 together."""

    atomic = False

    dependencies = [("core", "0004_fewer_message_indexes")]

    operations = [
        migrations.AddField(
            model_name="outboxmessage", name="lane", field=models.IntegerField(db_default=0, default=0)
        ),
        AddIndexConcurrently(
            model_name="outboxmessage",
            index=models.Index(
                fields=["priority", "lane", "next_at"],
                name="message_turn",
                condition=models.Q(("state__in", ["pending", "unknown"])),
            ),
        ),
    ]
