"""A member asks for a visit himself: it waits for his guide's word, and the manager hears of it when nobody gives it."""

from django.db import migrations, models

STATES = [
    ("planned", "待邀约"), ("asked", "等确认"), ("invited", "已邀约"), ("accepted", "已应约"), ("arrived", "已到店"),
    ("bought", "已成交"), ("declined", "来不了"), ("no_show", "没有来"), ("no_answer", "没回音"), ("cancelled", "已取消"),
]  # fmt: skip
OPEN = models.Q(("state__in", ["planned", "asked", "invited", "accepted"]))


class Migration(migrations.Migration):
    dependencies = [("crm", "0040_survey_sources")]

    operations = [
        migrations.AlterField(
            "visit", "state", models.CharField(choices=STATES, default="invited", max_length=10)
        ),
        migrations.AlterField("visitstep", "state", models.CharField(choices=STATES, max_length=10)),
        migrations.AlterField(
            "visit", "source",
            models.CharField(
                choices=[("guide", "导购邀约"), ("task", "任务里约的"), ("group", "集体邀约"), ("member", "他自己约的")],
                default="guide", max_length=8,
            ),
        ),
        migrations.AddField("visit", "raised_at", models.DateTimeField(null=True)),
        migrations.RemoveConstraint("visit", "member_visit_one_open"),
        migrations.AddConstraint(
            "visit", models.UniqueConstraint(condition=OPEN, fields=["member"], name="member_visit_one_open")
        ),
        migrations.RemoveIndex("visit", "member_visit_open_ends"),
        migrations.AddIndex("visit", models.Index(condition=OPEN, fields=["ends_at"], name="member_visit_open_ends")),
        migrations.AddIndex(
            "visit",
            models.Index(
                condition=models.Q(("raised_at__isnull", True), ("state", "asked")), fields=["invited_at"], name="member_visit_asked"
            ),
        ),
    ]  # fmt: skip
