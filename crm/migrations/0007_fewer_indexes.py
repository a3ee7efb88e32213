import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0006_identities_of_members"),
        ("guides", "0002_staff_session"),
    ]

    operations = [
        migrations.AlterField(
            model_name="order",
            name="member",
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="orders", to="crm.member"),
        ),
        migrations.AlterField(
            model_name="order",
            name="store",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="orders", to="guides.store"),
        ),
        migrations.AlterField(
            model_name="order",
            name="guide",
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="orders", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name="orderchange",
            name="order",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="changes", to="crm.order"),
        ),
        migrations.AlterField(
            model_name="orderline",
            name="order",
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="lines", to="crm.order"),
        ),
        migrations.AlterField(
            model_name="orderline",
            name="replaced_by",
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="replaces", to="crm.orderline"),
        ),
        migrations.AddIndex(
            model_name="orderline",
            index=models.Index(fields=["replaced_by"], name="order_line_replaced", condition=models.Q(("replaced_by__isnull", False))),
        ),
        migrations.AlterField(
            model_name="ticket",
            name="order",
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="tickets", to="crm.order"),
        ),
    ]
