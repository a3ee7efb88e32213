"""Uploaded files: what comes in is checked and made anew, what goes out goes to whoever sees the row it belongs to."""

import io
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from guides.org.models import Store
from tests.factories.guides import Org, actor, make_org, sign_in
from yejibao.core import files
from yejibao.core.clock import parse_iso
from yejibao.core.errors import DomainError
from yejibao.core.files import keeping, pictures
from yejibao.core.models import StoredFile

pytestmark = pytest.mark.django_db

NOW = parse_iso("2026-11-21 10:00")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.setattr(keeping, "_rooms", dict(keeping._rooms))
    return tmp_path


@pytest.fixture
def org(clock: Any) -> Iterator[Org]:
    clock.travel(NOW)
    files.room(
        "stores", rows=lambda who: Store.objects.visible_to(who), may_add=lambda who: who.has_role("guide"), most=3
    )
    files.room("papers", rows=lambda who: Store.objects.visible_to(who), may_add=lambda who: True, takes_documents=True,
               keeps_place=True)  # fmt: skip
    yield make_org()


def picture(size: tuple[int, int] = (640, 480), kind: str = "JPEG", *, seed: int = 0, **options: Any) -> bytes:
    image = Image.linear_gradient("L").resize(size).rotate(seed)
    out = io.BytesIO()
    (image if kind == "PNG" else image.convert("RGB")).save(out, kind, **options)
    return out.getvalue()


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Pear", 6  # maker; turned by 90 degrees
    exif[0x8769] = {0x9003: "2026:11:20 18:05:06"}
    exif[0x8825] = {1: "N", 2: (32.0, 2.0, 24.0), 3: "E", 4: (118.0, 47.0, 0.0)}
    return picture(exif=exif, comment=b"secret words")


def document(*parts: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        for part in ("[Content_Types].xml", *parts):
            book.writestr(part, "<x/>")
    return out.getvalue()


def keep(raw: bytes, org: Org, room: str = "stores", **facts: Any) -> StoredFile:
    return files.keep(raw, room=room, by_id=org.guide.pk, now=NOW, **facts)


def stored(file: StoredFile, path: str = "") -> bytes:
    with default_storage.open(path or file.path) as content:
        return bytes(content.read())


# ---------------------------------------------------------------- what comes in


def test_a_photo_is_made_anew_upright_and_tells_nothing_of_its_place(org: Org) -> None:
    file = keep(with_exif(), org)
    content = stored(file)
    assert (file.content_type, file.width, file.height) == ("image/jpeg", 480, 640), "turned as the camera was held"
    assert b"Exif" not in content and b"Pear" not in content and b"secret" not in content
    assert dict(Image.open(io.BytesIO(content)).getexif()) == {}
    assert file.taken_at == parse_iso("2026-11-20 18:05:06")
    assert (file.latitude, file.longitude) == (None, None)
    kept = keep(with_exif(), org, "papers")
    assert (round(kept.latitude or 0, 3), round(kept.longitude or 0, 3)) == (32.04, 118.783)


def test_large_ones_become_smaller_and_each_has_a_small_one(org: Org) -> None:
    file = keep(picture((4000, 3000)), org)
    assert (file.width, file.height) == (2048, 1536)
    assert Image.open(io.BytesIO(stored(file, file.small_path))).size == (480, 360)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_kinds_that_come_in_leave_as_jpeg(org: Org, kind: str) -> None:
    assert stored(keep(picture(kind=kind), org))[:3] == b"\xff\xd8\xff"


def test_what_is_transparent_is_white(org: Org) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(out, "PNG")
    assert Image.open(io.BytesIO(stored(keep(out.getvalue(), org)))).getpixel((5, 5)) == (255, 255, 255)


def test_the_same_photo_looks_the_same_whatever_its_bytes(org: Org) -> None:
    first, again = keep(picture((800, 600)), org), keep(picture((640, 480), quality=60), org)
    assert first.sha256 != again.sha256 and first.look == again.look
    assert keep(picture(seed=90), org).look != first.look


@pytest.mark.parametrize(
    "raw, code",
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "file.not_a_photo"),
        (b"<html><script>1</script>", "file.not_a_photo"),
        (b"", "file.not_a_photo"),
        (b"\xff\xd8\xff\xe0broken", "file.not_a_photo"),
        (picture()[:900], "file.not_a_photo"),
        (b"GIF89a" + b"\x00" * 40, "file.not_a_photo"),
        (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 40, "file.not_a_photo"),
        (b"%PDF-1.7", "file.not_a_photo"),
        (b"\xff\xd8" + b"\x00" * (10 * 2**20), "file.photo_too_large"),
    ],
)
def test_what_is_no_photo_stays_out(org: Org, raw: bytes, code: str) -> None:
    with pytest.raises(DomainError) as refused:
        keep(raw, org)
    assert refused.value.code == code
    assert not StoredFile.objects.exists()


