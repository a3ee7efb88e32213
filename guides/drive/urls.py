"""Routes of shared files."""

from django.urls import path

from . import pages

urlpatterns = [
    path("g/drive/", pages.drive, name="drive"),
    path("g/drive/<int:pk>/", pages.folder, name="drive-folder"),
    path("g/drive/file/<int:pk>/", pages.file, name="drive-file"),
    path("g/drive/file/<int:pk>/take/", pages.take, name="drive-take"),
    path("g/drive/file/<int:pk>/forwarded/", pages.forwarded, name="drive-forwarded"),
    path("hq/drive/new/", pages.edit_folder, name="drive-new"),
    path("hq/drive/<int:pk>/edit/", pages.edit_folder, name="drive-edit"),
    path("hq/drive/<int:pk>/read/", pages.read_space, name="drive-read"),
    path("hq/drive/<int:pk>/put/", pages.put, name="drive-put"),
    path("hq/drive/file/<int:pk>/remove/", pages.remove, name="drive-remove"),
]
