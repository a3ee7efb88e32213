"""The tests' database: migrated once and copied from there, emptied of what a test has committed.

`python -m tests.database` migrates ahead of the tests, beside other work; who comes later only copies.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.db import connection, transaction

from yejibao.core.backup import databases

CHECKOUT = Path(__file__).resolve().parent.parent
PREFIX = "template_yejibao_"
OLDER_KEPT = 2  # of branches one goes back to
EVER_FILLED = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r' AND pg_relation_size(oid) > 0"
WRITTEN_BY_MIGRATING = {"django_migrations", "django_content_type", "auth_permission"}

# ---------------------------------------------------------------- migrated once


def template() -> str:
    """Return the name of a database in which every migration has run and nothing else; make it where there is none."""
    name = PREFIX + _fingerprint()
    with _one_at_a_time() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY oid DESC", [PREFIX])
        there = [found for (found,) in cursor.fetchall()]
        if name not in there:
            for old in there[OLDER_KEPT:]:
                cursor.execute(f'DROP DATABASE IF EXISTS "{old}"')
            _make(name, cursor)
    return name


def is_there(name: str) -> bool:
    with databases.connect("postgres") as plain:
        return plain.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _fingerprint() -> str:
    """Return what a migrated database follows from: the migrations, the columns they name and the packages."""
    files = [CHECKOUT / "requirements.txt", CHECKOUT / "yejibao/core/personal.py"]
    for department in ("yejibao", "guides", "crm", "tasks", "livestream"):
        files += (CHECKOUT / department).rglob("migrations/*.py")
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(f"{file.relative_to(CHECKOUT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _one_at_a_time() -> Iterator[Any]:
    """Give a cursor on the server once nobody else is making a template."""
    with databases.connect("postgres", autocommit=True) as plain, plain.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [PREFIX])
        yield cursor


def _make(name: str, cursor: Any) -> None:
    half = f"{name}_half"  # so that a killed process leaves none that is whole by its name only
    cursor.execute(f'DROP DATABASE IF EXISTS "{half}" WITH (FORCE)')
    cursor.execute(f'CREATE DATABASE "{half}"')
    # A process of its own takes the memory of a hundred migrations with it, and its connections, which are in a copy's way.
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=CHECKOUT, env=os.environ | {"DATABASE_URL": url_of(half)}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the migrations do not run:\n{done.stdout}{done.stderr}")
    cursor.execute(f'ALTER DATABASE "{half}" RENAME TO "{name}"')


def url_of(name: str) -> str:
    """Return the address of a database of the tests' server, for DATABASE_URL of a process of its own."""
    facts = connection.settings_dict
    login = f"{facts['USER']}:{quote(facts['PASSWORD'])}@" if facts["PASSWORD"] else f"{facts['USER']}@"
    if facts["HOST"].startswith("/"):
        return f"postgres://{login}/{name}?host={quote(facts['HOST'], safe='')}"
    return f"postgres://{login}{facts['HOST']}:{facts['PORT'] or 5432}/{name}"


# ---------------------------------------------------------------- emptied


def empty(keeps: Callable[[str], bool] = WRITTEN_BY_MIGRATING.__contains__) -> None:
    """Delete every row, but of tables that are kept.

    Django's own flush truncates two hundred tables and writes the rights of all models anew, about a second after each test.
    Nothing looks at what goes: foreign keys lead to rows that go as well, and the triggers guard the product's writing.
    """
    tables = [name for name in connection.introspection.table_names() if not keeps(name)]
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever still writes, a page's last request, is waited for: its rows go too.
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(EVER_FILLED, [tables])  # two hundred tables cost more to ask than to know their files' sizes
        touched = [name for (name,) in cursor.fetchall()]
        cursor.execute(
            " UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in touched) or "SELECT LIMIT 0"
        )
        filled = [name for (name,) in cursor.fetchall()]
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if filled and cursor.fetchone() == (True,):
            cursor.execute("SET LOCAL session_replication_role = replica")  # foreign keys and triggers rest
            cursor.execute("; ".join(f"DELETE FROM {name}" for name in filled))
        elif filled:
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")


if __name__ == "__main__":
    import django

    from yejibao import devserv

    os.environ["DJANGO_SETTINGS_MODULE"] = "yejibao.settings"
    with devserv.throwaway().lease(postgres=not os.environ.get("DATABASE_URL"), valkey=False):
        django.setup()
        template()
