"""Uploaded files of all rooms: photos and documents, checked, made safe and shown to whoever sees the row they belong to.

    files.room("helpdesk", rows=lambda actor: HqCallMessage.objects.visible_to(actor), may_add=lambda actor: ...)  # once
    photo = files.keep(upload.read(), room="helpdesk", by_id=actor.staff_id, now=now)     # or POST /files/ from a script
    files.attach(names, room="helpdesk", owner_id=message.pk, by_id=actor.staff_id)       # in the transaction of the row
    files.of("helpdesk", [message.pk, ...])                                               # one query for a page
    files.forget("helpdesk", [message.pk])                                                # with the row

What is uploaded and never attached goes after two days. `static/js/photos.js` with `components/photo_field.html` is the field
for forms: shrinks on the phone, keeps what could not be sent, and goes on when the network is back. Source:
reliability-security §8.
"""

from .keeping import Room, attach, find, forget, home_of, keep, keep_upload, of, room, sweep, take
from .models import StoredFile
from .pictures import NotAPhoto
from .reading import response_of

__all__ = [
    "NotAPhoto",
    "Room",
    "StoredFile",
    "attach",
    "find",
    "forget",
    "home_of",
    "keep",
    "keep_upload",
    "of",
    "response_of",
    "room",
    "sweep",
    "take",
]
