"""By which way an entry of the ledger came: the takings of a day look it up."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

HAS_TRANSFER = models.Q(("transfer_id__isnull", False))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0043_takings")]

    operations = [
        AddIndexConcurrently(
            "salepayment",
            models.Index(condition=HAS_TRANSFER, fields=["transfer_id"], name="sale_payment_transfer"),
        ),
        AddIndexConcurrently(
            "refundpart",
            models.Index(condition=HAS_TRANSFER, fields=["transfer_id"], name="refund_part_transfer"),
        ),
    ]
