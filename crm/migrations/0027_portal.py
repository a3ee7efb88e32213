"""Sessions of members."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crm", "0026_outfits")]

    operations = [
        migrations.CreateModel(
            name="MemberSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("token_hash", models.CharField(max_length=64, unique=True)),
                ("place", models.CharField(choices=[("mini_program", "小程序"), ("h5", "网页")], max_length=12)),
                ("openid", models.CharField(max_length=128)),
                ("unionid", models.CharField(blank=True, max_length=64)),
                ("began_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("seen_at", models.DateTimeField()),
                ("device", models.CharField(blank=True, max_length=64)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("ticket_hash", models.CharField(blank=True, default="", max_length=64)),
                ("ticket_ends_at", models.DateTimeField(null=True)),
                (
                    "member",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to="crm.member",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("member__isnull", False)), fields=["member"], name="member_session_member"
                    ),
                    models.Index(fields=["ends_at"], name="member_session_ends"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ticket_hash", ""), _negated=True),
                        fields=("ticket_hash",),
                        name="member_session_ticket",
                    )
                ],
            },
        ),
    ]
