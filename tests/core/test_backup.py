"""A backup holds the moment, opens only with its key, comes back to the row, and keeps sending shut until somebody opens it."""

import json
from datetime import timedelta

import psycopg
import pyrage
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.factories.crm import make_member, make_order
from tests.factories.guides import make_staff
from yejibao.core import audit, clock, sealing
from yejibao.core.backup import databases, drilling, dumping, restoring
from yejibao.core.models import AuditEntry, DrillReport, Heartbeat, OutboxMessage, SendingGate
from yejibao.core.outbox import NewMessage, enqueue, gate, messages
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key():
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def spare():
    """The name of a database that is gone after the test."""
    name = f"{databases.name()}_restored"
    restoring.drop(name)
    yield name
    restoring.drop(name)


def taken(folder, key, *, now=None):
    return folder / dumping.dump(folder, recipients=[str(key.to_public())], now=now or clock.system_now()).name


def queued(due_at):
    enqueue([NewMessage(kind="note", dedupe_key=f"n:{due_at}", recipient="lin", subject="1", due_at=due_at)])


def test_a_backup_comes_back_to_the_row_and_nothing_is_sent_there(tmp_path, key, spare):
    now = clock.system_now()
    make_staff(name="林晓雯")
    queued(now - timedelta(minutes=1))
    queued(now + timedelta(days=1))
    bundle = taken(tmp_path, key)
    make_staff(name="后来的人")  # not in the backup
    restored = restoring.restore(bundle, identity=str(key), database=spare, now=now)
    assert restored.differing == {} and restored.rows > 2
    with databases.connect(spare) as there:
        names = [name for (name,) in there.execute("SELECT name FROM guides_staff").fetchall()]
        states = dict(there.execute("SELECT dedupe_key, state FROM core_outboxmessage").fetchall())
        gates = there.execute("SELECT why FROM core_sendinggate WHERE opened_at IS NULL").fetchall()
    assert "林晓雯" in names and "后来的人" not in names
    assert sorted(states.values()) == ["pending", "unknown"]  # what was due may have left since the backup
    assert gates == [(f"恢复自 {bundle.name}",)]


def test_without_its_key_a_backup_stays_shut_and_leaves_no_database(tmp_path, key, spare):
    bundle = taken(tmp_path, key)
    assert b"PGDMP" not in bundle.read_bytes()
    with pytest.raises(dumping.BackupError, match="钥匙不对"):
        restoring.restore(
            bundle, identity=str(pyrage.x25519.Identity.generate()), database=spare, now=clock.system_now()
        )
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        databases.connect(spare)


def test_a_cut_file_is_refused(tmp_path, key, spare):
    bundle = taken(tmp_path, key)
    bundle.write_bytes(bundle.read_bytes()[:-2000])
    with pytest.raises(dumping.BackupError, match="没有拷全"):
        restoring.restore(bundle, identity=str(key), database=spare, now=clock.system_now())


def test_a_backup_without_its_note_was_not_finished(tmp_path, key, spare):
    bundle = taken(tmp_path, key)
    dumping.note_path(bundle).unlink()
    with pytest.raises(dumping.BackupError, match="没有做完"):
        restoring.restore(bundle, identity=str(key), database=spare, now=clock.system_now())


def test_a_database_that_is_there_is_never_written_over(tmp_path, key):
    bundle = taken(tmp_path, key)
    with pytest.raises(dumping.BackupError, match="已经有了"):
        restoring.restore(bundle, identity=str(key), database=databases.name(), now=clock.system_now())


def test_rows_that_got_lost_are_named(tmp_path, key, spare):
    bundle = taken(tmp_path, key)
    note = json.loads(dumping.note_path(bundle).read_text())
    note["tallies"]["guides_staff"] += 3
    dumping.note_path(bundle).write_text(json.dumps(note))
    restored = restoring.restore(bundle, identity=str(key), database=spare, now=clock.system_now())
    assert list(restored.differing) == ["guides_staff"]


def test_backups_are_kept_for_35_days_and_the_newest_always(tmp_path, key):
    now = clock.system_now()
    for days in (80, 40, 10):
        taken(tmp_path, key, now=now - timedelta(days=days))
    assert dumping.forget_old(tmp_path, now=now) == 2
    assert dumping.forget_old(tmp_path, now=now + timedelta(days=90)) == 0
    assert len(list(tmp_path.iterdir())) == 2


def drills() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname LIKE %s", [f"{databases.name()}_drill_%"])
        return int(cursor.fetchone()[0])


