"""Load what the domain files say: the cadence 3369, all scripts, the tag tree, the patrol checklist. Twice is like once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from crm.aftersale.replies.services import load_templates
from crm.catalogue.outfits.loading import load_outfits
from crm.privacy.loading import load_texts
from crm.tags.loading import load_tags
from guides.attendance.holiday_services import seed_holidays
from guides.drive.services import load_folders
from guides.helpdesk.loading import load_categories
from guides.patrol.loading import load_checklist
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
        outfits = load_outfits(now=now)
        self.stdout.write(f"outfits: {outfits['new']} new, {outfits['without_goods']} wait for their goods")
        self.stdout.write(f"ready sentences of after-sale: {load_templates(now=now)} new")
        self.stdout.write(f"consent texts: {load_texts(now=now)} new")
        self.stdout.write(f"patrol checklist: version {load_checklist(now=now).number}")
        self.stdout.write(f"folders of shared files: {load_folders()}")
        self.stdout.write(f"categories of questions to HQ: {load_categories()}")
        self.stdout.write(f"holidays: {seed_holidays(today=clock.local_day(now))['changed']} days from the library")
        self.stdout.write("tags: " + ", ".join(f"{count} {word}" for word, count in tags.items()))
