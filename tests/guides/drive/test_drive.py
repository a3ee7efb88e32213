"""Shared files: folders by role, uses counted, versions, search, the platform's own spaces."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from guides.drive import queries, services
from guides.drive.models import DriveFile, DriveFolder
from guides.org.models import Staff
from tests.factories.guides import Org, actor, holder_of, make_org, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.models import StoredFile
from yejibao.wecom import gateway

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-21 10:00")
PDF = b"%PDF-1.7 handbook"


@pytest.fixture
def org(clock: Any, tmp_path: Path, settings: Any) -> Org:
    clock.travel(NOW)
    settings.MEDIA_ROOT = tmp_path
    services.load_folders()
    return make_org()


@pytest.fixture
def keeper(org: Org) -> Staff:
    return holder_of("hq_visual", org)


def folder(key: str = "display") -> DriveFolder:
    return DriveFolder.objects.get(key=key)


def put(client: Client, keeper: Staff, place: DriveFolder, **facts: Any) -> DriveFile:
    sign_in(client, keeper)
    given = {"photo": SimpleUploadedFile("秋季陈列手册.pdf", PDF)} | facts
    answer = client.post(f"/hq/drive/{place.pk}/put/", given)
    assert answer.status_code == 302, answer.content
    return DriveFile.objects.latest("at", "pk")


def test_folders_begin_as_the_file_says_and_stay_as_hq_has_them(org: Org) -> None:
    assert services.load_folders() == 5
    seen = {one.name for one in queries.folders_of(actor(org.guide))}
    assert seen == {"陈列手册", "产品手册", "活动物料", "直播素材"}
    assert {one.name for one in queries.folders_of(actor(org.manager))} == seen | {"制度文件"}
    DriveFolder.objects.filter(key="live").update(is_open=False)
    services.load_folders()
    assert "直播素材" not in {one.name for one in queries.folders_of(actor(org.guide))}


def test_put_open_download_forward_are_counted(client: Client, org: Org, keeper: Staff) -> None:
    file = put(client, keeper, folder())
    assert (file.name, file.kind, file.size) == ("秋季陈列手册.pdf", "pdf", len(PDF))
    sign_in(client, org.guide)
    assert "秋季陈列手册" in client.get(f"/g/drive/{file.folder_id}/").content.decode()
    assert client.get(f"/g/drive/file/{file.pk}/").status_code == 200
    opened = client.get(f"/g/drive/file/{file.pk}/take/")
    assert (opened.content, opened["Content-Type"]) == (PDF, "application/pdf")
    for _ in range(2):
        assert "attachment" in client.get(f"/g/drive/file/{file.pk}/take/?how=download")["Content-Disposition"]
    client.post(f"/g/drive/file/{file.pk}/forwarded/")
    file.refresh_from_db()
    assert (file.opened_count, file.downloaded_count, file.forwarded_count) == (1, 2, 1)
    assert {(use.kind, use.count) for use in queries.users_of(file)} == {
        ("opened", 1),
        ("downloaded", 2),
        ("forwarded", 1),
    }


def test_by_permission_whichever_way_one_comes(client: Client, org: Org, keeper: Staff) -> None:
    file = put(client, keeper, folder("policy"))
    stored = StoredFile.objects.get(owner_id=file.pk)
    ways = [f"/g/drive/{file.folder_id}/", f"/g/drive/file/{file.pk}/", f"/g/drive/file/{file.pk}/take/", stored.url]
    sign_in(client, org.guide)
    assert [client.get(way).status_code for way in ways] == [404] * 4
    assert queries.search("陈列手册", actor(org.guide)) == []
    sign_in(client, org.manager)
    assert [client.get(way).status_code for way in ways] == [200] * 4
    assert client.post(f"/hq/drive/{file.folder_id}/put/", headers={"Accept": "application/json"}).status_code == 403


@pytest.mark.parametrize("typed, count", [("陈列手册", 1), ("秋季", 1), ("clsc", 1), ("羽绒服", 0), ("", 0)])
def test_searching_by_name(client: Client, org: Org, keeper: Staff, typed: str, count: int) -> None:
    put(client, keeper, folder())
    assert len(queries.search(typed, actor(org.guide))) == count


def test_a_new_version_takes_the_place_of_the_old(client: Client, org: Org, keeper: Staff) -> None:
    file = put(client, keeper, folder())
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "navy").save(out, "PNG")
    put(
        client,
        keeper,
        folder(),
        photo=SimpleUploadedFile("x.png", out.getvalue()),
        instead_of=file.pk,
        name="秋季陈列图",
    )
    file.refresh_from_db()
    assert (file.name, file.version, file.kind, DriveFile.objects.count()) == ("秋季陈列图", 2, "jpg", 1)
    assert StoredFile.objects.filter(room="drive").count() == 1
    client.post(f"/hq/drive/file/{file.pk}/remove/")
    assert (
        not DriveFile.objects.visible_to(actor(org.guide)).exists()
        and not StoredFile.objects.filter(room="drive").exists()
    )


def test_links_and_what_is_refused(client: Client, org: Org, keeper: Staff) -> None:
    sign_in(client, keeper)
    place = folder()
    link = "https://drive.weixin.qq.com/s?k=abc"
    client.post(f"/hq/drive/{place.pk}/put/", {"link": link, "name": "直播背景视频"})
    file = DriveFile.objects.get()
    sign_in(client, org.guide)
    assert client.get(f"/g/drive/file/{file.pk}/take/")["Location"] == link
    sign_in(client, keeper)
    for wrong in ({"link": "javascript:alert(1)", "name": "x"}, {}, {"link": "http://a.b/c", "name": "x"},
                  {"photo": SimpleUploadedFile("a.exe", b"MZ1234")}):  # fmt: skip
        assert client.post(f"/hq/drive/{place.pk}/put/", wrong).status_code == 422
    assert DriveFile.objects.count() == 1


def test_a_space_of_the_platform_is_read(client: Client, org: Org, keeper: Staff, sandbox: Any) -> None:
    DriveFolder.objects.filter(key="product").update(space_id="s1")
    for number in range(3):
        sandbox.post(
            "drive/file",
            spaceid="s1",
            fileid=f"f{number}",
            file_name=f"产品手册{number}.pdf",
            file_size=2048,
            mtime=1_790_000_000,
        )
    door = gateway.default()
    assert services.read_spaces(now=NOW, door=door) == {"files": 3}
    assert services.read_spaces(now=NOW, door=door) == {"files": 0}, "twice a day"
    sandbox.post("drive/file", fileid="f2", gone=True)
    place = folder("product")
    services.read_spaces(now=NOW, door=door, only=place)
    page = queries.page_of(place, actor(org.guide))
    assert {file.name for file in page.rows} == {"产品手册0.pdf", "产品手册1.pdf"}
    file = page.rows[0]
    assert services.link_of(file, door=door).startswith("https://drive.weixin.qq.com/")
    sandbox.fault("wedrive/file_list", errcode=640035, times=1)
    services.read_spaces(now=NOW, door=door, only=place)
    assert "640035" in folder("product").read_error


@pytest.mark.parametrize("rows", [1, 6])
def test_lists_need_the_same_statements_for_any_length(
    client: Client, org: Org, keeper: Staff, rows: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(rows):
        services.put_file(folder(), name=f"手册{number}", note="", link="https://a.cn/x", actor=actor(keeper), now=NOW)
    sign_in(client, org.guide)
    for url in ("/g/drive/", f"/g/drive/{folder().pk}/", "/g/drive/?q=手册"):
        client.get(url)
        with django_assert_max_num_queries(6):
            client.get(url)


def test_keeping_folders(client: Client, org: Org, keeper: Staff) -> None:
    sign_in(client, keeper)
    made = client.post(
        "/hq/drive/new/", {"name": "门店海报", "roles": ["store_manager"], "open": "1", "idempotency_key": "k"}
    )
    place = DriveFolder.objects.get(name="门店海报")
    assert (made.status_code, place.roles) == (302, ["store_manager"])
    assert client.post(f"/hq/drive/{place.pk}/edit/", {"name": "", "idempotency_key": "k2"}).status_code == 422
    sign_in(client, org.manager)
    assert client.get("/hq/drive/new/", headers={"Accept": "application/json"}).status_code == 403
