"""Run the stand-in for the WeCom platform."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from yejibao.core import clock
from yejibao.wecom.sandbox.callbacks import Receiver
from yejibao.wecom.sandbox.server import serve
from yejibao.wecom.sandbox.state import Clock, State


class Command(BaseCommand):
    """Serve until stopped. Refuses in production."""

    help = "Run the sandbox of the WeCom platform (development, demo and tests only)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--port", type=int, default=0, help="0: any free port, printed at the start")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--state", type=Path, default=None, help="file that keeps people, chats and messages between runs"
        )

        parser.add_argument(
            "--calls-back", default="", metavar="URL", help="the product's address: its receivers are called back"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        if settings.PRODUCTION:
            raise CommandError("the sandbox does not run in production")
        state = State(
            corp_id=settings.WECOM_CORP_ID,
            default_app=(settings.WECOM_AGENT_ID, settings.WECOM_SECRET),
            clock=Clock(clock.now),
            receivers={
                name: Receiver(name, f"{options['calls_back'].rstrip('/')}/wecom/callback/{name}/", token, aes_key)
                for name, (token, aes_key) in settings.WECOM_CALLBACKS.items()
                if options["calls_back"]
            },
            product_url=settings.PUBLIC_BASE_URL,
        )
        own = state.apps[settings.WECOM_AGENT_ID]
        own.redirect_domain = urlsplit(settings.PUBLIC_BASE_URL).netloc
        own.home_url = f"{settings.PUBLIC_BASE_URL}/g/today/"

        def announce(url: str) -> None:
            self.stdout.write(f"sandbox listening on {url}")
            self.stdout.flush()

        try:
            asyncio.run(
                serve(state, host=options["host"], port=options["port"], snapshot=options["state"], announce=announce)
            )
        except OSError as error:
            raise CommandError(f"cannot listen on {options['host']}:{options['port']}: {error.strerror}") from None
