"""Run the inbox's workers."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from yejibao.wecom.inbox.loop import Loop


class Command(BaseCommand):
    """Work off what the platform called about, until SIGTERM or Ctrl-C."""

    help = "Work off the inbox of callbacks; more of these processes do no harm."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Loop(stop).run()
