"""Read everybody's customers from the platform: start a sweep or go on with the one that runs, and show how far it is."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from crm.friends.services import NothingToStop, start_sync, stop_sync, sync_friends
from yejibao.core import clock
from yejibao.core.scope import Actor
from yejibao.wecom import gateway
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.syncing.models import SyncRun


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--only", nargs="+", default=[], metavar="USERID", help="only these people's customers")
        parser.add_argument("--stop", action="store_true", help="stop the sweep that runs; what was written stays")

    def handle(self, *args: Any, only: list[str], stop: bool = False, **options: Any) -> None:
        door, actor = gateway.default(), Actor.system("sync_friends")
        if stop:
            try:
                run = stop_sync(actor=actor, now=clock.now())
            except NothingToStop as nothing:
                raise CommandError(str(nothing.title)) from None
            self.stdout.write(f"stopped sweep {run.pk} at {run.parts_done} of {run.parts_total} parts")
            return
        try:
            run = start_sync(door=door, actor=actor, now=clock.now(), only=only)
        except GatewayError as error:
            raise CommandError(f"the platform says no: {error}") from None
        with tqdm(total=run.parts_total, initial=run.parts_done, unit="part", disable=None) as bar:
            while run.state == SyncRun.State.RUNNING:
                if run.next_at and run.next_at > clock.now():
                    raise CommandError(
                        f"the platform asks to wait until {run.next_at:%H:%M:%S} ({run.last_error}); run me again"
                    )
                sync_friends(door=door, seconds=5)
                run.refresh_from_db()
                bar.update(run.parts_done - bar.n)
                bar.set_postfix(run.counts)
        self.stdout.write(
            f"{run.get_state_display()}: " + ", ".join(f"{count} {name}" for name, count in run.counts.items())
        )
