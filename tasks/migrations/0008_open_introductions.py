from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # tasks_task is large

    dependencies = [("tasks", "0007_fewer_indexes")]

    operations = [
        AddIndexConcurrently(
            "task",
            models.Index(
                condition=models.Q(("state", "open"), ("task_type", "handover_intro")), fields=["member"], name="task_intro"
            ),
        )
    ]
