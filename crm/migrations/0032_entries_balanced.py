"""The legs of a transfer are written by one statement, so they are looked at once, when it ends, and not each at the commit.

Four looks a movement (the transfer's and one a leg) had become the dearest part of it. What a statement adds sums to 0 by itself,
so a transfer stays in balance whatever is added to it. The transfer's own look at the commit stays: it finds a transfer that
never got its legs.
"""

from django.db import migrations

BALANCED = """
DROP TRIGGER crm_entry_balanced ON crm_ledgerentry;
DROP FUNCTION crm_entry_balanced();
CREATE FUNCTION crm_entries_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM booked GROUP BY transfer_id HAVING count(*) < 2 OR sum(side * amount_fen) <> 0
    ) THEN
        RAISE EXCEPTION 'legs that do not sum to 0' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER crm_entries_balanced AFTER INSERT ON crm_ledgerentry
    REFERENCING NEW TABLE AS booked FOR EACH STATEMENT EXECUTE FUNCTION crm_entries_balanced();
"""
UNBALANCED = """
DROP TRIGGER crm_entries_balanced ON crm_ledgerentry;
DROP FUNCTION crm_entries_balanced();
CREATE FUNCTION crm_entry_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM crm_ledger_must_balance(NEW.transfer_id);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER crm_entry_balanced AFTER INSERT ON crm_ledgerentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION crm_entry_balanced();
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0031_tickets")]
    operations = [migrations.RunSQL(BALANCED, UNBALANCED)]
