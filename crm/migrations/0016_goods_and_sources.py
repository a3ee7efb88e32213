"""Sizes and stock; sources of orders move to the intake."""

import django.db.models.deletion
from django.db import migrations, models


def move_sources(apps, schema_editor):
    """Sources of orders become sources of the intake, with their tokens."""
    sources = apps.get_model("intake", "Source").objects
    for row in apps.get_model("crm", "FeedSource").objects.all():
        facts = {"token_sha": row.token_sha, "is_active": row.is_active, "created_at": row.created_at}
        sources.get_or_create(name=row.name, defaults=facts | {"kinds": ["orders", "returns"]})


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0015_phone_last4"),
        ("guides", "0008_footfall"),
        ("intake", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Sku",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("code", models.CharField(max_length=40, unique=True)),
                ("size", models.CharField(max_length=16)),
                ("barcode", models.CharField(blank=True, max_length=32)),
                (
                    "style",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="skus",
                        to="crm.stylecolor",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="StockLevel",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("size", models.CharField(max_length=16)),
                ("quantity", models.IntegerField()),
                ("in_transit", models.IntegerField(default=0)),
                ("as_of", models.DateTimeField()),
                ("source", models.CharField(max_length=32)),
                (
                    "store",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="stock",
                        to="guides.store",
                    ),
                ),
                (
                    "style",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="stock",
                        to="crm.stylecolor",
                    ),
                ),
            ],
        ),
        migrations.RunPython(move_sources, migrations.RunPython.noop),
        migrations.DeleteModel(
            name="FeedSource",
        ),
        migrations.AddIndex(
            model_name="sku",
            index=models.Index(
                condition=models.Q(("barcode", ""), _negated=True), fields=["barcode"], name="sku_barcode"
            ),
        ),
        migrations.AddConstraint(
            model_name="sku",
            constraint=models.UniqueConstraint(fields=("style", "size"), name="sku_style_size"),
        ),
        migrations.AddIndex(
            model_name="stocklevel",
            index=models.Index(fields=["style", "size"], name="stock_style_size"),
        ),
        migrations.AddConstraint(
            model_name="stocklevel",
            constraint=models.UniqueConstraint(fields=("store", "style", "size"), name="stock_store_style_size"),
        ),
        migrations.AddConstraint(
            model_name="stocklevel",
            constraint=models.CheckConstraint(
                condition=models.Q(("in_transit__gte", 0), ("quantity__gte", 0)), name="stock_not_negative"
            ),
        ),
    ]
