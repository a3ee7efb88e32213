"""The pages of announcements: the composer with its count, the board down to names, the reader's list, and whose they are."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from guides.announcements import services
from guides.announcements.audience import Audience
from guides.announcements.models import Announcement, AnnouncementReceipt
from guides.exports.registry import find
from guides.org.models import Staff
from tests.factories.guides import Org, actor, holder_of, make_staff, sign_in
from yejibao.core import files

from .conftest import BODY, NOW

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def as_(person: Staff) -> Client:
    return sign_in(Client(), person)


def fields(held: Announcement, **more: Any) -> dict[str, Any]:
    """Return what the composer posts."""
    return {"version": held.version, "title": "新标题", "body": BODY, "level": "urgent", "units": held.audience["units"],
            "roles": ["guide"], "needs_confirm": "1", "pinned_days": "3", "deadline_hours": "10", "min_read_seconds": "0"} | more  # fmt: skip


# ---------------------------------------------------------------- writing


def test_a_sample_becomes_a_draft_with_its_live_count(org: Org, publisher: Staff) -> None:
    client = as_(publisher)
    page = client.post("/hq/announcements/new/", {"sample": "ann_safety"}, follow=True)
    held = Announcement.objects.get()
    html = page.content.decode()
    assert "冬季用电与消防自查" in html and "提交审批给 1 人" in html and "要管理层批准" in html
    assert held.audience["roles"] == ["store_manager"]


def test_typing_saves_counts_and_shows(draft: Any, publisher: Staff, org: Org) -> None:
    held, client = draft(), as_(publisher)
    answer = client.post(f"/hq/announcements/{held.pk}/edit/", fields(held), headers=HTMX)
    html = answer.content.decode()
    held.refresh_from_db()
    assert (held.title, held.level, held.version, held.pinned_days, held.deadline_hours) == (
        "新标题",
        "urgent",
        3,
        3,
        10,
    )
    assert (
        f'value="{held.version}"' in html
        and "2 家店 <b>2</b> 人" in html
        and "<ol><li>主橱窗" in html
        and "草稿已存 10:00" in html
    )


def test_the_second_editor_sees_the_newest_and_keeps_what_he_wrote(draft: Any, publisher: Staff, org: Org) -> None:
    held, colleague = draft(), holder_of("hq_retail", org)
    first = as_(publisher).get(f"/hq/announcements/{held.pk}/edit/")
    assert first.status_code == 200
    as_(colleague).post(f"/hq/announcements/{held.pk}/edit/", fields(held, title="同事改的"), headers=HTMX)
    late = as_(publisher).post(
        f"/hq/announcements/{held.pk}/edit/", fields(held, title="我改的", body="我写的正文没有丢", act="save")
    )
    html = late.content.decode()
    assert late.status_code == 412 and "同事改的" in html and "我写的正文没有丢" in html and "刚改过这份草稿" in html
    part = as_(publisher).post(f"/hq/announcements/{held.pk}/edit/", fields(held, title="我改的"), headers=HTMX)
    assert part.status_code == 200 and "刚改过这份草稿" in part.content.decode()
    held.refresh_from_db()
    assert held.title == "同事改的"


def test_publishing_from_the_page_saves_first_and_counts_once(draft: Any, publisher: Staff) -> None:
    held, client = draft(), as_(publisher)
    sent = fields(held, act="publish", idempotency_key="k-1")
    first, again = (client.post(f"/hq/announcements/{held.pk}/edit/", sent) for _ in range(2))
    assert first.status_code == again.status_code == 302 and first["Location"] == f"/hq/announcements/{held.pk}/"
    held.refresh_from_db()
    assert (held.state, held.title) == ("published", "新标题")
    refused = client.post(f"/hq/announcements/{held.pk}/edit/", fields(held, act="publish"))
    assert refused.status_code == 409


def test_what_is_missing_is_said_where_it_is_missing(publisher: Staff, org: Org) -> None:
    client = as_(publisher)
    client.post("/hq/announcements/new/")
    held = Announcement.objects.get()
    answer = client.post(
        f"/hq/announcements/{held.pk}/edit/", {"version": 1, "act": "publish", "title": "", "body": "短"}
    )
    html = answer.content.decode()
    assert answer.status_code == 422 and "写一个标题" in html and "正文还没写" in html and ">短</textarea>" in html
    at = client.post(
        f"/hq/announcements/{held.pk}/edit/", {"version": 1, "act": "schedule", "title": "标题", "body": BODY}
    )
    assert at.status_code == 422 and "选一个定时" in at.content.decode()


def test_scheduling_and_taking_back_by_the_page(draft: Any, publisher: Staff) -> None:
    held, client = draft(), as_(publisher)
    client.post(f"/hq/announcements/{held.pk}/edit/", fields(held, act="schedule", publish_at="2026-11-22T09:45"))
    held.refresh_from_db()
    assert held.state == "scheduled" and held.publish_at and held.publish_at.isoformat() == "2026-11-22T01:45:00+00:00"
    assert (
        "11-22" in client.get("/hq/announcements/").content.decode()
        or "明天" in client.get("/hq/announcements/").content.decode()
    )
    client.post(f"/hq/announcements/{held.pk}/act/", {"act": "unschedule"})
    held.refresh_from_db()
    assert held.state == "draft"
    client.post(f"/hq/announcements/{held.pk}/edit/", {"version": held.version, "act": "drop"})
    assert not Announcement.objects.exists()


def test_to_oneself_first(draft: Any, publisher: Staff) -> None:
    from yejibao.core.models import OutboxMessage

    held = draft()
    as_(publisher).post(f"/hq/announcements/{held.pk}/edit/", fields(held, act="try"))
    assert OutboxMessage.objects.get().recipient == publisher.wecom_user_id
    held.refresh_from_db()
    assert held.state == "draft"
    preview = as_(publisher).get(f"/g/announcements/{held.pk}/")
    assert preview.status_code == 200 and "还没发出去" in preview.content.decode()


def picture() -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "navy").save(out, "JPEG")
    return SimpleUploadedFile("橱窗.jpg", out.getvalue(), "image/jpeg")


def test_files_are_seen_by_whoever_was_told_and_nobody_else(
    draft: Any, publisher: Staff, org: Org, settings: Any, tmp_path: Any
) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    held, client = draft(audience=Audience(units=[org.area.pk])), as_(publisher)
    pdf = SimpleUploadedFile("陈列手册.pdf", b"%PDF-1.7\n%%EOF", "application/pdf")
    answer = client.post(f"/hq/announcements/{held.pk}/files/", {"file": [picture(), pdf]}, headers=HTMX)
    assert "陈列手册.pdf" in answer.content.decode()
    refused = client.post(
        f"/hq/announcements/{held.pk}/files/", {"file": SimpleUploadedFile("x.html", b"<script>")}, headers=HTMX
    )
    assert "只收 PDF" in refused.content.decode()
    photo, document = files.of("announcements", [held.pk])[held.pk]
    assert as_(org.guide).get(photo.url).status_code == 404, "not before it is published"
    services.publish(held, seen=held.version, actor=actor(publisher), now=NOW)
    services.spread(now=NOW, budget=timedelta(seconds=30))
    assert as_(org.guide).get(photo.url).status_code == 200 and as_(org.guide).get(document.url).status_code == 200
    assert as_(org.stranger).get(photo.url).status_code == 404
    page = as_(org.guide).get(f"/g/announcements/{held.pk}/").content.decode()
    assert photo.small_url in page and "陈列手册.pdf" in page
    assert client.post(f"/hq/announcements/{held.pk}/files/{photo.name}/drop/", headers=HTMX).status_code == 409, (
        "it is out"
    )


def test_a_file_of_a_draft_can_be_taken_off(draft: Any, publisher: Staff, settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    held, client = draft(), as_(publisher)
    client.post(f"/hq/announcements/{held.pk}/files/", {"file": picture()})
    (photo,) = files.of("announcements", [held.pk])[held.pk]
    client.post(f"/hq/announcements/{held.pk}/files/{photo.name}/drop/", headers=HTMX)
    assert files.of("announcements", [held.pk]) == {}


def test_units_are_found_within_reach(org: Org, publisher: Staff) -> None:
    assert "南京一区" in as_(publisher).get("/hq/announcements/units/?q=南京").content.decode()
    branch_head = holder_of("branch_manager", org)
    assert "没有叫" in as_(branch_head).get("/hq/announcements/units/?q=总部").content.decode()


# ---------------------------------------------------------------- reading


def test_the_phone_shows_what_waits_and_reading_empties_it(published: Any, org: Org, client: Client) -> None:
    first, second = (
        published(title="普通的一条", needs_confirm=False),
        published(title="置顶的一条", pinned_days=3, level="urgent"),
    )
    guide = as_(org.guide)
    html = guide.get("/g/announcements/").content.decode()
    assert "2 条等你看完" in html and html.index("置顶的一条") < html.index("普通的一条")
    today = guide.get("/g/today/").content.decode()
    assert 'id="announcement-banner"' in today and "置顶的一条" in today and "共 2 条" in today
    assert "我知道了" in guide.get(f"/g/announcements/{second.pk}/").content.decode()
    assert "我知道了" not in guide.get(f"/g/announcements/{first.pk}/").content.decode()
    done = guide.post(f"/g/announcements/{second.pk}/confirm/", follow=True)
    assert "记下了" in done.content.decode() and "等你看完" not in done.content.decode()
    assert 'id="announcement-banner"' not in guide.get("/g/today/").content.decode()


def test_a_withdrawn_one_says_so_to_who_comes_by_the_push(published: Any, org: Org, publisher: Staff) -> None:
    held, guide = published(), as_(org.guide)
    assert guide.get(f"/g/announcements/{held.pk}/").status_code == 200
    services.withdraw(held, actor=actor(publisher), now=NOW, reason="价格写错了")
    page = guide.get(f"/g/announcements/{held.pk}/").content.decode()
    assert "这条公告已经撤回" in page and "主橱窗" not in page
    assert held.title not in guide.get("/g/announcements/").content.decode()
    assert guide.post(f"/g/announcements/{held.pk}/confirm/").status_code == 409, "she was reading it meanwhile"
    board = as_(publisher).get(f"/hq/announcements/{held.pk}/").content.decode()
    assert "价格写错了" in board


def test_out_of_sight_is_404(published: Any, draft: Any, org: Org) -> None:
    held, other = published(audience=Audience(units=[org.area.pk])), draft()
    stranger = as_(org.stranger)
    assert stranger.get(f"/g/announcements/{held.pk}/").status_code == 404
    assert stranger.post(f"/g/announcements/{held.pk}/confirm/").status_code == 404
    assert as_(org.guide).get(f"/g/announcements/{other.pk}/").status_code == 404
    manager_elsewhere = make_staff("store_manager", store=org.other_store)
    assert as_(manager_elsewhere).get(f"/m/announcements/{held.pk}/").status_code == 404
    assert as_(manager_elsewhere).post(f"/m/announcements/{held.pk}/urge/").status_code == 404
    for path in ("", "edit/", "files/"):
        assert as_(org.guide).get(f"/hq/announcements/{held.pk}/{path}").status_code in (403, 405)


@pytest.mark.parametrize("rows", [1, 25])
def test_the_list_needs_the_same_statements_for_any_length(
    published: Any, org: Org, rows: int, django_assert_num_queries: Any
) -> None:
    first = published()
    copies = [
        Announcement(
            **{f.attname: getattr(first, f.attname) for f in Announcement._meta.concrete_fields if f.attname != "id"}
        )
        for _ in range(rows - 1)
    ]
    for number, one in enumerate(copies):
        one.published_at = NOW - timedelta(hours=number)
    Announcement.objects.bulk_create(copies)
    AnnouncementReceipt.objects.bulk_create(
        [AnnouncementReceipt(announcement=one, staff=org.guide, told_at=NOW) for one in copies]
    )
    guide = as_(org.guide)
    guide.get("/g/announcements/")
    with django_assert_num_queries(4):  # who am I; the page; how many wait; the number beside 今日
        page = guide.get("/g/announcements/")
    assert len(page.context["lines"]) == min(rows, 20)
    if rows > 20:
        more = guide.get(f"/g/announcements/?before={page.context['more']}", headers=HTMX)
        assert len(more.context["lines"]) == 5 and not more.context["more"]


def test_empty_lists_have_a_word(org: Org, publisher: Staff) -> None:
    assert "还没有公告" in as_(org.guide).get("/g/announcements/").content.decode()
    assert "还没有公告" in as_(org.manager).get("/m/announcements/").content.decode()
    assert "还没有发过公告" in as_(publisher).get("/hq/announcements/").content.decode()


# ---------------------------------------------------------------- the board


def test_the_board_goes_from_branch_to_names(published: Any, org: Org, publisher: Staff) -> None:
    held, boss = published(), as_(publisher)
    services.confirm(held, actor=actor(org.stranger), now=NOW)
    top = boss.get(f"/hq/announcements/{held.pk}/")
    assert [(line.name, line.total, line.done) for line in top.context["lines"]] == [("江苏分公司", 3, 1)]
    region = boss.get(f"/hq/announcements/{held.pk}/?unit={org.region.pk}")
    assert [(line.name, line.left) for line in region.context["lines"]] == [("南京一区", 2), ("南京二区", 0)]
    store = boss.get(f"/hq/announcements/{held.pk}/?unit={org.store.unit_id}")
    assert [one.staff_id for one in store.context["names"]] == [org.guide.pk, org.manager.pk] and store.context[
        "lines"
    ] == []
    done = boss.get(f"/hq/announcements/{held.pk}/?unit={org.branch.pk}&names=1&state=done")
    assert [one.staff_id for one in done.context["names"]] == [org.stranger.pk]
    assert boss.get(f"/hq/announcements/{held.pk}/?unit=99999").status_code == 404


def test_who_left_is_not_counted_and_who_moved_counts_where_he_is(published: Any, org: Org, publisher: Staff) -> None:
    held, boss = published(), as_(publisher)
    Staff.objects.filter(pk=org.guide.pk).update(state="resigned")
    Staff.objects.filter(pk=org.manager.pk).update(store=org.other_store, unit=org.other_store.unit)
    page = boss.get(f"/hq/announcements/{held.pk}/?unit={org.region.pk}")
    assert [(line.name, line.total) for line in page.context["lines"]] == [("南京二区", 2)]


@pytest.mark.parametrize("people", [0, 120])
def test_the_board_needs_the_same_statements_for_any_number(
    published: Any, org: Org, publisher: Staff, people: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(people):
        make_staff(store=org.store)
    held, boss = published(), as_(publisher)
    boss.get(f"/hq/announcements/{held.pk}/?unit={org.store.unit_id}")
    with django_assert_max_num_queries(22):  # most of them the numbers in HQ's menu
        page = boss.get(f"/hq/announcements/{held.pk}/?unit={org.store.unit_id}")
    assert page.context["tally"].total == 2 + people and len(page.context["names"]) == min(50, 2 + people)
    if people:
        second = boss.get(
            f"/hq/announcements/{held.pk}/?unit={org.store.unit_id}&names=1&after={page.context['after']}"
        )
        assert len(second.context["names"]) == 50


def test_a_manager_sees_and_urges_her_store(published: Any, org: Org) -> None:
    held, manager = published(), as_(org.manager)
    assert "2 人没看完" in manager.get("/m/announcements/").content.decode()
    page = manager.get(f"/m/announcements/{held.pk}/")
    assert [one.staff_id for one in page.context["names"]] == [org.guide.pk, org.manager.pk]
    said = manager.post(f"/m/announcements/{held.pk}/urge/", {"unit": org.store.unit_id}, follow=True).content.decode()
    assert "催了 2 人" in said
    said = manager.post(f"/m/announcements/{held.pk}/urge/", {"staff": org.guide.pk}, follow=True).content.decode()
    assert "两小时内催过" in said
    assert as_(org.guide).post(f"/m/announcements/{held.pk}/urge/").status_code == 403


def test_progress_is_told_while_it_spreads(draft: Any, publisher: Staff, org: Org) -> None:
    from guides.announcements.queries import spreading

    held = draft()
    services.publish(held, seen=held.version, actor=actor(publisher), now=NOW)
    board = f"/hq/announcements/{held.pk}/"
    assert "正在送到每个人：0 / 3" in as_(publisher).get(f"{board}?part=progress", headers=HTMX).content.decode()
    assert [(one.name, one.done, one.total) for one in spreading(NOW)] == [("公告：小雪换季陈列调整", 0, 3)]
    services.spread(now=NOW, budget=timedelta(seconds=30))
    assert "还在发 3 条" in as_(publisher).get(f"{board}?part=progress", headers=HTMX).content.decode()
    assert list(spreading(NOW)) == []


def test_the_publishers_list_says_where_the_unread_are(published: Any, org: Org, publisher: Staff) -> None:
    held = published()
    services.confirm(held, actor=actor(org.guide), now=NOW)
    html = as_(publisher).get("/hq/announcements/").content.decode()
    assert "江苏分公司 2" in html and "提醒 2 人" in html and "33%" in html and "江苏分公司 · 导购、店长" in html


def test_what_is_out_can_be_pinned_and_taken_down(published: Any, org: Org, publisher: Staff) -> None:
    held, boss = published(), as_(publisher)
    for days, until in (("3", NOW + timedelta(days=3)), ("0", None)):
        boss.post(f"/hq/announcements/{held.pk}/act/", {"act": "pin", "days": days})
        held.refresh_from_db()
        assert held.pinned_until == until and held.in_force_until == max(until or NOW, held.deadline_at)
    assert as_(org.guide).post(f"/hq/announcements/{held.pk}/act/", {"act": "pin"}).status_code == 403


def test_the_readers_can_be_exported(published: Any, org: Org, publisher: Staff) -> None:
    held = published()
    services.confirm(held, actor=actor(org.guide), now=NOW)
    one = find("announcement")
    assert one is not None
    who = actor(publisher)
    params = one.clean(who, {"announcement": str(held.pk), "unit": str(org.branch.pk), "state": ""})
    rows = list(one.rows(who, params))
    table = [[column.of(row) for column in one.columns(who, params)] for row in rows]
    assert [line[1] for line in table] == ["林晓雯", "陈国栋", "黄婷"] and table[0][4] == NOW and table[2][3] is None
    asked = as_(publisher).post(
        "/me/exports/ask/announcement/", {"announcement": held.pk, "unit": org.hq.pk, "state": "left"}
    )
    assert asked.status_code == 302
