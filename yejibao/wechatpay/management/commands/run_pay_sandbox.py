"""Run the stand-in for WeChat Pay."""

import asyncio
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from yejibao.core import clock
from yejibao.wechatpay import account
from yejibao.wechatpay.sandbox.server import serve
from yejibao.wechatpay.sandbox.state import Clock, Merchant, State


class Command(BaseCommand):
    """Serve until stopped. Refuses in production."""

    help = "Run the sandbox of WeChat Pay (development, demo and tests only)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--port", type=int, default=0, help="0: any free port, printed at the start")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--state", type=Path, default=None, help="file that keeps orders and refunds between runs")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        if settings.PRODUCTION:
            raise CommandError("the sandbox does not run in production")
        ours = account.configured()
        merchant = Merchant(
            mchid=ours.mchid, appid=ours.appid, serial_no=ours.serial_no, public_key_id=ours.public_key_id,
            api_v3_key=ours.api_v3_key, public_key=account.public_half(ours.private_key),
            platform_key=account.own_key(account.PLATFORM),
        )  # fmt: skip

        def announce(url: str) -> None:
            self.stdout.write(f"pay sandbox listening on {url}")
            self.stdout.flush()

        try:
            asyncio.run(
                serve(
                    State(merchant, Clock(clock.now)), host=options["host"], port=options["port"], snapshot=options["state"],
                    announce=announce,
                )
            )  # fmt: skip
        except OSError as error:
            raise CommandError(f"cannot listen on {options['host']}:{options['port']}: {error.strerror}") from None
