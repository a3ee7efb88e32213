"""Django on the same database, pool and server as the product, with nothing around the bare receiver."""

from yejibao.settings import *  # noqa: F403

MIDDLEWARE: list[str] = []
ROOT_URLCONF = "bench.bare_inbox"
