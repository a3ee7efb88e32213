"""Keeping, attaching, finding and forgetting files."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from ..clock import local_day
from ..errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from ..scope import Actor
from .documents import MOST_BYTES as MOST_OF_A_DOCUMENT
from .documents import DocumentTooLarge, clean_title, read_document
from .models import StoredFile
from .pictures import MOST_BYTES as MOST_OF_A_PHOTO
from .pictures import PhotoTooLarge, read_photo

LOOSE_FOR = timedelta(days=2)
SWEEP_ROWS = 500
FULL_SHARE = 0.90  # of the disk: uploads stop first, so that the day's work goes on
PHOTO_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")


class StorageFull(DomainError):
    status, code, title, retryable = 507, "storage.full", _("存照片的盘满了"), True


class NotUploaded(Invalid):
    """A name that is nobody's file, or somebody else's."""

    code, title = "file.not_uploaded", _("有照片没传上来")


@dataclass(frozen=True)
class Room:
    """Whose rows files belong to. `rows` are those whose files an actor sees, with the owners' ids as their keys."""

    key: str
    rows: Callable[[Actor], QuerySet[Any]]
    may_add: Callable[[Actor], bool]
    takes_documents: bool = False
    keeps_place: bool = False  # where a photo was taken, as its camera said; else it is dropped
    most: int = 9  # files of one row


_rooms: dict[str, Room] = {}


def room(key: str, **facts: Any) -> Room:
    """Declare a room, once, where its rows' scope is. Another declaration of the key takes its place."""
    _rooms[key] = Room(key, **facts)
    return _rooms[key]


def file_filter(actor: Actor) -> Q:
    """Return the condition for files in sight; for lists of all rooms. One file is looked up by `find`."""
    if actor.is_system:
        return Q()
    condition = Q(owner_id=None, by_id=actor.staff_id or 0) | Q(owner_id=None, by_member_id=actor.member_id or 0)
    for one in _rooms.values():
        condition |= Q(room=one.key, owner_id__in=one.rows(actor).values("pk"))
    return condition


def find(name: uuid.UUID, *, actor: Actor) -> StoredFile:
    """Return a file an actor sees. Raises NotFound."""
    file = StoredFile.objects.filter(name=name).first()
    if file is None or not _is_seen(file, actor):
        raise NotFound()
    return file


def _is_seen(file: StoredFile, actor: Actor) -> bool:
    if file.owner_id is None:
        return actor.is_system or (file.by_id, file.by_member_id) == (actor.staff_id, actor.member_id) != (None, None)
    home = _rooms.get(file.room)
    return home is not None and home.rows(actor).filter(pk=file.owner_id).exists()


# ---------------------------------------------------------------- keeping


def keep(
    raw: bytes, *, room: str, by_id: int | None, now: datetime, title: str = "", name: uuid.UUID | None = None,
    by_member_id: int | None = None,
) -> StoredFile:  # fmt: skip
    """Keep a photo, or a document where the room takes them; it belongs to no row yet.

    The same `name` sent again by the same person is the file that is there: a phone may try until it hears. Raises
    NotAPhoto, NotADocument, PhotoTooLarge, DocumentTooLarge, StorageFull or Conflict.
    """
    home, digest = _rooms[room], hashlib.sha256(raw).hexdigest()
    if name is not None and (there := StoredFile.objects.filter(name=name).first()) is not None:
        if (there.room, there.by_id, there.by_member_id) != (room, by_id, by_member_id):
            raise Conflict(_("这个文件编号用过了"))
        return there
    _must_have_space()
    file = StoredFile(
        name=name or uuid.uuid4(), room=room, by_id=by_id, by_member_id=by_member_id, at=now, sha256=digest, path="", content_type="image/jpeg", size=0
    )  # fmt: skip
    file.path = f"files/{local_day(now):%Y%m%d}/{file.name}"
    parts = {}
    if home.takes_documents and not raw.startswith(PHOTO_STARTS):
        file.kind, file.content_type = StoredFile.Kind.DOCUMENT, read_document(raw)
        file.title, file.size = clean_title(title, file.content_type), len(raw)
        parts[file.path] = raw
    else:
        photo = read_photo(raw)
        file.width, file.height, file.size = photo.width, photo.height, len(photo.content)
        file.look, file.taken_at = photo.look, photo.taken_at
        if home.keeps_place and photo.place:
            file.latitude, file.longitude = photo.place
        parts = {file.path: photo.content, file.small_path: photo.small}
    try:
        with transaction.atomic():
            file.save(force_insert=True)
            for path, content in parts.items():
                default_storage.save(path, ContentFile(content))
    except IntegrityError:  # two tries of the same at once
        return keep(raw, room=room, by_id=by_id, now=now, name=name, by_member_id=by_member_id)
    return file


