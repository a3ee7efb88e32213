"""The weekly drill: a backup into a database of its own, everything proven there, a report kept, the database dropped.

Without a key it takes a backup of this moment with one of its own, since the private one is not on this machine; the newest
that is kept is then proven as far as that goes: it is there, of last night, and as it was written. With the key, once a month,
that one is restored.
What is proven (reliability-security §12): rows and registered sums to the last one, that every ledger balances, no damaged page, every migration, that
personal data opens, how old the newest news is, the chain of the audit trail's seals, that who was forgotten stays so, and
that nothing can be sent from there.
"""

import hashlib
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
from django.apps import apps
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from .. import clock, erasing, heart, personal, sealing
from ..models import DrillReport, Heartbeat
from . import databases, tallies
from .dumping import ENDING, BackupError, Note, dump
from .restoring import Restored, drop, restore

STALE = timedelta(hours=50)  # two nights
SAMPLES = 50  # of each encrypted column


@dataclass(frozen=True)
class Proof:
    """One thing that was looked at. `said` in a few words for the page."""

    name: str
    is_well: bool
    said: str


def drill(
    *, now: datetime, database: str, bundle: Path | None = None, identity: str = "", folder: Path | None = None
) -> DrillReport:
    """Restore a bundle, or a backup of this moment, prove it, keep the report. Never raises for what the drill is there to find.

    `folder` is where backups are kept: with an identity its newest is restored, without one it is looked at from outside.
    """
    began = time.monotonic()
    restored: Restored | None = None
    proofs: list[Proof] = []
    error = ""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            if bundle is None and folder is not None and identity:
                bundle = newest_in(folder)
            elif bundle is None:
                proofs += [_kept(folder, now)] if folder else []
                bundle, identity = _taken(Path(scratch), now)
            restored = restore(
                bundle, identity=identity, database=database, now=now, erased=erasing.read_list(erasing.kept_list())
            )
        proofs += _prove(restored, now=now)
    except BackupError as failed:
        error = str(failed)
    finally:
        drop(database)
    error = error or "；".join(proof.said for proof in proofs if not proof.is_well)
    report = DrillReport.objects.create(
        at=now, seconds=round(time.monotonic() - began, 1), bundle=bundle.name if bundle else "", is_well=not error,
        rows=restored.rows if restored else 0, error=error[:255], facts={"proofs": [asdict(proof) for proof in proofs]},
    )  # fmt: skip
    if report.is_well:
        heart.beat(f"{Heartbeat.JOB}restore_drill")
    return report


def newest_in(folder: Path) -> Path:
    """Return the newest backup of a folder. Raises BackupError where there is none."""
    bundles = sorted(folder.glob(f"yejibao-*{ENDING}"))
    if not bundles:
        raise BackupError(f"{folder} 里没有备份")
    return bundles[-1]


def _kept(folder: Path, now: datetime) -> Proof:
    """Look at the newest backup that is kept, which nobody here can open: is it there, new, and as it was written?"""
    try:
        bundle = newest_in(folder)
        note = Note.of(bundle)
    except BackupError as failed:
        return Proof("存着的备份", False, str(failed))
    with open(bundle, "rb") as file:
        is_whole = hashlib.file_digest(file, "sha256").hexdigest() == note.sha256
    if not is_whole:
        return Proof("存着的备份", False, f"{bundle.name} 和做完时不一样")
    hours = round((now - datetime.fromisoformat(note.taken_at)).total_seconds() / 3600)
    if now - datetime.fromisoformat(note.taken_at) > STALE:
        return Proof("存着的备份", False, f"最新一份已经是 {hours} 小时前的")
    return Proof("存着的备份", True, f"{hours} 小时前那份和做完时一样")


def _taken(folder: Path, now: datetime) -> tuple[Path, str]:
    import pyrage

    key = pyrage.x25519.Identity.generate()
    return folder / dump(folder, recipients=[str(key.to_public())], now=now).name, str(key)


def _prove(restored: Restored, *, now: datetime) -> list[Proof]:
    with databases.connect(restored.database) as there:
        return [
            _counts(restored), _balances(there), _pages(restored.database), _migrations(there), _personal(there), _newest(there, now), _seals(there),
            _forgotten(there, restored), _gate(there),
        ]  # fmt: skip


# ---------------------------------------------------------------- what is looked at


def _counts(restored: Restored) -> Proof:
    if restored.differing:
        names = "；".join(f"{name} 应有 {a:,}，实有 {b:,}" for name, (a, b) in sorted(restored.differing.items()))
        return Proof("行数和金额", False, f"点数对不上：{names}")
    return Proof("行数和金额", True, f"{restored.rows:,} 行、{len(tallies.registered())} 个合计逐个对上")


