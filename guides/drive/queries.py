"""Reads of shared files."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from yejibao.core.finding import sharing, words_of
from yejibao.core.paging import page
from yejibao.core.scope import Actor

from .models import DriveFile, DriveFolder, DriveUse

PAGE = 30
FOUND = 30
PEOPLE = 200


@dataclass(frozen=True)
class Pageful:
    rows: list[DriveFile]
    before: str


def folders_of(actor: Actor) -> list[DriveFolder]:
    """Return the folders in sight, with `file_count`. One statement."""
    counted = Count("files", filter=Q(files__removed_at=None))
    return list(DriveFolder.objects.visible_to(actor).annotate(file_count=counted).order_by("place", "pk"))


def page_of(folder: DriveFolder, actor: Actor, *, before: str = "") -> Pageful:
    """Return a page of a folder, the newest first. One statement."""
    rows = DriveFile.objects.visible_to(actor).filter(folder=folder)
    return Pageful(*page(rows, "at", before=before, size=PAGE))


def search(text: str, actor: Actor) -> list[DriveFile]:
    """Return files whose names share what was typed, the most first. One statement."""
    asked = words_of(text)
    if not asked:
        return []
    return list(sharing(DriveFile.objects.visible_to(actor), asked, least=50).select_related("folder")[:FOUND])


def users_of(file: DriveFile) -> list[DriveUse]:
    """Return who used a file, the last first."""
    return list(
        DriveUse.objects.filter(file=file).select_related("staff", "staff__store").order_by("-last_at", "-pk")[:PEOPLE]
    )