def test_a_bomb_is_refused_by_its_header(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 1000)
    with pytest.raises(pictures.PhotoTooLarge):
        keep(picture(), org)


@pytest.mark.parametrize(
    "raw, title, kept",
    [
        (b"%PDF-1.7 ...", "../../陈列手册.pdf", "陈列手册.pdf"),
        (b"%PDF-1.7 ...", "a.exe", "a.exe.pdf"),
        (document("word/document.xml"), "C:\\x\\规则.docx", "规则.docx"),
        (document("xl/workbook.xml"), "", "文件.xlsx"),
    ],
)
def test_documents_where_a_room_takes_them(org: Org, raw: bytes, title: str, kept: str) -> None:
    file = keep(raw, org, "papers", title=title)
    assert (file.kind, file.title, stored(file)) == ("document", kept, raw)


@pytest.mark.parametrize(
    "raw", [document("word/document.xml", "word/vbaProject.bin"), document("x/y.xml"), b"PK\x03\x04junk", b"MZ\x90", b"hello"]
)  # fmt: skip
def test_macros_programs_and_junk_stay_out(org: Org, raw: bytes) -> None:
    with pytest.raises(DomainError) as refused:
        keep(raw, org, "papers")
    assert refused.value.code == "file.not_a_document"


def test_a_full_disk_stops_uploads_first(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 91, 9))  # type: ignore[attr-defined]
    with pytest.raises(keeping.StorageFull):
        keep(picture(), org)


def test_trying_again_under_the_same_name_is_the_same_file(org: Org) -> None:
    name = uuid.uuid4()
    assert keep(picture(), org, name=name).pk == keep(picture(), org, name=name).pk
    with pytest.raises(DomainError, match="用过了"):
        files.keep(picture(), room="stores", by_id=org.stranger.pk, now=NOW, name=name)


# ---------------------------------------------------------------- whose


def test_it_is_seen_by_whoever_sees_its_row(client: Client, org: Org) -> None:
    file = keep(picture(), org)
    of = {"own": org.guide, "manager": org.manager, "stranger": org.stranger}

    def seen() -> dict[str, int]:
        return {who: sign_in(client, person).get(file.url).status_code for who, person in of.items()}

    assert seen() == {"own": 200, "manager": 404, "stranger": 404}, "nobody else's yet"
    files.attach([file.name], room="stores", owner_id=org.store.pk, by_id=org.guide.pk)
    assert seen() == {"own": 200, "manager": 200, "stranger": 404}
    listed = {who: StoredFile.objects.visible_to(actor(person)).exists() for who, person in of.items()}
    assert listed == {"own": True, "manager": True, "stranger": False}
    assert client.get(f"/files/{uuid.uuid4()}/").status_code == 404