def _balances(there: psycopg.Connection) -> Proof:
    """Ask the ledgers themselves: equal to the backup is not yet right."""
    off = tallies.off_balance(there)
    if off:
        return Proof("账", False, "账不平：" + "；".join(f"{name} 差 {number:,}" for name, number in off.items()))
    return Proof("账", True, f"储值、积分 {len(tallies.balances())} 道算式都平")


def _pages(database: str) -> Proof:
    checked = subprocess.run(
        [databases.tool("pg_amcheck"), "--install-missing", database],
        env=databases.environment(database), capture_output=True, text=True,
    )  # fmt: skip
    said = (checked.stdout + checked.stderr).strip().splitlines()
    return Proof(
        "数据页", not checked.returncode, f"恢复出来的库有坏页：{said[0]}" if checked.returncode else "没有坏页"
    )


def _migrations(there: psycopg.Connection) -> Proof:
    known = set(MigrationLoader(None).disk_migrations)
    applied = set(there.execute("SELECT app, name FROM django_migrations").fetchall())
    missing = known - applied
    return Proof("数据库结构", not missing, f"还差 {len(missing)} 步升级" if missing else "和程序同一个版本")


def _personal(there: psycopg.Connection) -> Proof:
    """Open a random part of every encrypted column, as the product would."""
    opened = 0
    for table, column in _encrypted():
        statement = sql.SQL(
            "SELECT {column} FROM {table} WHERE {column} <> '' AND ctid >= format('(%s,0)',"
            " floor(random() * (SELECT greatest(relpages - 1, 0) FROM pg_class WHERE oid = {name}::regclass)))::tid LIMIT {most}"
        ).format(
            column=sql.Identifier(column),
            table=sql.Identifier(table),
            name=sql.Literal(table),
            most=sql.Literal(SAMPLES),
        )
        for (stored,) in there.execute(statement).fetchall():
            try:
                personal.decrypt(stored, column=f"{table}.{column}")
            except Exception as error:  # noqa: BLE001  whatever it is, this row does not open
                return Proof(
                    "个人信息", False, f"{table}.{column} 有一条打不开（{type(error).__name__}）：数据密钥不全"
                )
            opened += 1
    return Proof("个人信息", True, f"随机打开 {opened} 条加密字段，都打得开")


def _encrypted() -> list[tuple[str, str]]:
    return [
        (model._meta.db_table, str(field.column))
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, personal.EncryptedField)
    ]


def _newest(there: psycopg.Connection, now: datetime) -> Proof:
    row = there.execute(
        "SELECT greatest((SELECT max(written_at) FROM core_auditentry), (SELECT max(created_at) FROM core_outboxevent))"
    ).fetchone()
    newest: datetime | None = row[0] if row else None
    if newest is None:
        return Proof("最新一条", True, "还没有事情发生过")
    minutes = max(0, round((now - newest).total_seconds() / 60))
    return Proof("最新一条", True, f"最新的事在备份前 {minutes:,} 分钟")


def _seals(there: psycopg.Connection) -> Proof:
    """Hash what was sealed again: a chain that only looks joined proves nothing."""
    with psycopg.ClientCursor(there) as cursor:
        check = sealing.verify(cursor)
    if check.broken is not None:
        return Proof("操作记录", False, f"审计封存到第 {check.broken.pk} 个对不上")
    return Proof("操作记录", True, f"{check.seals} 个审计封存、{check.rows:,} 行逐个对上")


def _forgotten(there: psycopg.Connection, restored: Restored) -> Proof:
    if not restored.erased_again:
        return Proof("已删除的会员", True, "名单上没有人")
    row = there.execute(
        "SELECT count(*) FROM core_erasure e JOIN crm_member m ON m.id = e.subject_id WHERE m.phone <> ''"
    ).fetchone()
    left = row[0] if row else 0
    said = f"{left} 位要求删除的会员又回来了" if left else f"{restored.erased_again:,} 位要求删除的会员又删了一遍"
    return Proof("已删除的会员", not left, said)


def _gate(there: psycopg.Connection) -> Proof:
    row = there.execute("SELECT count(*) FROM core_sendinggate WHERE opened_at IS NULL").fetchone()
    is_shut = bool(row and row[0])
    return Proof("发送", is_shut, "恢复后发送停着" if is_shut else "恢复后发送没有停住")


def drill_name() -> str:
    """Return the name of a drill's database."""
    return f"{databases.name()}_drill_{clock.system_now():%Y%m%d%H%M%S}"
