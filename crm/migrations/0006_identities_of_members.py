"""Write down the names of the members there are: cards, phones, WeCom ids (OneID). In batches by id, and safe to run twice."""

from django.db import migrations

BATCH = 20_000

NOTE = """
INSERT INTO crm_memberidentity (member_id, kind, value, source, added_at)
SELECT id, kind, value, 'till', now() FROM (
    SELECT m.id, 'pos_card' AS kind, m.member_no AS value FROM crm_member m
        WHERE m.id > %(after)s AND m.id <= %(upto)s AND m.status <> 'merged'
    UNION SELECT m.id, 'phone', m.phone_index FROM crm_member m
        WHERE m.id > %(after)s AND m.id <= %(upto)s AND m.status = 'active' AND m.phone_index <> ''
    UNION SELECT f.member_id, 'external_user_id', f.external_user_id FROM crm_friendlink f
        WHERE f.member_id > %(after)s AND f.member_id <= %(upto)s
) known ORDER BY kind, value, id
ON CONFLICT (kind, value) DO NOTHING
"""


def note_identities(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM crm_member")
        last = cursor.fetchone()[0]
        for after in range(0, last, BATCH):
            cursor.execute(NOTE, {"after": after, "upto": after + BATCH})


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0005_friend_defaults")]
    operations = [migrations.RunPython(note_identities, migrations.RunPython.noop)]
