"""What of a refund finance gave up: the member did not get it, and nobody is told that he did."""

from django.db import migrations, models

KNOWN = """
UPDATE crm_refundpart p SET is_given_up = true FROM wechatpay_payrefund w WHERE w.id = p.pay_refund_id AND w.state = 'given_up';
UPDATE crm_salerefund r SET given_up_fen = s.fen
FROM (SELECT refund_id, sum(amount_fen) AS fen FROM crm_refundpart WHERE is_given_up GROUP BY 1) s WHERE s.refund_id = r.id;
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0049_bank_payouts"), ("wechatpay", "0003_ended_by_hand")]

    operations = [
        migrations.AddField("salerefund", "given_up_fen", models.BigIntegerField(db_default=0, default=0)),
        migrations.AddField("refundpart", "is_given_up", models.BooleanField(db_default=False, default=False)),
        migrations.AddConstraint(
            "salerefund",
            models.CheckConstraint(
                condition=models.Q(given_up_fen__gte=0, given_up_fen__lte=models.F("amount_fen")),
                name="sale_refund_given_up",
            ),
        ),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
    ]
