"""bin/bench NAME [ARGUMENT …]: run one measurement on servers and data of its own, kept in the scratch folder "bench".

Servers wait for the disk as in production. Without a name: the list.
"""

import os
import pkgutil
import sys
from importlib import import_module

import bench
from yejibao import devserv, house


def main(arguments: list[str]) -> int:
    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name != "run")
    if not arguments or arguments[0] not in names:
        for name in names:
            print(f"  {name:12} {(import_module(f'bench.{name}').__doc__ or '').strip().splitlines()[0]}")
        return 0 if not arguments else house.give_up(f"没有 {arguments[0]} 这项测量。(no such measurement)")

    module = import_module(f"bench.{arguments[0]}")
    if not getattr(module, "NEEDS_DATABASE", True):
        module.main(arguments[1:])
        return 0
    servers = devserv.Servers(devserv.scratch_folder("bench"))
    needs = {"postgres": not os.environ.get("DATABASE_URL"), "valkey": not os.environ.get("REDIS_URL")}
    os.environ.setdefault("DATABASE_URL", servers.database_url)
    os.environ.setdefault("REDIS_URL", servers.redis_url)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yejibao.settings")
    with servers.lease(**needs):
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", interactive=False, verbosity=0)
        module.main(arguments[1:])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except devserv.ServerError as error:
        house.give_up(str(error))
