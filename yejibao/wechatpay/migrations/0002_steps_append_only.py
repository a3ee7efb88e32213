"""The steps of orders and refunds are append only: the database refuses to change or delete one, whoever asks."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION wechatpay_step_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'steps of payments are append only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER wechatpay_step_append_only BEFORE UPDATE OR DELETE ON wechatpay_paystep
    FOR EACH ROW EXECUTE FUNCTION wechatpay_step_refuse();
"""
ALLOW = """
DROP TRIGGER wechatpay_step_append_only ON wechatpay_paystep;
DROP FUNCTION wechatpay_step_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("wechatpay", "0001_initial")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
