"""What surveys are asked about, by the moment it was over: parcels, tickets, garments made to measure."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0038_portal_more")]

    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(
                condition=models.Q(("is_delivery", True), ("received_at__isnull", False)), fields=["received_at", "id"], name="order_received"
            ),
        ),
        AddIndexConcurrently(
            "ticket", models.Index(condition=models.Q(("state", "closed")), fields=["closed_at", "id"], name="ticket_over")
        ),
        AddIndexConcurrently(
            "fitting",
            models.Index(condition=models.Q(("state", "collected")), fields=["closed_at", "id"], name="fitting_collected"),
        ),
    ]
