"""The pages of 呼叫总部 on both sides."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from guides.helpdesk import services
from guides.helpdesk.models import HelpCategory, HqCall, HqCallMessage, KnowledgeDraft
from guides.org.models import Staff
from tests.factories.guides import actor, holder_of, sign_in
from yejibao.core.models import StoredFile

from .conftest import NOW, Desk

pytestmark = pytest.mark.django_db


def photo() -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "navy").save(out, "JPEG")
    return SimpleUploadedFile("a.jpg", out.getvalue())


def as_(client: Client, person: Staff) -> Client:
    return sign_in(client, person)


def test_from_question_to_rating(client: Client, desk: Desk) -> None:
    as_(client, desk.org.guide)
    page = client.get("/g/help/").content.decode()
    assert "库存与调货" in page and "还没问过" in page
    given = {
        "text": "射灯坏了五盏，空调也不制冷",
        "category": "engineering",
        "photo": photo(),
        "idempotency_key": "k1",
    }
    sent = client.post("/g/help/", given)
    call = HqCall.objects.get()
    assert (sent.status_code, sent["Location"]) == (302, f"/g/help/{call.pk}/")
    client.post("/g/help/", given | {"photo": photo()})
    assert HqCall.objects.count() == 1, "one key, one question"
    file = StoredFile.objects.get(owner_id__isnull=False)
    assert (file.room, file.owner_id) == ("helpdesk", HqCallMessage.objects.get().pk)
    engineer = holder_of("hq_engineering", desk.org)
    as_(client, engineer)
    assert "射灯坏了五盏" in client.get("/hq/helpdesk/").content.decode()
    thread = client.get(f"/hq/helpdesk/{call.pk}/")
    assert file.small_url in thread.content.decode()
    assert client.get(file.url).status_code == 200
    client.post(f"/hq/helpdesk/{call.pk}/take/")
    answer = {
        "text": "明天上午到店修",
        "seen": thread.context["last"],
        "keep": "1",
        "kept_question": "射灯坏了找谁修",
        "idempotency_key": "k2",
    }
    assert client.post(f"/hq/helpdesk/{call.pk}/answer/", answer).status_code in (302, 412)
    last = HqCallMessage.objects.latest("pk").pk
    if HqCall.objects.get().state != "answered":
        client.post(f"/hq/helpdesk/{call.pk}/answer/", answer | {"seen": last, "idempotency_key": "k3"})
    assert KnowledgeDraft.objects.get().answer == "明天上午到店修"
    as_(client, desk.org.guide)
    assert "明天上午到店修" in client.get(f"/g/help/{call.pk}/").content.decode()
    assert client.post(f"/g/help/{call.pk}/rate/", {"stars": "5"}).status_code == 302
    assert HqCall.objects.get().state == "closed"
    as_(client, desk.org.stranger)
    assert client.get(file.url).status_code == 404
    found = client.get("/g/help/found/", {"text": "店里射灯坏了"}).content.decode()
    assert "明天上午到店修" in found and "五盏" not in found
    assert client.post(f"/g/help/helped/{KnowledgeDraft.objects.get().pk}/").status_code == 302
    assert KnowledgeDraft.objects.get().helped_count == 1


def test_rows_out_of_sight_are_not_there(client: Client, desk: Desk) -> None:
    call = desk.ask()
    as_(client, desk.org.stranger)
    assert client.get(f"/g/help/{call.pk}/").status_code == 404
    assert client.post(f"/g/help/{call.pk}/rate/", {"stars": "5"}).status_code == 404
    as_(client, holder_of("hq_visual", desk.org))
    assert client.get(f"/hq/helpdesk/{call.pk}/").status_code == 404
    assert client.get("/g/help/", headers={"Accept": "application/json"}).status_code == 403


def test_mistakes_are_said_to_a_script(client: Client, desk: Desk) -> None:
    as_(client, desk.org.guide)
    answer = client.post("/g/help/", {"text": "喂"}, headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "text")
    assert client.post("/g/help/", {"text": "试衣间门锁坏了", "category": "nonsense"}).status_code == 422


@pytest.mark.parametrize("rows", [1, 5])
def test_lists_need_the_same_statements_for_any_length(
    client: Client, desk: Desk, rows: int, django_assert_max_num_queries: Any
) -> None:
    for number in range(rows):
        desk.ask(f"第 {number} 个问题，附近哪家店有货", now=NOW + timedelta(minutes=number))
    for person, url, most in (
        (desk.org.guide, "/g/help/", 8),
        (desk.org.manager, "/g/help/?of=store", 8),
        (desk.first, "/hq/helpdesk/", 7),
    ):
        as_(client, person)
        client.get(url)
        with django_assert_max_num_queries(most):
            assert len(client.get(url).context["page"].rows) == rows


def test_pages_follow_each_other(client: Client, desk: Desk) -> None:
    for number in range(23):
        desk.ask(f"第 {number} 个问题，附近哪家店有货", now=NOW + timedelta(minutes=number))
    as_(client, desk.first)
    for url in ("/hq/helpdesk/", "/hq/helpdesk/?tab=all"):
        first = client.get(url).context["page"]
        rest = client.get(
            url, {"before": first.before, "tab": "all" if "all" in url else ""}, headers={"HX-Request": "true"}
        ).context["page"]
        assert {row.pk for row in first.rows} | {row.pk for row in rest.rows} == set(
            HqCall.objects.values_list("pk", flat=True)
        )


def test_hq_changes_how_fast_a_category_is_answered(client: Client, desk: Desk) -> None:
    admin = holder_of("sys_admin", desk.org)
    as_(client, admin)
    page = client.get(f"/hq/helpdesk/categories/{desk.goods.pk}/")
    given = {
        "minutes": "20",
        "hours": "12",
        "duty": desk.second.pk,
        "head": desk.head.pk,
        "seen": page.context["seen"],
        "dealers": "1",
        "open": "1",
    }
    assert (
        client.post(f"/hq/helpdesk/categories/{desk.goods.pk}/", given | {"duty": desk.org.guide.pk}).status_code == 422
    )
    assert client.post(f"/hq/helpdesk/categories/{desk.goods.pk}/", given).status_code == 302
    desk.goods.refresh_from_db()
    assert (desk.goods.first_response_minutes, desk.goods.duty_id) == (20, desk.second.pk)
    assert client.post(f"/hq/helpdesk/categories/{desk.goods.pk}/", given).status_code == 412, (
        "somebody else was quicker"
    )
    as_(client, desk.first)
    assert client.post(f"/hq/helpdesk/categories/{desk.goods.pk}/", given).status_code == 403


def test_what_comes_while_one_writes_counts_as_seen_once_it_shows(client: Client, desk: Desk) -> None:
    call = desk.ask()
    as_(client, desk.first)
    before = client.get(f"/hq/helpdesk/{call.pk}/").context["last"]
    services.follow_up(call, "要 180 的", actor=actor(desk.org.guide), now=NOW)
    answer = {"text": "观前店有", "idempotency_key": "k1", "seen": before}
    assert client.post(f"/hq/helpdesk/{call.pk}/answer/", answer).status_code == 412
    part = client.get(f"/hq/helpdesk/{call.pk}/", headers={"HX-Request": "true"})
    assert 'hx-swap-oob="true"' in part.content.decode()
    answer |= {"seen": part.context["last"], "idempotency_key": "k2"}
    assert client.post(f"/hq/helpdesk/{call.pk}/answer/", answer).status_code == 302


def test_giving_on_and_taking_away_what_was_kept(client: Client, desk: Desk) -> None:
    call = desk.ask()
    as_(client, desk.first)
    assert client.post(f"/hq/helpdesk/{call.pk}/pass/", {"to": "x:1", "reason": "不是我的"}).status_code == 422
    to = HelpCategory.objects.get(key="display")
    assert (
        client.post(f"/hq/helpdesk/{call.pk}/pass/", {"to": f"category:{to.pk}", "reason": "是陈列的事"}).status_code
        == 302
    )
    assert HqCall.objects.get().category == to
    other = desk.ask()
    services.answer(other, "有的", actor=actor(desk.first), now=NOW, seen=10**9)
    client.post(f"/hq/helpdesk/{other.pk}/keep/", {"kept_question": "调货找谁", "kept_answer": "找商品部"})
    assert "找商品部" in client.get("/hq/helpdesk/kept/").content.decode()
    client.post("/hq/helpdesk/kept/", {"draft": KnowledgeDraft.objects.get().pk})
    assert KnowledgeDraft.objects.get().state == "refused"
