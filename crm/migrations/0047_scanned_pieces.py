"""Which very pieces a sale is about: their codes were scanned (一物一码)."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crm", "0046_checks_quickly_read")]

    operations = [
        migrations.CreateModel(
            name="SalePiece",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="crm.itemcode")),
                ("refund", models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="crm.salerefund")),
                ("sale", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="scanned", to="crm.sale")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("sale", "item"), name="sale_piece_once")],
            },
        ),
    ]  # fmt: skip