def test_headers_let_a_browser_show_it_and_nothing_else(client: Client, org: Org) -> None:
    sign_in(client, org.guide)
    photo, paper = keep(picture((900, 600)), org), keep(b"%PDF-1.7 x", org, "papers", title="手册.pdf")
    answer = client.get(photo.url)
    assert answer["Content-Type"] == "image/jpeg" and answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox") and answer["Cache-Control"].startswith("private")
    assert answer["Content-Disposition"].startswith("inline")
    assert len(client.get(photo.small_url).content) < len(answer.content)
    assert client.get(paper.url)["Content-Disposition"].startswith("inline")
    assert "attachment" in client.get(f"{paper.url}?download=1")["Content-Disposition"]
    default_storage.delete(photo.path)
    assert client.get(photo.url).status_code == 404


def test_only_ones_own_uploads_can_be_attached(org: Org) -> None:
    mine, again = keep(picture(), org), keep(picture(), org)
    with pytest.raises(keeping.NotUploaded):
        files.attach([mine.name], room="stores", owner_id=org.store.pk, by_id=org.stranger.pk)
    with pytest.raises(keeping.NotUploaded):
        files.attach([mine.name], room="papers", owner_id=org.store.pk, by_id=org.guide.pk)
    for _ in range(2):
        found = files.attach([again.name, mine.name], room="stores", owner_id=org.store.pk, by_id=org.guide.pk)
        assert [file.pk for file in found] == [again.pk, mine.pk]
    with pytest.raises(keeping.NotUploaded):
        files.attach([mine.name], room="stores", owner_id=org.other_store.pk, by_id=org.guide.pk)


@pytest.mark.parametrize("rows", [1, 4])
def test_files_of_many_rows_are_one_statement(org: Org, rows: int, django_assert_num_queries: Any) -> None:
    for number in range(rows):
        files.attach([keep(picture(), org).name], room="stores", owner_id=number, by_id=org.guide.pk)
    with django_assert_num_queries(1):
        assert [len(found) for found in files.of("stores", range(rows)).values()] == [1] * rows


# ---------------------------------------------------------------- the door for scripts


def test_uploading_ahead_of_the_form(client: Client, org: Org) -> None:
    sign_in(client, org.guide)
    name = str(uuid.uuid4())

    def send(**facts: Any) -> Any:
        return client.post("/files/", {"room": "stores", "file": SimpleUploadedFile("a.jpg", picture())} | facts)

    assert [send(name=name).status_code for _ in range(2)] == [201, 201]
    [file] = StoredFile.objects.all()
    assert (str(file.name), file.by_id, file.owner_id) == (name, org.guide.pk, None)
    assert send(room="nonsense").status_code == 404
    assert send(name="x").status_code == send(file="").status_code == 422
    sign_in(client, org.manager)
    assert send(name="").json()["code"] == "perm.file.add"
    assert Client().post("/files/", {"room": "stores"}).status_code == 401


def test_a_form_brings_files_of_its_own_and_names(org: Org) -> None:
    ahead = keep(picture(), org)
    upload = SimpleUploadedFile("a.jpg", picture())
    found = files.take([upload], [str(ahead.name)], room="stores", actor=actor(org.guide), now=NOW)
    assert len(found) == 2 and found[0] == ahead.name
    for wrong in (["x"], [str(uuid.uuid4()) for _ in range(4)]):
        with pytest.raises(DomainError):
            files.take([], wrong, room="stores", actor=actor(org.guide), now=NOW)


# ---------------------------------------------------------------- going


def test_what_was_never_used_goes_and_what_is_used_stays(
    org: Org, place: Path, django_capture_on_commit_callbacks: Any
) -> None:
    loose, used = keep(picture(), org), keep(picture(), org)
    files.attach([used.name], room="stores", owner_id=org.store.pk, by_id=org.guide.pk)
    with django_capture_on_commit_callbacks(execute=True):
        assert files.sweep(now=NOW + timedelta(days=1)) == 0
        assert files.sweep(now=NOW + timedelta(days=3)) == 1
    assert not default_storage.exists(loose.path) and default_storage.exists(used.path)
    with django_capture_on_commit_callbacks(execute=True):
        assert files.forget("stores", [org.store.pk]) == 1
    assert [path for path in place.rglob("*") if path.is_file()] == []
