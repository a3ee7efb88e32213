"""What a member asked in a mall becomes a ticket once; the days of his rights count to when he asked there."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crm", "0041_visits_asked")]

    operations = [
        migrations.AddField("ticket", "asked_at", models.DateTimeField(null=True)),
        migrations.AddField("ticket", "feed_key", models.CharField(max_length=160, null=True)),
        migrations.AddConstraint(
            "ticket",
            models.UniqueConstraint(
                condition=models.Q(("feed_key__isnull", False)), fields=("feed_key",), name="ticket_feed_once"
            ),
        ),
    ]
