"""A sale notes when its member showed his code."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crm", "0029_proxy_orders")]

    operations = [
        migrations.AddField(model_name="sale", name="member_shown_at", field=models.DateTimeField(null=True)),
    ]