def test_the_drill_proves_a_backup_and_leaves_a_report_and_nothing_else(capsys):
    member = make_member(owner=make_staff(), phone="13800132075")
    make_order(member, paid_at="2026-03-01 10:00", amount_fen=88_888_888)
    audit.record(Actor.system(), "auth.login", "guides.Staff", resource_id="1")
    call_command("drill_restore", "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["is_well"] and all(proof["is_well"] for proof in told["proofs"])
    assert [proof["name"] for proof in told["proofs"]] == [
        "行数和金额", "账", "数据页", "数据库结构", "个人信息", "最新一条", "操作记录", "已删除的会员", "发送",
    ]  # fmt: skip
    assert "随机打开 1 条" in told["proofs"][4]["said"]
    assert told["rows"] < 88_888_888, "rows are counted, money is none of them"
    assert Heartbeat.objects.filter(name="job:restore_drill").exists()
    report = DrillReport.objects.get()
    assert (report.is_well, report.rows, report.error, drills()) == (True, told["rows"], "", 0)


def test_a_drill_that_fails_says_so_and_does_not_count(monkeypatch):
    make_member(owner=make_staff(), phone="13800132075")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE crm_member SET phone = replace(phone, '$', '$AAAA')")
    with pytest.raises(CommandError, match="打不开"):
        call_command("drill_restore", "--json")
    report = DrillReport.objects.get()
    assert not report.is_well and "crm_member.phone" in report.error
    assert not Heartbeat.objects.filter(name="job:restore_drill").exists() and drills() == 0


def test_a_bundle_that_is_kept_is_drilled_with_its_key(tmp_path, key, capsys):
    make_staff(name="林晓雯")
    bundle = taken(tmp_path, key)
    (tmp_path / "key").write_text(f"# a comment\n{key}\n")
    call_command("drill_restore", "--bundle", str(bundle), "--identity", str(tmp_path / "key"))
    assert "演练通过" in capsys.readouterr().out and DrillReport.objects.get().bundle == bundle.name
    bundle.write_bytes(bundle.read_bytes()[:-2000])
    with pytest.raises(CommandError, match="没有拷全"):
        call_command("drill_restore", "--bundle", str(bundle), "--identity", str(tmp_path / "key"))
    with pytest.raises(CommandError, match="一起给"):
        call_command("drill_restore", "--bundle", str(bundle))


def test_what_is_kept_is_proven_too_and_restored_by_who_has_the_key(tmp_path, key, capsys):
    make_staff(name="林晓雯")
    audit.record(Actor.system(), "auth.login", "guides.Staff", resource_id="1")
    sealing.seal(now=clock.system_now())
    bundle = taken(tmp_path, key)
    call_command("drill_restore", "--folder", str(tmp_path))
    said = capsys.readouterr().out
    assert "存着的备份：0 小时前那份和做完时一样" in said and "1 个审计封存、1 行逐个对上" in said
    (tmp_path / "key").write_text(str(key))
    call_command("drill_restore", "--folder", str(tmp_path), "--identity", str(tmp_path / "key"))
    assert DrillReport.objects.order_by("-pk").first().bundle == bundle.name
    bundle.write_bytes(bundle.read_bytes()[:-2000])
    assert "不一样" in drilling._kept(tmp_path, clock.system_now()).said
    fresh = taken(tmp_path, key, now=clock.system_now() + timedelta(minutes=1))
    assert drilling._kept(tmp_path, clock.system_now() + timedelta(days=3)).said == "最新一份已经是 72 小时前的", fresh


def test_a_seal_that_does_not_fit_fails_the_drill():
    audit.record(Actor.system(), "auth.login", "guides.Staff", resource_id="1")
    sealing.seal(now=clock.system_now())
    with connection.cursor() as cursor:  # the chain is joined, what it holds is not what was sealed
        cursor.execute("ALTER TABLE core_auditentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE core_auditentry SET reason = '改过'")
        cursor.execute("ALTER TABLE core_auditentry ENABLE TRIGGER USER")
    with pytest.raises(CommandError, match="审计封存到第"):
        call_command("drill_restore", "--json")


def test_the_backup_command_wants_a_key_first(tmp_path, key, settings, capsys):
    settings.BACKUP_RECIPIENTS = []
    with pytest.raises(CommandError, match="YEJIBAO_BACKUP_RECIPIENTS"):
        call_command("backup", str(tmp_path))
    settings.BACKUP_RECIPIENTS = [str(key.to_public())]
    call_command("backup", str(tmp_path), "--json")
    assert json.loads(capsys.readouterr().out)["rows"] > 0


def test_sending_waits_behind_the_gate_until_a_person_opens_it(monkeypatch):
    monkeypatch.setitem(messages._renderers, "note", _Notes())
    queued(clock.now() - timedelta(minutes=1))
    SendingGate.objects.create(shut_at=clock.now(), why="恢复")
    assert messages.claim(now=clock.now()) == []
    with pytest.raises(CommandError, match="恢复发送前"):
        call_command("open_gate")
    assert gate.open_gate(Actor.system(), reason="周工核对过", now=clock.now())
    assert not gate.open_gate(Actor.system(), reason="再来一次", now=clock.now())
    assert [row.state for row in messages.claim(now=clock.now())] == [OutboxMessage.State.CLAIMED]
    assert AuditEntry.objects.get(action="sending.gate_opened").reason == "周工核对过"


class _Notes:
    """A renderer that always has something to say."""

    def render(self, messages, *, now):
        return {message.pk: b"{}" for message in messages}

    def still_wanted(self, messages, *, now):
        return {message.pk for message in messages}


def test_a_new_pair_of_keys_opens_what_it_seals(settings, tmp_path, capsys):
    call_command("backup_key")
    setting, private = capsys.readouterr().out.split()
    name, _, public = setting.partition("=")
    assert (name, public[:4]) == ("YEJIBAO_BACKUP_RECIPIENTS", "age1")
    sealed = pyrage.encrypt(b"rows", [pyrage.x25519.Recipient.from_str(public)])
    assert pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(private)]) == b"rows"
    call_command("backup_key", "--json")
    other = json.loads(capsys.readouterr().out)
    assert sorted(other) == ["identity", "recipient"] and other["identity"] != private
    settings.BACKUP_RECIPIENTS = []
    with pytest.raises(CommandError, match="backup_key"):
        call_command("backup", str(tmp_path))
