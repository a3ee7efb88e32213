"""The key changes: every encrypted value anew, in batches, stopped and killed in the middle, read all the while."""

import base64
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from crm.members.models import Member
from tests.conftest import CHECKOUT
from yejibao.core import clock, rotation
from yejibao.core.models import AuditEntry, KeyRotation
from yejibao.core.personal import columns, decrypt, encrypt
from yejibao.intake.models import Batch, RefusedRow, Source, StagedRow

ROWS = 300


def key(name: str) -> str:
    return f"{name}:{base64.b64encode(os.urandom(32)).decode()}"


def phone(number: int) -> str:
    return f"138{number:08}"


@pytest.fixture
def keys(settings: Any) -> tuple[str, str]:
    """The old key, in use; and the new one."""
    old, new = key("k1"), key("k2")
    settings.DATA_KEYS = [old]
    return old, new


def make_members() -> None:
    Member.objects.bulk_create(
        Member(member_no=f"R{n}", name="王", birth_year="1980", **columns(Member, "phone", phone(n)))
        for n in range(ROWS)
    )


@pytest.fixture(autouse=True)
def only_members(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = rotation.tables
    monkeypatch.setattr(
        rotation,
        "tables",
        lambda: [
            one
            for one in everything()
            if one.name in ("crm_member", "wecom_credential", "intake_refusedrow", "intake_stagedrow")
        ],
    )


def in_use() -> Counter[str]:
    return rotation.keys_in_use().get("crm_member.phone", Counter())


@pytest.mark.django_db
def test_new_values_use_the_new_key_and_old_ones_are_read_until_all_are_through(
    keys: tuple[str, str], settings: Any
) -> None:
    make_members()
    settings.DATA_KEYS = [keys[1], keys[0]]
    Member.objects.filter(member_no="R0").update(phone=phone(0))
    assert in_use() == {"k1": ROWS - 1, "k2": 1}
    assert Member.objects.get(member_no="R9").phone == phone(9)
    before = dict(Member.objects.values_list("member_no", "phone_index"))
    call_command("rotate_keys", batch=70, json=True)
    assert in_use() == {"k2": ROWS}
    settings.DATA_KEYS = [keys[1]]  # the old one is gone
    assert {one.member_no: one.phone for one in Member.objects.all()} == {f"R{n}": phone(n) for n in range(ROWS)}
    assert {one.birth_year for one in Member.objects.all()} == {"1980"}
    assert dict(Member.objects.values_list("member_no", "phone_index")) == before  # found as before
    told = AuditEntry.objects.filter(action="keys.rotation_finished", after__changed=ROWS)
    assert told.count() == 1


@pytest.mark.django_db
def test_a_run_that_was_stopped_goes_on_where_it_was(keys: tuple[str, str], settings: Any) -> None:
    make_members()
    settings.DATA_KEYS = [keys[1], keys[0]]
    batches = iter([True, True])
    seen = [
        one for one in rotation.rotate(at_once=100, goes_on=lambda: next(batches, False)) if one.table == "crm_member"
    ]
    assert [one.rows for one in seen] == [100, 200]
    assert in_use() == {"k1": 100, "k2": 200}
    seen = [one for one in rotation.rotate(at_once=100) if one.table == "crm_member"]
    assert [one.changed for one in seen][0] == 300  # not from the beginning
    assert list(rotation.rotate()) == []  # once through, nothing is looked at again
    assert in_use() == {"k2": ROWS}


@pytest.mark.django_db
def test_what_somebody_wrote_meanwhile_stands_and_what_was_written_by_an_old_process_is_told(
    keys: tuple[str, str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_members()
    real = rotation._anew

    def meanwhile(table: Any, row: Any, key_id: str) -> Any:
        if table.name == "crm_member" and row[0] == first.pk:  # between reading and writing of the batch
            settings.DATA_KEYS = [keys[0]]
            sealed = encrypt("13900000000", column="crm_member.phone")
            settings.DATA_KEYS = [keys[1], keys[0]]
            with connection.cursor() as cursor:
                cursor.execute("UPDATE crm_member SET phone = %s WHERE id = %s", [sealed, first.pk])
        return real(table, row, key_id)

    first = Member.objects.order_by("pk")[0]
    settings.DATA_KEYS = [keys[1], keys[0]]
    monkeypatch.setattr(rotation, "_anew", meanwhile)
    with pytest.raises(CommandError, match="2 个值不在 k2 名下"):
        call_command("rotate_keys")
    monkeypatch.undo()
    assert Member.objects.get(pk=first.pk).phone == "13900000000"
    call_command("rotate_keys", again=True)
    assert in_use() == {"k2": ROWS}


@pytest.mark.django_db
def test_what_waits_encrypted_inside_json_changes_its_key_too(keys: tuple[str, str], settings: Any) -> None:
    now = clock.now()
    source = Source.objects.create(name="till", created_at=now)
    batch = Batch.objects.create(
        source=source, kind="members", way="api", state="done", day=clock.today(), created_at=now, moved_at=now
    )
    cells = {"phone": encrypt("13800132075", column="crm_member.phone"), "name": "王", "note": "a$b"}
    row = RefusedRow.objects.create(
        source=source, batch=batch, kind="members", place=1, line=1, cells=cells, errors=[], code="x", refused_at=now
    )
    settings.DATA_KEYS = [keys[1], keys[0]]
    assert rotation.keys_in_use()["intake_refusedrow.cells"] == {"k1": 1}
    call_command("rotate_keys")
    assert rotation.keys_in_use()["intake_refusedrow.cells"] == {"k2": 1}
    settings.DATA_KEYS = [keys[1]]
    row.refresh_from_db()
    assert decrypt(row.cells["phone"], column="crm_member.phone") == "13800132075"
    assert (row.cells["name"], row.cells["note"]) == ("王", "a$b")


@pytest.mark.django_db
def test_rows_on_their_way_in_change_their_key_too(keys: tuple[str, str], settings: Any) -> None:
    def cells(number: int) -> dict[str, str]:
        return {"phone": encrypt(phone(number), column="crm_member.phone")}

    places = [(batch, place) for batch in (9, 10) for place in range(1, 6)]
    StagedRow.objects.bulk_create(
        StagedRow(batch=batch, place=place, line=place, key=f"{place}", cells=cells(batch * 10 + place))
        for batch, place in places
    )
    settings.DATA_KEYS = [keys[1], keys[0]]
    for told in rotation.rotate(at_once=3):
        assert told.rows <= 10
    assert rotation.keys_in_use(at_once=4)["intake_stagedrow.cells"] == {"k2": 10}
    settings.DATA_KEYS = [keys[1]]
    held = {
        (one.batch, one.place): decrypt(one.cells["phone"], column="crm_member.phone")
        for one in StagedRow.objects.all()
    }
    assert held == {(batch, place): phone(batch * 10 + place) for batch, place in places}


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_killed_in_the_middle_goes_on_where_it_was(keys: tuple[str, str], settings: Any) -> None:
    make_members()
    settings.DATA_KEYS = [keys[1], keys[0]]
    facts = connection.settings_dict
    env = os.environ | {
        "YEJIBAO_DATA_KEYS": ",".join(settings.DATA_KEYS), "YEJIBAO_TEST_DATABASE": facts["NAME"], "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    # As the command does it, in the tests' database, and slowly enough to be killed between two batches.
    script = (
        "import os, time, django; from django.conf import settings; "
        "settings.DATABASES['default']['NAME'] = os.environ['YEJIBAO_TEST_DATABASE']; django.setup(); "
        "from yejibao.core import rotation\n"
        "for one in rotation.rotate(at_once=20): print(one.table, one.rows, flush=True); "
        "time.sleep(0.2 if one.table == 'crm_member' else 0)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=env | {"DJANGO_SETTINGS_MODULE": "yejibao.settings"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("crm_member 60"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait(10)
    process.stdout.close()
    time.sleep(0.2)  # the server notices that nobody is there any more
    done = in_use()["k2"]
    assert 60 <= done < ROWS and KeyRotation.objects.get(table="crm_member").rows == done
    assert all(one.phone for one in Member.objects.all())
    seen = [one for one in rotation.rotate(at_once=100) if one.table == "crm_member"]
    assert seen[0].rows == done + 100
    assert in_use() == {"k2": ROWS}
