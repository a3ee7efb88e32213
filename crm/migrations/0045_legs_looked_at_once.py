"""Whose legs they are is looked at once a statement as well, instead of by a foreign key that looks for every leg.

The key's three looks and locks a movement had become a seventh of what it costs the server. It kept two promises: a leg's transfer
is there as the leg is written (now looked at with the sum), and stays (crm_transfer_append_only refuses every DELETE, TRUNCATE is
refused but in a scratch world, crm_transfer_kept any change of the number). A transfer of a transaction that is not committed is
nobody else's to see, so no leg of another can hang on it.

The transfer's own look at the commit asks only whether it got its legs: what each statement added sums to 0 by itself.
"""

import django.db.models.deletion
from django.db import migrations, models

BALANCED = """
CREATE OR REPLACE FUNCTION crm_entries_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM booked LEFT JOIN crm_transfer t ON t.id = booked.transfer_id GROUP BY booked.transfer_id
        HAVING count(t.id) < 2 OR count(t.id) < count(*) OR sum(side * amount_fen) <> 0
    ) THEN
        RAISE EXCEPTION 'legs that do not sum to 0, or of no transfer' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION crm_transfer_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM crm_ledgerentry WHERE transfer_id = NEW.id) THEN
        RAISE EXCEPTION 'transfer % has no legs', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
DROP FUNCTION crm_ledger_must_balance(bigint);
"""
BY_KEY = """
CREATE FUNCTION crm_ledger_must_balance(which bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    legs bigint;
    total numeric;
BEGIN
    SELECT count(*), coalesce(sum(side * amount_fen), 0) INTO legs, total FROM crm_ledgerentry WHERE transfer_id = which;
    IF legs < 2 OR total <> 0 THEN
        RAISE EXCEPTION 'transfer % has % legs that sum to %', which, legs, total USING ERRCODE = 'check_violation';
    END IF;
END $$;
CREATE OR REPLACE FUNCTION crm_transfer_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM crm_ledger_must_balance(NEW.id);
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION crm_entries_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM booked GROUP BY transfer_id HAVING count(*) < 2 OR sum(side * amount_fen) <> 0
    ) THEN
        RAISE EXCEPTION 'legs that do not sum to 0' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("crm", "0044_payment_transfers")]
    operations = [
        migrations.RunSQL(BALANCED, BY_KEY),
        migrations.AlterField(
            "ledgerentry", "transfer",
            models.ForeignKey(
                db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name="entries", to="crm.transfer"
            ),
        ),
    ]  # fmt: skip
