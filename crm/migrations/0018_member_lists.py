"""Indexes for HQ's list of members: by tier, by how a name begins, and a store's members by the newest (in place of member_store)."""

import django.db.models.functions.comparison
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0017_quality")]

    operations = [
        AddIndexConcurrently("member", models.Index(fields=["main_store", "id"], name="member_of_store")),
        AddIndexConcurrently("member", models.Index(fields=["tier_631", "id"], name="member_tier")),
        AddIndexConcurrently(
            "member",
            models.Index(django.db.models.functions.comparison.Collate("name", "C"), models.F("id"), name="member_name"),
        ),
        RemoveIndexConcurrently("member", "member_store"),
    ]
