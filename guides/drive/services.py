"""All writes of shared files."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.db import connection, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from guides.org.actors import role_names
from guides.org.matrix import FILE as MATRIX
from yejibao.core import audit, files
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Conflict, Forbidden, Invalid
from yejibao.core.files import StoredFile
from yejibao.core.finding import kept_words
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, meetings
from yejibao.wecom.errors import GatewayError
from yejibao.wecom.gateway import Gateway

from .models import DriveFile, DriveFolder, DriveUse
from .scoped import KEEP

ROOM = "drive"
FOLDERS = MATRIX.parent / "drive_folders.yaml"
READ_EVERY = timedelta(hours=12)  # a space of the platform: a free corp has 1,000 calls a month
Kind = DriveUse.Kind
COUNTS = {Kind.OPENED: "opened_count", Kind.DOWNLOADED: "downloaded_count", Kind.FORWARDED: "forwarded_count"}

files.room(
    ROOM, rows=lambda actor: DriveFile.objects.visible_to(actor), may_add=lambda actor: actor.may(KEEP), takes_documents=True,
    most=1,
)  # fmt: skip


def load_folders() -> int:
    """Create the folders of data/drive_folders.yaml that are missing. Returns how many there are."""
    book: dict[str, Any] = read_yaml(FOLDERS)
    rows = [
        DriveFolder(key=one["key"], name=one["name"], roles=[] if one["roles"] == "all" else one["roles"], place=place)
        for place, one in enumerate(book["folders"])
    ]
    DriveFolder.objects.bulk_create(rows, ignore_conflicts=True)
    return DriveFolder.objects.count()


@transaction.atomic
def keep_folder(
    folder: DriveFolder | None, *, name: str, roles: Collection[str], is_open: bool, space_id: str, actor: Actor, now: datetime
) -> DriveFolder:  # fmt: skip
    """Found a folder, or change one. Raises Forbidden or Invalid."""
    _must_keep(actor)
    if not 2 <= len(name.strip()) <= 32:
        raise Invalid(_("文件夹名字 2 到 32 个字"))
    if unknown := set(roles) - set(role_names()):
        raise Invalid(_("没有这个岗位：%(role)s") % {"role": sorted(unknown)[0]})
    held = folder or DriveFolder(key=f"f{now:%Y%m%d%H%M%S%f}"[:32], place=99)
    before = {"name": held.name, "roles": held.roles, "open": held.is_open} if folder else None
    held.name, held.roles, held.is_open, held.space_id = (
        name.strip(),
        sorted(set(roles)),
        is_open,
        space_id.strip()[:64],
    )
    held.save()
    audit.record(
        actor, "drive.folder_kept", held, before=before, after={"name": held.name, "roles": held.roles, "open": is_open}
    )
    return held


@transaction.atomic
def put_file(
    folder: DriveFolder, *, name: str, note: str, actor: Actor, now: datetime, upload: StoredFile | None = None, link: str = "",
    instead_of: DriveFile | None = None,
) -> DriveFile:  # fmt: skip
    """Put a file or a link into a folder, or a new version in the place of an old one. Raises Forbidden or Invalid."""
    _must_keep(actor)
    link = link.strip()
    if (upload is None) == (not link):
        raise Invalid(_("选一个文件，或者贴一个微盘链接"))
    if link and (urlsplit(link).scheme != "https" or "." not in urlsplit(link).netloc):
        raise Invalid(_("链接要以 https:// 开头"))
    title = name.strip() or (upload.title if upload else "") or (instead_of.name if instead_of else "")
    if not title:
        raise Invalid(_("写一下文件名"))
    facts: dict[str, Any] = {
        "folder": folder, "name": title[:120], "note": note.strip()[:200], "kind": _kind(upload, title), "link": link[:300],
        "size": upload.size if upload else 0, "words": kept_words(f"{title} {note}"), "by_id": actor.staff_id, "at": now,
    }  # fmt: skip
    if instead_of is None:
        held = DriveFile.objects.create(**facts)
    else:
        held = DriveFile.objects.select_for_update().get(pk=instead_of.pk, removed_at=None)
        for field, value in facts.items():
            setattr(held, field, value)
        held.version += 1
        held.save()
        files.forget(ROOM, [held.pk])
    if upload is not None:
        files.attach([upload.name], room=ROOM, owner_id=held.pk, by_id=actor.staff_id)
    audit.record(actor, "drive.file_put", held, after={"name": held.name, "version": held.version})
    return held


@transaction.atomic
def remove_file(file: DriveFile, *, actor: Actor, now: datetime) -> None:
    """Take a file away; what was counted stays. Raises Forbidden or Conflict."""
    _must_keep(actor)
    if not DriveFile.objects.filter(pk=file.pk, removed_at=None).update(removed_at=now):
        raise Conflict(_("已经拿掉了"))
    files.forget(ROOM, [file.pk])
    audit.record(actor, "drive.file_removed", file)


@transaction.atomic
def note_use(file: DriveFile, kind: str, *, actor: Actor, now: datetime) -> None:
    """Count that somebody opened, downloaded or forwarded a file."""
    if actor.staff_id is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO guides_driveuse (file_id, staff_id, kind, count, last_at) VALUES (%s, %s, %s, 1, %s)
            ON CONFLICT (file_id, kind, staff_id) DO UPDATE SET count = guides_driveuse.count + 1, last_at = excluded.last_at
            """,
            [file.pk, actor.staff_id, Kind(kind).value, now],
        )
    column = COUNTS[Kind(kind)]
    DriveFile.objects.filter(pk=file.pk).update(**{column: F(column) + 1})


