from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("guides", "0012_office_and_helpdesk"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="finding",
            index=models.Index(
                condition=models.Q(("closed_at__isnull", False)), fields=["-closed_at", "-id"], name="finding_closed_newest"
            ),
        ),
    ]
