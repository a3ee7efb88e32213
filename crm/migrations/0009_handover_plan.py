import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0008_friend_transfer"),
        ("guides", "0003_store_change"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RenameField("guidehandover", "resigned_at", "left_at"),
        migrations.AlterField(
            "guidehandover", "guide",
            models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="handovers", to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            "guidehandover", "state",
            models.CharField(
                choices=[("proposed", "待店长确认"), ("done", "已交接"), ("withdrawn", "不交了")], default="proposed", max_length=10
            ),
        ),
        migrations.AddField(
            "guidehandover", "reason",
            models.CharField(
                choices=[("resigned", "离职"), ("moved_store", "调店"), ("long_leave", "长假")], db_default="resigned",
                default="resigned", max_length=12,
            ),
        ),
        migrations.AddField(
            "guidehandover", "store",
            models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="guides.store"),
        ),
        migrations.AddField("guidehandover", "plan", models.JSONField(blank=True, db_default={}, default=dict)),
        migrations.AddField("guidehandover", "version", models.PositiveIntegerField(db_default=0, default=0)),
        migrations.AddField("friendtransfer", "handled_at", models.DateTimeField(null=True)),
        migrations.AddConstraint(
            "guidehandover",
            models.UniqueConstraint(condition=models.Q(("state", "proposed")), fields=("guide",), name="handover_one_open"),
        ),
        migrations.AddConstraint(
            "guidehandover",
            models.UniqueConstraint(condition=models.Q(("reason", "resigned")), fields=("guide",), name="handover_resigned_once"),
        ),
        migrations.AddIndex("guidehandover", models.Index(fields=["store", "state"], name="handover_store")),
    ]
