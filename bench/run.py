"""bin/bench NAME [--quick] [--peers] [ARGUMENT …]: run one measurement and print its JSON line; `all` runs every one.

Each runs in a database of its own, on servers of the scratch folder "bench" (or on those of DATABASE_URL and REDIS_URL),
which wait for the disk as in production. --quick ends within two minutes; --peers first installs what is compared with.
What a run found is kept in bench/results.json; `readme` writes the table of README from it.
"""

import ast
import json
import os
import subprocess
import sys
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from bench import figures
from bench.figures import Options, Report, progress
from yejibao import devserv, house

# The order of `all`: quick ones first, those that want the machine longest last.
ALL = (
    "startup", "enrol", "open_due", "push", "announce", "today_page", "task_page", "member_360", "task_list", "scope_cost", "review_page", "chaos", "mixed_peak",
    "callback", "intake", "phone_lookup", "ledger_storm", "ledger_spread", "ledger_hot", "growth_pages", "growth",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    name, *rest = arguments or [""]
    if name == "all":
        return _all(rest)
    if name == "readme":
        import_module("bench.readme").write()
        return 0
    measurements = _measurements()
    if name not in measurements:
        for each, declared in measurements.items():
            print(f"  {each:12} {declared['__doc__'].splitlines()[0]}")
        print(f"  {'all':12} Every one of them, a line each; `readme` then writes the table of README.")
        return 0 if not arguments else house.give_up(f"没有 {name} 这项测量。(no such measurement)")
    return _one(name, measurements[name], Options.of(rest))


def _measurements() -> dict[str, dict[str, Any]]:
    """Return what each measurement says of itself: the modules with a `main`, read without being run.

    They may import models, and Django is set up only once it is known which database they want.
    """
    found = {}
    for path in sorted((figures.CHECKOUT / "bench").glob("*.py")):
        module = ast.parse(path.read_text())
        functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
        if "main" in functions and path.stem != "run":
            found[path.stem] = {"__doc__": ast.get_docstring(module) or ""} | {
                target.id: node.value.value
                for node in module.body
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
    return found


def _all(arguments: list[str]) -> int:
    failed = 0
    there = _measurements()
    for name in ALL:
        if name in there:
            progress(f"{name} …")
            failed |= subprocess.run([sys.executable, "-m", "bench.run", name, *arguments]).returncode
    return failed


def _one(name: str, declared: dict[str, Any], options: Options) -> int:
    if options.peers:
        figures.install_peers()
    if not declared.get("NEEDS_DATABASE", True):
        return _say(name, import_module(f"bench.{name}").main(options), options)
    servers = devserv.Servers(devserv.scratch_folder("bench"))
    needs = {"postgres": not os.environ.get("DATABASE_URL"), "valkey": not os.environ.get("REDIS_URL")}
    os.environ.setdefault("YEJIBAO_PG_OPTIONS", _sizes())
    os.environ.setdefault("DATABASE_URL", servers.database_url)
    os.environ.setdefault("REDIS_URL", servers.redis_url)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yejibao.settings")
    with servers.lease(**needs):
        own, fresh = declared.get("DATABASE", name), not declared.get("KEEP", False)
        os.environ["DATABASE_URL"] = _own_database(own, fresh=fresh)
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", interactive=False, verbosity=0)
        return _say(name, _run(import_module(f"bench.{name}"), options), options)


def _run(module: ModuleType, options: Options) -> Report:
    from django.db import connections

    try:
        report: Report = module.main(options)
        return report
    finally:
        connections.close_all()


def _say(name: str, report: Report, options: Options) -> int:
    line = report.line(name)
    print(json.dumps(line, ensure_ascii=False), flush=True)
    _keep(name, line, is_quick=options.quick)
    return 0


def _keep(name: str, line: dict[str, Any], *, is_quick: bool) -> None:
    """Remember what a run found, for the table of README; a quick one never in place of a full one."""
    path = figures.CHECKOUT / "bench/results.json"
    if not os.access(path.parent, os.W_OK):
        return
    lines = json.loads(path.read_text()) if path.exists() else {}
    if is_quick and name in lines and not lines[name].get("quick"):
        return
    lines[name] = line | ({"quick": True} if is_quick else {})
    path.write_text(json.dumps(lines, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def _own_database(name: str, *, fresh: bool) -> str:
    """Make the measurement's database beside the one that was named; return its address."""
    base = os.environ["DATABASE_URL"]
    parts = urlsplit(base)
    own = f"{parts.path.lstrip('/') or 'yejibao'}_bench_{name}"
    with psycopg.connect(base, autocommit=True) as connection:
        there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [own]).fetchone()
        if there and fresh:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(own)))
        if fresh or not there:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(own)))
    # Put together by hand: urlunsplit drops the two slashes of an address without a host.
    return f"{parts.scheme}://{parts.netloc}/{own}" + (f"?{parts.query}" if parts.query else "")


def _sizes() -> str:
    """Return PostgreSQL's memory as one would set it on this machine: a fifth of it, and WAL enough for a load."""
    total_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    buffers = max(128, min(4096, total_mb // 5))
    return (
        f"-c shared_buffers={buffers}MB -c effective_cache_size={total_mb // 2}MB -c maintenance_work_mem={buffers // 4}MB "
        "-c max_wal_size=8GB -c checkpoint_timeout=15min -c wal_compression=on"
    )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except devserv.ServerError as error:
        house.give_up(str(error))
