"""Load the rules and words of the domain files: the cadence 3369, all scripts, the tag tree. Twice is like once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from crm.privacy.loading import load_texts
from crm.tags.loading import load_tags
from tasks.cadences.loading import load_3369
from tasks.scripts.loading import load_scripts
from yejibao.core import clock


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--replace-edited", action="store_true", help="also replace rules and scripts that HQ has edited since"
        )

    def handle(self, *args: Any, replace_edited: bool = False, **options: Any) -> None:
        now = clock.now()
        version = load_3369(now=now, replace_edited=replace_edited)
        self.stdout.write(f"cadence 3369: version {version.number}, {version.steps.count()} steps")
        tally = load_scripts(now=now, replace_edited=replace_edited)
        self.stdout.write("scripts: " + ", ".join(f"{count} {word}" for word, count in tally.items()))
        tags = load_tags(now=now)
        self.stdout.write(f"consent texts: {load_texts(now=now)} new")
        self.stdout.write("tags: " + ", ".join(f"{count} {word}" for word, count in tags.items()))
