"""The pages: who sees what, what they cost, and the calls of the phone."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client

from guides.attendance.clockin import nonces
from guides.org.models import Staff
from guides.patrol.models import PatrolPhoto, PlannedVisit, Visit
from guides.patrol.queries import coverage
from guides.patrol.services import ROOM, PlanRefused, plan_visits
from tests.factories.guides import Org, actor, holder_of, make_store, sign_in
from tests.factories.patrol import SPOT, begin, fill, make_visit, picture, said, upload, value
from tests.guides.patrol.conftest import NOW
from yejibao.core import files

JSON = {"Accept": "application/json"}
TODAY = date(2026, 11, 21)


def page(person: Staff) -> Client:
    return sign_in(Client(headers={"Accept": "text/html"}), person)


def post(client: Client, url: str, body: dict[str, Any]) -> Any:
    return client.post(url, json.dumps(body), content_type="application/json", headers=JSON)


def place(client: Client) -> dict[str, Any]:
    nonce = client.get("/m/patrol/nonce/", headers=JSON).json()["nonce"]
    fix = {"latitude": SPOT.latitude, "longitude": SPOT.longitude, "accuracy": 12, "age": 1, "datum": "gcj02"}
    return {"fix": fix, "nonce": nonce}


# ---------------------------------------------------------------- from the first page to the last


def test_the_whole_way_over_http(org: Org, supervisor: Staff, clock: Any) -> None:
    client = page(supervisor)
    assert "开始巡店" in client.get("/m/patrol/").content.decode()
    assert "新街口店" in client.get("/m/patrol/stores/?q=新街口").content.decode()
    store = client.get(f"/m/patrol/stores/{org.store.pk}/").content.decode()
    assert "上次巡店" in store and "还没有人巡过" in store
    begun = post(client, f"/m/patrol/stores/{org.store.pk}/start/", {"kind": "supervisor"} | place(client))
    url = begun.json()["url"]
    form = client.get(url).content.decode()
    assert all(words in form for words in ("data-offline-copy", "色彩搭配", "红线", "必拍", "跳色"))
    visit = Visit.objects.get()
    answer = post(client, f"{url}sync/", said(display_color=value(4))).json()
    assert (answer["rev"], answer["items"]["display_color"]["value"]["score"], answer["taken"][0][1]) == (
        1,
        4,
        "display_color",
    )
    clock.travel(NOW + timedelta(minutes=40))
    refused = post(client, f"{url}submit/", {"rev": 1} | place(client))
    assert (refused.status_code, refused.json()["code"], len(refused.json()["errors"])) == (
        422,
        "patrol.not_complete",
        48,
    )
    fill(visit)
    visit.refresh_from_db()
    stale = post(client, f"{url}submit/", {"rev": 1} | place(client))
    assert (stale.status_code, stale.json()["code"]) == (412, "edit.stale")
    done = post(client, f"{url}submit/", {"rev": visit.rev, "summary": "整体不错"} | place(client))
    assert done.json() == {"url": url, "score": "5.0", "grade": "A"}
    read = client.get(url).content.decode()
    assert (
        all(words in read for words in ("整体不错", "5.0", "第 1 次", "0.7 小时")) and "data-offline-copy" not in read
    )
    late = post(client, f"{url}sync/", said(display_color=(2, value(1))))
    assert (late.status_code, late.json()["code"]) == (409, "patrol.closed")
    assert "5.0" in client.get("/m/patrol/").content.decode()


def test_a_place_counts_once_and_only_with_its_number(org: Org, supervisor: Staff) -> None:
    client, url = page(supervisor), f"/m/patrol/stores/{org.store.pk}/start/"
    told = place(client)
    assert post(client, url, {"kind": "supervisor"} | told | {"nonce": ""}).json()["code"] == nonces.NonceSpent.code
    first = post(client, url, {"kind": "supervisor"} | told)
    assert first.json()["is_new"] and post(client, url, {"kind": "supervisor"} | told).json() == first.json()
    assert post(client, url, {"kind": "supervisor", "full": True} | told).status_code == 422, (
        "another act under the same number"
    )
    far = place(client)
    far["fix"]["latitude"] += 0.02
    answer = post(page(org.manager), url, {"kind": "self"} | far | {"nonce": place(page(org.manager))["nonce"]})
    assert answer.status_code in (409, 422)


def test_nobody_fills_somebody_elses_visit(org: Org, supervisor: Staff) -> None:
    visit = begin(supervisor, org.store)
    url = f"/m/patrol/visits/{visit.public_id}/"
    for person in (org.manager, org.guide, holder_of("area_supervisor", org), holder_of("hq_visual", org)):
        assert page(person).get(url).status_code == 404, "a draft is its writer's alone"
        assert post(page(person), f"{url}sync/", said(display_color=value(1))).status_code in (403, 404)
        assert post(page(person), f"{url}submit/", {"rev": 0}).status_code in (403, 404)


@pytest.mark.parametrize(
    ("role", "sees"),
    [("store_manager", True), ("area_supervisor", True), ("region_manager", True), ("branch_member_manager", True), ("guide", False),
     ("hq_retail", True), ("hq_engineering", True), ("hq_franchise", False)],
)  # fmt: skip
def test_a_visit_is_read_by_its_store_its_line_and_departments(
    org: Org, supervisor: Staff, role: str, sees: bool
) -> None:
    visit = make_visit(supervisor, org.store, {"display_color": 3})
    answer = page(holder_of(role, org)).get(f"/m/patrol/visits/{visit.public_id}/")
    assert answer.status_code == (200 if sees else 404)
    if role == "hq_engineering":
        text = answer.content.decode()
        assert "灯光亮度" in text and "色彩搭配" not in text, "a department reads its own items"


def test_a_photo_is_seen_by_who_sees_its_item(org: Org, supervisor: Staff) -> None:
    visit = make_visit(supervisor, org.store)
    photo = PatrolPhoto.objects.filter(visit=visit, item__key="display_color").get()
    files.keep(picture(), room=ROOM, by_id=supervisor.pk, now=NOW, name=photo.client_id)
    files.attach([photo.client_id], room=ROOM, owner_id=photo.pk, by_id=supervisor.pk)
    seen = {role: page(holder_of(role, org)).get(photo.url).status_code for role in ("store_manager", "hq_visual", "hq_engineering", "guide")}  # fmt: skip
    assert seen == {"store_manager": 200, "hq_visual": 200, "hq_engineering": 404, "guide": 404}


def test_the_data_before_going_in_is_the_departments(org: Org) -> None:
    crm = page(holder_of("hq_crm", org)).get(f"/m/patrol/stores/{org.store.pk}/").content.decode()
    assert all(name in crm for name in ("会员结构", "营销活动", "导购任务", "上次巡店")) and "商品销存结构" not in crm
    visual = page(holder_of("hq_visual", org)).get(f"/m/patrol/stores/{org.store.pk}/").content.decode()
    assert "上次巡店" in visual and "会员结构" not in visual
    assert page(org.guide).get(f"/m/patrol/stores/{org.other_store.pk}/").status_code == 404


# ---------------------------------------------------------------- what pages cost


@pytest.mark.parametrize("visits", [1, 4])
def test_the_first_page_costs_the_same_for_any_number(
    org: Org, supervisor: Staff, visits: int, django_assert_max_num_queries: Any
) -> None:
    people = [supervisor, *(holder_of("area_supervisor", org) for _ in range(visits - 1))]
    for person in people:
        make_visit(person, org.store, score=5)
    client = page(supervisor)
    client.get("/m/patrol/")
    with django_assert_max_num_queries(16):
        assert client.get("/m/patrol/").content.decode().count("今年第") == visits


@pytest.mark.parametrize("filled", [False, True])
def test_the_form_costs_the_same_empty_and_filled(
    org: Org, supervisor: Staff, filled: bool, django_assert_max_num_queries: Any
) -> None:
    visit = begin(supervisor, org.store)
    if filled:
        fill(visit)
    client = page(supervisor)
    with django_assert_max_num_queries(9):
        client.get(f"/m/patrol/visits/{visit.public_id}/")


@pytest.mark.parametrize("stores", [1, 6])
def test_coverage_costs_the_same_for_any_number(
    org: Org, supervisor: Staff, stores: int, django_assert_num_queries: Any
) -> None:
    rows = [org.store, *(make_store(area=org.area) for _ in range(stores - 1))]
    who = actor(supervisor)
    with django_assert_num_queries(3):
        assert len(coverage(rows, first=TODAY.replace(day=1), actor=who, today=TODAY)) == stores


# ---------------------------------------------------------------- plan


def test_a_plan_and_what_is_still_uncovered(org: Org, supervisor: Staff) -> None:
    colleague = holder_of("hq_visual", org)
    second = make_store(area=org.area, short_name="河西店", grade="A")
    make_visit(supervisor, org.store)
    client = page(supervisor)
    client.post("/m/patrol/plan/add/", {"day": "2026-11-25", "store": [second.pk]})
    plan_visits([second.pk], day=date(2026, 11, 25), is_full=False, note="", actor=actor(colleague), now=NOW)
    text = client.get("/m/patrol/plan/").content.decode()
    assert "河西店" in text and "陈列部）同一天也去" in text
    board = page(holder_of("region_manager", org)).get("/hq/patrol/plan/").content.decode()
    assert all(words in board for words in ("巡过了", "排了", "没人巡过", "河西店"))
    row = PlannedVisit.objects.get(patroller=supervisor)
    assert page(colleague).post(f"/m/patrol/plan/{row.pk}/drop/").status_code == 403
    client.post(f"/m/patrol/plan/{row.pk}/drop/")
    assert PlannedVisit.objects.filter(dropped_at=None).count() == 1


def test_a_route_has_four_stores_a_day(org: Org, supervisor: Staff) -> None:
    stores = [org.store, *(make_store(area=org.area) for _ in range(4))]
    who = actor(supervisor)
    plan_visits([store.pk for store in stores[:3]], day=TODAY, is_full=False, note="", actor=who, now=NOW)
    assert plan_visits([stores[0].pk], day=TODAY, is_full=False, note="", actor=who, now=NOW) == [], "planned already"
    with pytest.raises(PlanRefused, match="最多 4 家"):
        plan_visits([stores[3].pk, stores[4].pk], day=TODAY, is_full=False, note="", actor=who, now=NOW)
    for pk, day in ((org.other_store.pk, TODAY), (org.store.pk, TODAY - timedelta(days=1))):
        with pytest.raises(PlanRefused):
            plan_visits([pk], day=day, is_full=False, note="", actor=who, now=NOW)


def test_a_planned_visit_is_done_by_going(org: Org, supervisor: Staff) -> None:
    plan_visits([org.store.pk], day=TODAY, is_full=False, note="", actor=actor(supervisor), now=NOW)
    visit = make_visit(supervisor, org.store)
    assert visit.planned == PlannedVisit.objects.get()
    assert "巡了" in page(supervisor).get("/m/patrol/plan/").content.decode()


def test_upload_names_are_their_uploaders(org: Org, supervisor: Staff) -> None:
    name = upload(supervisor)
    assert page(org.manager).get(f"/files/{name}/").status_code == 404
    assert page(supervisor).get(f"/files/{name}/").status_code == 200
