from typing import Any

from django.db import migrations
from django.db.models import OuterRef, Subquery


def remember_stores(apps: Any, schema_editor: Any) -> None:
    """Who left kept the store on his own row."""
    staff = apps.get_model("guides", "Staff").objects.filter(pk=OuterRef("guide_id")).values("store_id")[:1]
    apps.get_model("crm", "GuideHandover").objects.filter(store=None).update(store_id=Subquery(staff))


class Migration(migrations.Migration):
    dependencies = [("crm", "0009_handover_plan")]

    operations = [migrations.RunPython(remember_stores, migrations.RunPython.noop, elidable=True)]
