"""What a user would pick instead, each in its own environment (bench/requirements.txt): see figures.peers_python."""

import json
import os
import subprocess
from pathlib import Path

import psycopg
from django.conf import settings
from psycopg import sql

from bench import figures
from bench.figures import progress


def measure(*, purchases: int, backlog: int, due: int, seconds: int) -> dict[str, dict[str, float]]:
    """Return each peer's rates, empty where the peers are not installed.

    `purchases_per_second`: the five follow-ups of a purchase written as deferred jobs. `due_per_second`: jobs that do
    nothing, worked off beside `backlog` others that are due in months.
    """
    python = figures.peers_python()
    if python is None:
        progress("peers are not installed: --peers installs them")
        return {}
    address = own_database()
    task = {"dsn": address, "redis": settings.REDIS_URL, "purchases": purchases, "backlog": backlog, "due": due}
    found = {}
    for name in ("procrastinate_jobs", "pgqueuer_jobs", "celery_eta"):
        try:
            done = subprocess.run(
                [python, Path(__file__).parent / f"{name}.py", json.dumps(task)], capture_output=True, text=True,
                timeout=seconds, env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1"}, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            progress(f"{name} did not end within {seconds} s")
            continue
        if done.returncode:
            progress(f"{name} did not run: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else '?'}")
            continue
        found[name] = json.loads(done.stdout.strip().splitlines()[-1])
        progress(f"{name}: {found[name]}")
    return found


def own_database() -> str:
    """Make an empty database beside the bench's own; return its address."""
    base = os.environ["DATABASE_URL"]
    name = settings.DATABASES["default"]["NAME"]
    with psycopg.connect(base, autocommit=True) as connection:
        own = sql.Identifier(f"{name}_peers")
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(own))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(own))
    return base.replace(f"/{name}", f"/{name}_peers", 1)
