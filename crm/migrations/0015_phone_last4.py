"""Fill the last four digits of phones that were stored before there was the column: in batches, and twice changes nothing."""

from django.db import migrations

AT_ONCE = 2_000


def fill(apps, schema_editor):
    # The historical model reads its encrypted columns in the clear, as the living one does.
    Member = apps.get_model("crm", "Member")
    without = Member.objects.exclude(phone_index="").filter(phone_last4="").only("phone")
    after = 0
    while rows := list(without.filter(pk__gt=after).order_by("pk")[:AT_ONCE]):
        for row in rows:
            row.phone_last4 = row.phone[-4:]
        Member.objects.bulk_update(rows, ["phone_last4"])
        after = rows[-1].pk


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("crm", "0014_member_privacy")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop, elidable=True)]
