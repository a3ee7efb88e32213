from django.db import migrations, models
from django.db.models.functions import Now

# DELETE: only what is past its term (audit_keeping.py), and only by who says that he thins the trail; TRUNCATE: never, but
# in a world that may be thrown away. What nobody may call back is not decided by the caller alone.
REFUSE = """
CREATE OR REPLACE FUNCTION core_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND coalesce(current_setting('yejibao.scratch', true), '') = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'core_auditentry'
        AND coalesce(current_setting('yejibao.thinning', true), '') = 'on' THEN
        IF OLD.at < clock_timestamp() - interval '5 years'
            OR OLD.at < clock_timestamp() - interval '3 years' AND OLD.action NOT LIKE 'member.%revealed' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'audit rows are append only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER core_audit_no_truncate BEFORE TRUNCATE ON core_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_refuse();
CREATE TRIGGER core_seal_no_truncate BEFORE TRUNCATE ON core_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION core_audit_refuse();
"""
BEFORE = """
DROP TRIGGER core_audit_no_truncate ON core_auditentry;
DROP TRIGGER core_seal_no_truncate ON core_auditseal;
CREATE OR REPLACE FUNCTION core_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit rows are append only' USING ERRCODE = 'insufficient_privilege';
END $$;
"""


class Migration(migrations.Migration):
    """The database's own time, device and result of an audit row; nothing empties the trail; what is past its term may go."""

    dependencies = [("core", "0007_sending_gate")]

    operations = [
        # Two steps: the rows that are there get no time they were not written at.
        migrations.AddField("auditentry", "written_at", models.DateTimeField(null=True)),
        migrations.AlterField("auditentry", "written_at", models.DateTimeField(db_default=Now(), null=True)),
        migrations.AddField("auditentry", "device", models.CharField(blank=True, db_default="", max_length=64)),
        migrations.AddField(
            "auditentry",
            "result",
            models.CharField(
                choices=[("ok", "成功"), ("refused", "被拒绝")], db_default="ok", default="ok", max_length=8
            ),
        ),
        migrations.AddField("auditseal", "version", models.PositiveSmallIntegerField(db_default=1, default=2)),
        migrations.RunSQL(REFUSE, BEFORE),
    ]
