"""A second world in a database beside the bench's own: what has grown is measured in turn with what stayed small.

    small = Beside("small")          # as the own database is now: migrated, empty
    with small:                      # everything in here, the product's calls too, works there
        world.members(1_200_000)

Two sizes measured an hour apart would mostly show what else the machine did; in turn, in one round, they show the size.
"""

from typing import Any

import psycopg
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql


class Beside:
    """A copy of the present database, to be made while that is still empty. Entered, it is the default one."""

    def __init__(self, name: str) -> None:
        own = connections["default"].settings_dict
        name = f"{own['NAME']}_{name}"
        connections["default"].close()
        connections["default"].close_pool()
        self._make(name, own["NAME"])
        # No pool: its pools are kept by alias, and this one goes by the alias of the other.
        options = {key: value for key, value in own["OPTIONS"].items() if key != "pool"}
        self._here: BaseDatabaseWrapper = connections.create_connection("default")
        self._here.settings_dict = {**own, "NAME": name, "OPTIONS": options}
        self._before: list[BaseDatabaseWrapper] = []

    @staticmethod
    def _make(name: str, template: str) -> None:
        parameters = connection.get_connection_params() | {"dbname": "postgres"}
        known = {key: parameters[key] for key in ("host", "port", "user", "password", "dbname") if parameters.get(key)}
        with psycopg.connect(**known, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            server.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )

    def __enter__(self) -> None:
        self._before.append(connections["default"])
        connections["default"] = self._here

    def __exit__(self, *_: Any) -> None:
        connections["default"] = self._before.pop()

    def close(self) -> None:
        """End its connection; the database stays until the next run."""
        self._here.close()
