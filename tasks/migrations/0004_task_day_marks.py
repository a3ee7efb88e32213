"""Marks the store's days whose tasks changed, so that the job of the boards knows what to count again.

A statement trigger and not a line in the services, because the engine writes tasks with set-based SQL in many places.
Append only and without a unique key: two transactions never wait for each other here. Not seen by `makemigrations`: keep
this file when the ones before it are rewritten.
"""

from django.db import migrations

CREATE = """
CREATE OR REPLACE FUNCTION tasks_mark_new_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tasks_daymark (day, store_id)
    SELECT DISTINCT (v.moment AT TIME ZONE 'Asia/Shanghai')::date, n.store_id
    FROM new_rows n CROSS JOIN LATERAL (VALUES (n.due_at), (n.evidence_at)) v(moment)
    WHERE moment IS NOT NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tasks_mark_changed_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The days it counted on before and counts on now; a sale counts on the day of its evidence. A row that did not change
    -- stands twice. No join: without statistics on the two tables it would compare each row with each.
    INSERT INTO tasks_daymark (day, store_id)
    SELECT DISTINCT (v.moment AT TIME ZONE 'Asia/Shanghai')::date, changed.store_id
    FROM (
        SELECT store_id, due_at, evidence_at FROM (SELECT * FROM old_rows UNION ALL SELECT * FROM new_rows) r
        GROUP BY id, state, due_at, assignee_id, store_id, held_at, done_at, evidence_level, evidence_at, outcome, outcome_at
        HAVING count(*) = 1
    ) changed CROSS JOIN LATERAL (VALUES (changed.due_at), (changed.evidence_at)) v(moment)
    WHERE v.moment IS NOT NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER task_mark_new_days AFTER INSERT ON tasks_task
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tasks_mark_new_days();
CREATE TRIGGER task_mark_changed_days AFTER UPDATE ON tasks_task
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION tasks_mark_changed_days();
"""

DROP = """
DROP TRIGGER IF EXISTS task_mark_new_days ON tasks_task;
DROP TRIGGER IF EXISTS task_mark_changed_days ON tasks_task;
DROP FUNCTION IF EXISTS tasks_mark_new_days();
DROP FUNCTION IF EXISTS tasks_mark_changed_days();
"""


class Migration(migrations.Migration):
    dependencies = [("tasks", "0003_review_figures")]

    operations = [migrations.RunSQL(CREATE, DROP)]
