"""Run the sender."""

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from yejibao.wecom import gateway
from yejibao.wecom.beside import DatabaseThreads, LivePace
from yejibao.wecom.sender import Sender


class Command(BaseCommand):
    """Send what the outbox holds, until SIGTERM or Ctrl-C."""

    help = "Drain the outbox to Enterprise WeChat: one asynchronous process; more of them do no harm."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        asyncio.run(_run())


async def _run() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    beside = DatabaseThreads()
    try:
        await Sender(gateway.default(), beside, LivePace()).serve(stop)
    finally:
        beside.close()
