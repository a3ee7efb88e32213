"""The audit trail is append only: the database refuses to change or delete a row, whoever asks."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION core_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit rows are append only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER core_audit_append_only BEFORE UPDATE OR DELETE ON core_auditentry
    FOR EACH ROW EXECUTE FUNCTION core_audit_refuse();
"""
ALLOW = """
DROP TRIGGER core_audit_append_only ON core_auditentry;
DROP FUNCTION core_audit_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0002_parked_rows")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