# ---------------------------------------------------------------- the platform's own spaces


def read_spaces(*, now: datetime, door: Gateway | None = None, only: DriveFolder | None = None) -> dict[str, int]:
    """Bring the files of 微盘 spaces into their folders; what is gone there goes here. No transaction is open meanwhile."""
    door, found = door or gateway.default(), 0
    folders = DriveFolder.objects.exclude(space_id="")
    for folder in folders.filter(pk=only.pk) if only else folders.order_by("pk"):
        if only is None and folder.read_at and folder.read_at > now - READ_EVERY:
            continue
        try:
            entries = meetings.list_files(door, folder.space_id)
        except GatewayError as error:
            words = str(_("企业微信没让读（%(code)s）")) % {"code": error.code or "-"}
            DriveFolder.objects.filter(pk=folder.pk).update(read_error=words)
            continue
        _bring(folder, entries, now=now)
        found += len(entries)
    return {"files": found}


@transaction.atomic
def _bring(folder: DriveFolder, entries: list[meetings.DriveEntry], *, now: datetime) -> None:
    rows = [
        DriveFile(
            folder=folder, platform_id=one.file_id, name=one.name[:120], kind=_kind(None, one.name), size=one.size,
            words=kept_words(one.name), at=datetime.fromtimestamp(one.changed_at, UTC) if one.changed_at else now, removed_at=None,
        )
        for one in entries
    ]  # fmt: skip
    with connection.cursor() as cursor:  # the constraint has a condition, which bulk_create cannot name
        cursor.execute(
            """
            INSERT INTO guides_drivefile (folder_id, platform_id, name, kind, size, words, at, note, link, version,
                opened_count, downloaded_count, forwarded_count)
            SELECT %s, n.id, n.name, n.kind, n.size, string_to_array(n.words, ' '), n.at, '', '', 1, 0, 0, 0
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %s::timestamptz[])
                AS n(id, name, kind, size, words, at)
            ON CONFLICT (folder_id, platform_id) WHERE NOT platform_id = '' DO UPDATE SET name = excluded.name,
                kind = excluded.kind, size = excluded.size, words = excluded.words, removed_at = NULL,
                version = guides_drivefile.version + (guides_drivefile.at < excluded.at)::int, at = excluded.at
            """,
            [folder.pk, *([getattr(row, name) for row in rows] for name in ("platform_id", "name", "kind", "size")),
             [" ".join(row.words) for row in rows], [row.at for row in rows]],
        )  # fmt: skip
    gone = DriveFile.objects.filter(folder=folder, removed_at=None).exclude(platform_id="")
    gone.exclude(platform_id__in=[one.file_id for one in entries]).update(removed_at=now)
    DriveFolder.objects.filter(pk=folder.pk).update(read_at=now, read_error="")


def link_of(file: DriveFile, *, door: Gateway | None = None) -> str:
    """Return where a file of the platform opens, asked once and kept. Raises GatewayError."""
    if file.link or not file.platform_id:
        return file.link
    link = meetings.share_file(door or gateway.default(), file.platform_id)[:300]
    DriveFile.objects.filter(pk=file.pk).update(link=link)
    return link


def _kind(upload: StoredFile | None, name: str) -> str:
    if upload is not None and upload.is_photo:
        return "jpg"
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    return ending[:8] if ending.isalnum() and len(ending) < 6 else ("file" if upload else "link")


def _must_keep(actor: Actor) -> None:
    if not actor.may(KEEP):
        raise Forbidden(permission=KEEP)
