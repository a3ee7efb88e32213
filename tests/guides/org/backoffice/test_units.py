"""组织架构: who may look, what each act does, and that two editors do not overwrite each other."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from guides.org.models import Dealer, OrgUnit, OrgUnitMove, RoleAssignment, Staff, Store, StoreChange
from tests.factories.guides import Org, make_dealer, make_staff, make_store, make_unit
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry

from .conftest import browser_of, field, text_of

TREE = "/hq/org/"


def page_of(unit: OrgUnit) -> str:
    return f"/hq/org/units/{unit.pk}/"


def test_the_tree_opens_a_level_at_a_time(org: Org, admin: Client) -> None:
    page = text_of(admin.get(TREE))
    assert "江苏分公司 分公司" in page and "南京大区" not in page
    below = text_of(admin.get(f"{page_of(org.branch)}children/?depth=0"))
    assert "南京大区" in below and "南京一区" not in below
    assert "2 家店在营业，" in page


@pytest.mark.parametrize("asked", ["新街口", "NJXJKD", "njxj", "S0"])
def test_found_by_name_letters_or_code(org: Org, admin: Client, asked: str) -> None:
    org.store.unit.name, org.store.unit.code = "南京新街口店", "S0001"
    org.store.unit.save()
    found = text_of(admin.get(TREE, {"q": asked}, headers={"HX-Request": "true"}))
    assert "南京新街口店" in found and "观前" not in found
    assert "没有找到" in text_of(admin.get(TREE, {"q": "没有这家"}))


@pytest.mark.parametrize("role", ["guide", "store_manager", "dealer", "executive", "finance"])
def test_others_do_not_see_it(org: Org, role: str) -> None:
    browser = browser_of(role, org)
    assert browser.get(TREE).status_code == browser.get(page_of(org.store.unit)).status_code == 403


def test_who_may_look_may_not_change(org: Org) -> None:
    browser = browser_of("hq_retail", org)
    page = browser.get(page_of(org.area))
    assert page.status_code == 200 and "换上级" not in text_of(page)
    assert browser.post(f"{page_of(org.area)}rename/", {"name": "新", "was": org.area.name}).status_code == 403


def test_who_did_what_to_a_unit_is_for_those_who_read_the_trail(org: Org, admin: Client) -> None:
    admin.post(f"{page_of(org.area)}rename/", {"name": "南京新区", "was": org.area.name})
    assert "最近的改动" in text_of(admin.get(page_of(org.area)))
    assert "最近的改动" not in text_of(browser_of("hq_retail", org).get(page_of(org.area)))


@pytest.mark.parametrize("path", [TREE, "unit", "store"])
def test_pages_need_the_same_queries_for_any_length(org: Org, admin: Client, path: str) -> None:
    url = {"unit": page_of(org.area), "store": page_of(org.store.unit)}.get(path, path)
    counted = []
    for many in (1, 4):
        for _ in range(many):
            make_unit("branch", parent=org.hq)
            make_staff(store=make_store(area=org.area))
            make_staff(store=org.store)
        admin.get(url)
        with CaptureQueriesContext(connection) as asked:
            admin.get(url)
        counted.append(len(asked))
    assert counted[0] == counted[1] < 25, counted


def test_rename_and_the_second_editor(org: Org, admin: Client) -> None:
    url = f"{page_of(org.area)}rename/"
    assert admin.post(url, {"name": "南京北区", "was": "南京一区"}).status_code == 302
    assert OrgUnit.objects.get(pk=org.area.pk).name == "南京北区"
    late = admin.post(url, {"name": "南京东区", "was": "南京一区"})
    assert late.status_code == 412 and "刚刚有人改过这个名称" in text_of(late)
    assert OrgUnit.objects.get(pk=org.area.pk).name == "南京北区"
    assert list(AuditEntry.objects.filter(action="org.unit_renamed").values_list("before", "after")) == [
        ({"name": "南京一区"}, {"name": "南京北区"})
    ]


def test_move_takes_everything_below_along(org: Org, admin: Client) -> None:
    region = make_unit("region", parent=org.branch, name="苏南大区")
    facts = {"unit": region.pk, "was": org.region.pk, "reason": "年度调整"}
    assert admin.post(f"{page_of(org.area)}move/", facts).status_code == 302
    assert OrgUnit.objects.get(pk=org.store.unit_id).path.startswith(region.path)  # type: ignore[union-attr]
    assert OrgUnitMove.objects.get().reason == "年度调整"
    assert "年度调整" in text_of(admin.get(page_of(org.area)))
    late = admin.post(f"{page_of(org.area)}move/", facts | {"unit": make_unit("region", parent=org.branch).pk})
    assert late.status_code == 412 and "刚刚有人给它换了上级" in text_of(late)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"reason": "x"}, "选一个新的上级"),
        ({"reason": " "}, "写一句为什么"),
        ({"unit": "hq", "reason": "x"}, "上级应该是"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused(org: Org, admin: Client, facts: dict[str, Any], said: str) -> None:
    facts = facts | ({"unit": org.hq.pk} if facts.get("unit") else {})
    answer = admin.post(f"{page_of(org.area)}move/", facts)
    assert answer.status_code == 422 and said in text_of(answer)


def test_units_and_stores_are_added_and_ended(org: Org, admin: Client) -> None:
    assert admin.post(f"{page_of(org.region)}add/", {"code": "a9", "name": "南京三区"}).status_code == 302
    area = OrgUnit.objects.get(code="a9")
    store = {"code": "S900", "name": "南京夫子庙店", "kind": "self_operated", "opens_at": "10:00", "closes_at": "21:30"}
    assert admin.post(f"{page_of(area)}add/", store).status_code == 302
    assert Store.objects.get(code="S900").unit.parent == area
    again = admin.post(f"{page_of(area)}add/", store)
    assert again.status_code == 409 and "S900" in text_of(again)
    early = admin.post(f"{page_of(area)}add/", store | {"code": "S901", "opens_at": "08:00"})
    assert early.status_code == 422 and "9:30 到 22:00" in text_of(early)
    kept = admin.post(f"{page_of(area)}end/", {"reason": "合并"})
    assert kept.status_code == 409 and "先调走再撤销" in text_of(kept)
    empty = make_unit("area", parent=org.region)
    assert admin.post(f"{page_of(empty)}end/", {"reason": "合并"}).status_code == 302
    assert OrgUnit.objects.get(pk=empty.pk).valid_to == product_clock.today()


def store_form(page: Any, store: Store, **changes: Any) -> dict[str, Any]:
    facts = {
        "seen": field(page, "seen"), "name": store.name, "short_name": store.short_name, "kind": store.kind,
        "grade": store.grade, "opens_at": "09:30", "closes_at": "22:00",
    }  # fmt: skip
    return facts | changes


def test_facts_of_a_store_and_the_second_editor(org: Org, admin: Client) -> None:
    url, page = page_of(org.store.unit), admin.get(page_of(org.store.unit))
    form = store_form(page, org.store, grade="A", closes_at="21:00", duty_guide=org.guide.pk, name="南京新街口旗舰店")
    assert admin.post(f"{url}store/", form).status_code == 302
    store = Store.objects.select_related("unit").get(pk=org.store.pk)
    assert (store.grade, str(store.closes_at), store.duty_guide_id) == ("A", "21:00:00", org.guide.pk)
    assert store.unit.name == "南京新街口旗舰店"
    assert set(AuditEntry.objects.get(action="org.store_changed").after) >= {"grade", "closes_at", "duty_guide_id"}
    late = admin.post(f"{url}store/", store_form(page, org.store, grade="B"))
    assert late.status_code == 412 and "刚刚有人改过这里" in text_of(late)
    fresh = admin.get(url)
    for wrong, said in (
        ({"closes_at": "23:00"}, "9:30 到 22:00"), ({"kind": "dealer"}, "要写明经销商"),
        ({"duty_guide": org.stranger.pk}, "值班导购要是这家店"),
    ):  # fmt: skip
        answer = admin.post(f"{url}store/", store_form(fresh, store, **wrong))
        assert answer.status_code == 422 and said in text_of(answer)


def test_a_store_closes_when_everybody_has_a_place(org: Org, admin: Client) -> None:
    url, day = f"{page_of(org.store.unit)}close/", product_clock.today() + timedelta(days=7)
    facts = {"on": day.isoformat(), "store": org.other_store.pk, "reason": "租约到期"}
    kept = admin.post(url, facts)
    assert kept.status_code == 409 and "陈国栋还在这家店" in text_of(kept)
    Staff.objects.filter(pk=org.manager.pk).update(state="resigned")
    nowhere = admin.post(url, facts | {"store": ""})
    assert nowhere.status_code == 422 and "选一家承接门店" in text_of(nowhere)
    assert not StoreChange.objects.exists() and Store.objects.get(pk=org.store.pk).closed_on is None
    assert admin.post(url, facts).status_code == 302
    assert Store.objects.get(pk=org.store.pk).closed_on == day
    assert list(StoreChange.objects.values_list("staff", "to_store", "starts_on")) == [
        (org.guide.pk, org.other_store.pk, day)
    ]
    assert "起关店" in text_of(admin.get(page_of(org.store.unit)))
    assert admin.post(url, facts).status_code == 409
    back = admin.post(f"{page_of(org.store.unit)}reopen/", {"reason": "续租了"})
    assert back.status_code == 302 and Store.objects.get(pk=org.store.pk).closed_on is None


def test_stores_to_move_to_are_found_as_one_types(org: Org, admin: Client) -> None:
    make_store(area=org.area, short_name="夫子庙店", code="X7", city="南京")
    found = {
        asked: text_of(admin.get("/hq/org/find/stores/", {"store_q": asked})) for asked in ("夫子", "fzm", "x7", "zz")
    }
    assert all("夫子庙店" in found[asked] and "观前店" not in found[asked] for asked in ("夫子", "fzm", "x7"))
    assert "没有找到「zz」" in found["zz"]
    twice = admin.get("/hq/org/find/stores/", {"store_q": "fzm", "key": "lend"}).content.decode()
    assert 'id="store-lend' in twice and 'for="store-lend' in twice
    supervisor = text_of(browser_of("area_supervisor", org).get("/hq/org/find/stores/"))
    assert "新街口店" in supervisor and "观前店" not in supervisor


def test_dealers_and_the_end_of_their_contracts(org: Org, admin: Client) -> None:
    make_dealer(contract_until=date(2026, 1, 1))
    assert "已到期" in text_of(admin.get("/hq/org/dealers/"))
    add = {"code": "D77", "name": "苏州恒达", "contract_until": "2027-01-31"}
    assert admin.post("/hq/org/dealers/add/", add).status_code == 302
    assert admin.post("/hq/org/dealers/add/", add).status_code == 409
    dealer = Dealer.objects.get(code="D77")
    edit, seen = f"/hq/org/dealers/{dealer.pk}/edit/", field(admin.get("/hq/org/dealers/"), "seen")
    assert admin.post(edit, {"name": "苏州恒达服饰", "contract_until": "2028-01-31", "seen": seen}).status_code == 302
    late = admin.post(edit, {"name": "别的", "seen": seen})
    assert late.status_code == 412 and "刚刚有人改过这里" in text_of(late)
    dealer.refresh_from_db()
    assert (dealer.name, dealer.contract_until) == ("苏州恒达服饰", date(2028, 1, 31))
    assert RoleAssignment.objects.filter(dealer=dealer).count() == 0
