"""One open after-sale ticket for one sold piece; what is open today keeps its place, be it one too many."""

from django.db import migrations, models

PLACES = """
UPDATE crm_ticket t SET piece_no = s.place
FROM (SELECT id, row_number() OVER (PARTITION BY line_id ORDER BY id) AS place FROM crm_ticket
      WHERE line_id IS NOT NULL AND state NOT IN ('closed', 'rejected', 'cancelled')
        AND kind IN ('return', 'exchange_size', 'exchange_item', 'quality', 'alteration', 'care', 'repair')) s
WHERE s.id = t.id;
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0050_refunds_given_up")]

    operations = [
        migrations.AddField("ticket", "piece_no", models.PositiveSmallIntegerField(null=True)),
        migrations.RunSQL(PLACES, migrations.RunSQL.noop),
        # The rows just written have their triggers waiting (the member's and the order's keys); an index wants them fired.
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AddConstraint(
            "ticket",
            models.UniqueConstraint(
                condition=models.Q(("state__in", ["closed", "rejected", "cancelled"]), _negated=True),
                fields=("line", "piece_no"),
                name="ticket_piece_open_once",
            ),
        ),
    ]
