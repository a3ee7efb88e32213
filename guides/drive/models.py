"""微盘资料: folders of HQ with the files stores need, who may see which, and how often they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from yejibao.core.scope import Actor


class DriveFolderQuerySet(models.QuerySet["DriveFolder"]):
    def visible_to(self, actor: Actor) -> DriveFolderQuerySet:
        """Folders for all or for one of one's roles; who keeps the files sees every one."""
        from .scoped import folder_filter

        return self.filter(folder_filter(actor))


class DriveFolder(models.Model):
    """One folder. `roles` empty: for everybody. With `space_id` its files are those of a 微盘 space of the platform."""

    key = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=32)
    roles = ArrayField(models.CharField(max_length=32), default=list)
    place = models.PositiveSmallIntegerField(default=0)
    is_open = models.BooleanField(default=True)
    space_id = models.CharField(max_length=64, blank=True)
    read_at = models.DateTimeField(null=True)  # when the space was read last
    read_error = models.CharField(max_length=120, blank=True)

    objects = DriveFolderQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class DriveFileQuerySet(models.QuerySet["DriveFile"]):
    def visible_to(self, actor: Actor) -> DriveFileQuerySet:
        """Files that stand, of folders in sight."""
        from .scoped import file_filter

        return self.filter(file_filter(actor))


class DriveFile(models.Model):
    """One file: kept by us (files room `drive`), or one of the platform's 微盘, or a link to one."""

    folder = models.ForeignKey(DriveFolder, on_delete=models.PROTECT, related_name="files", db_index=False)
    name = models.CharField(max_length=120)
    note = models.CharField(max_length=200, blank=True)
    kind = models.CharField(
        max_length=8, blank=True
    )  # pdf, docx, jpg, link …, for the icon and the line below the name
    size = models.PositiveBigIntegerField(default=0)
    link = models.CharField(max_length=300, blank=True)
    platform_id = models.CharField(max_length=128, blank=True)  # fileid in 微盘
    version = models.PositiveSmallIntegerField(default=1)
    words = ArrayField(models.CharField(max_length=8), default=list)
    by = models.ForeignKey("guides.Staff", null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    opened_count = models.PositiveIntegerField(default=0)
    downloaded_count = models.PositiveIntegerField(default=0)
    forwarded_count = models.PositiveIntegerField(default=0)

    objects = DriveFileQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["folder", "platform_id"], condition=~Q(platform_id=""), name="drive_file_of_platform"
            )
        ]
        indexes = [
            models.Index(fields=["folder", "-at", "-id"], name="drive_file_of_folder", condition=Q(removed_at=None)),
            GinIndex(fields=["words"], name="drive_file_words"),
        ]

    def __str__(self) -> str:
        return self.name


class DriveUse(models.Model):
    """That somebody opened, downloaded or forwarded a file, how often and when last."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("打开")
        DOWNLOADED = "downloaded", _("下载")
        FORWARDED = "forwarded", _("转发")

    file = models.ForeignKey(DriveFile, on_delete=models.CASCADE, related_name="uses", db_index=False)
    staff = models.ForeignKey("guides.Staff", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    count = models.PositiveIntegerField(default=1)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["file", "kind", "staff"], name="drive_use_once")]
