"""What is kept of an uploaded file besides its bytes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from ..scope import Actor


class StoredFileQuerySet(models.QuerySet["StoredFile"]):
    def visible_to(self, actor: Actor) -> StoredFileQuerySet:
        """Files of rows an actor sees, and his own that belong to none yet."""
        from .keeping import file_filter

        return self.filter(file_filter(actor))

    def unattached(self) -> StoredFileQuerySet:
        return self.filter(owner_id=None)


class StoredFile(models.Model):
    """A photo or a document. The bytes lie in the storage under `path`, outside what the web server serves."""

    class Kind(models.TextChoices):
        PHOTO = "photo", "照片"
        DOCUMENT = "document", "文件"

    name = models.UUIDField(unique=True, default=uuid.uuid4)  # its address; the uploader may choose it, to try again
    room = models.CharField(max_length=24)
    owner_id = models.BigIntegerField(null=True)  # a row of that room; null until it is attached
    by_id = models.BigIntegerField(null=True)
    by_member_id = models.BigIntegerField(null=True)  # a member's, sent ahead of what it belongs to
    at = models.DateTimeField()
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.PHOTO)
    title = models.CharField(max_length=120, blank=True)  # a document's name
    path = models.CharField(max_length=80)
    content_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField()
    width = models.PositiveSmallIntegerField(null=True)
    height = models.PositiveSmallIntegerField(null=True)
    sha256 = models.CharField(max_length=64)  # of what came in
    look = models.BigIntegerField(null=True)  # difference hash: a photo used again looks the same, whatever its bytes
    taken_at = models.DateTimeField(null=True)  # what the camera said; the file itself does not say it any more
    latitude = models.FloatField(null=True)  # only for rooms that ask where a photo was taken
    longitude = models.FloatField(null=True)

    objects = StoredFileQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(latitude=None, longitude=None) | Q(latitude__isnull=False, longitude__isnull=False),
                name="stored_file_whole_place",
            )
        ]
        indexes = [
            models.Index(
                fields=["room", "owner_id", "id"], name="stored_file_of_row", condition=Q(owner_id__isnull=False)
            ),
            models.Index(fields=["at"], name="stored_file_loose", condition=Q(owner_id=None)),  # sweep()
            models.Index(fields=["room", "look"], name="stored_file_look", condition=Q(look__isnull=False)),
        ]

    @property
    def is_photo(self) -> bool:
        return self.kind == self.Kind.PHOTO

    @property
    def small_path(self) -> str:
        return f"{self.path}.s"

    @property
    def url(self) -> str:
        return f"/files/{self.name}/"

    @property
    def small_url(self) -> str:
        return f"/files/{self.name}/?small=1"