def _must_have_space() -> None:
    place = Path(settings.MEDIA_ROOT)
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    if usage.used / usage.total > FULL_SHARE:
        raise StorageFull(_("照片先留在手机上，过一会儿再传；已经告诉总部信息中心。"), retry_after=600)


def take(
    uploads: Iterable[UploadedFile], names: Iterable[str], *, room: str, actor: Actor, now: datetime
) -> list[uuid.UUID]:
    """Return the names of what a form brings: files in it, kept now, and files sent ahead. Raises Forbidden or Invalid."""
    home = _rooms[room]
    if not home.may_add(actor):
        raise Forbidden(permission="file.add")
    found: list[uuid.UUID] = []
    for text in names:
        try:
            found.append(uuid.UUID(text))
        except ValueError:
            raise NotUploaded(_("请重新选照片。")) from None
    for upload in uploads:
        found.append(keep_upload(upload, home=home, actor=actor, now=now).name)
    if len(found) > home.most:
        raise Invalid(_("一次最多 %(most)d 个文件") % {"most": home.most})
    return list(dict.fromkeys(found))


def keep_upload(
    upload: UploadedFile, *, home: Room, actor: Actor, now: datetime, name: uuid.UUID | None = None
) -> StoredFile:
    """Keep one file of a request, never reading one that is too large."""
    size = upload.size or 0
    if size > MOST_OF_A_PHOTO and not home.takes_documents:
        raise PhotoTooLarge(_("一张照片最多 10 MB，请换小一点的。"))
    if size > MOST_OF_A_DOCUMENT:
        raise DocumentTooLarge(_("一个文件最多 20 MB。更大的请放企业微信微盘，这里贴链接。"))
    return keep(
        upload.read(), room=home.key, by_id=actor.staff_id, by_member_id=actor.member_id, now=now, title=upload.name or "", name=name
    )  # fmt: skip


def home_of(key: str) -> Room:
    """Return a room. Raises NotFound."""
    if key not in _rooms:
        raise NotFound()
    return _rooms[key]


# ---------------------------------------------------------------- belonging


def attach(
    names: Collection[uuid.UUID], *, room: str, owner_id: int, by_id: int | None, by_member_id: int | None = None
) -> list[StoredFile]:
    """Let uploaded files of a person or a member belong to a row, in its transaction. Again is the same. Raises NotUploaded."""
    if not names:
        return []
    mine = StoredFile.objects.filter(name__in=names, room=room, by_id=by_id, by_member_id=by_member_id).filter(
        Q(owner_id=None) | Q(owner_id=owner_id)
    )
    held = {file.name: file for file in mine.select_for_update()}
    if len(held) < len(set(names)):
        raise NotUploaded(_("有照片没传上来或过期了，请重新选。"))
    StoredFile.objects.filter(pk__in=[file.pk for file in held.values()]).update(owner_id=owner_id)
    return [held[name] for name in names]


def of(room: str, owner_ids: Collection[int]) -> dict[int, list[StoredFile]]:
    """Return the files of rows, in the order they came; rows without one are left out. One statement."""
    found: dict[int, list[StoredFile]] = defaultdict(list)
    if owner_ids:
        for file in StoredFile.objects.filter(room=room, owner_id__in=owner_ids).order_by("owner_id", "pk"):
            found[file.owner_id or 0].append(file)
    return dict(found)


def forget(room: str, owner_ids: Collection[int], *, names: Collection[uuid.UUID] | None = None) -> int:
    """Delete the files of rows, or those named; the bytes go once that is committed. Returns how many."""
    files = StoredFile.objects.filter(room=room, owner_id__in=owner_ids)
    return _delete(files if names is None else files.filter(name__in=names))


def sweep(*, now: datetime) -> int:
    """Delete what was uploaded and not attached within two days. Returns how many."""
    swept = 0
    while True:
        old = StoredFile.objects.unattached().filter(at__lt=now - LOOSE_FOR).order_by("at")[:SWEEP_ROWS]
        count = _delete(StoredFile.objects.filter(pk__in=list(old.values_list("pk", flat=True)), owner_id=None))
        swept += count
        if count < SWEEP_ROWS:
            return swept


@transaction.atomic
def _delete(files: QuerySet[StoredFile]) -> int:
    gone = list(files.select_for_update())
    StoredFile.objects.filter(pk__in=[file.pk for file in gone]).delete()
    transaction.on_commit(partial(_drop_bytes, gone))
    return len(gone)


def _drop_bytes(gone: list[StoredFile]) -> None:
    for file in gone:
        for path in (file.path, file.small_path) if file.is_photo else (file.path,):
            default_storage.delete(path)
