from django.db import migrations, models
from django.db.models.functions import Coalesce


class Migration(migrations.Migration):
    dependencies = [("tasks", "0011_staff_duty")]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                models.F("assignee"), Coalesce("done_at", "closed_at", "expire_at"), name="task_ended",
                condition=models.Q(("state__in", ("done", "expired"))),
            ),
        ),
    ]  # fmt: skip
