"""人员 and 角色: found as one types, each act with its reason, nobody changes his own, two editors at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from guides.notices.models import Notification
from guides.org.models import RoleAssignment, Staff, StaffSession, StoreChange
from tests.factories.guides import Org, holder_of, make_staff, make_store, sign_in
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry, OutboxEvent
from yejibao.core.outbox import drain_events
from yejibao.core.personal import blind_index

from .conftest import browser_of, field, text_of

PEOPLE = "/hq/people/"


def page_of(person: Staff) -> str:
    return f"/hq/people/{person.pk}/"


def state_of(person: Staff) -> str:
    return str(Staff.objects.values_list("state", flat=True).get(pk=person.pk))


def held_by(person: Staff) -> list[tuple[str, int]]:
    day = product_clock.today()
    rows = RoleAssignment.objects.filter(RoleAssignment.in_force(day), staff=person).order_by("pk")
    return list(rows.values_list("role", "unit_id"))


@pytest.mark.parametrize("asked", ["林晓", "LXW", "lx", "linxw", "138 0013 2075"])
def test_found_by_name_letters_account_or_whole_phone(org: Org, admin: Client, asked: str) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(
        wecom_user_id="linxw", phone="13800132075", phone_index=blind_index("13800132075", purpose="phone")
    )
    found = text_of(admin.post(PEOPLE, {"q": asked, "state": "employed"}))
    assert "林晓雯 新街口店 导购 在职" in found and "黄婷" not in found
    assert "没有找到" in text_of(admin.post(PEOPLE, {"q": "没有这人"}))
    if asked.isascii() and not asked.isalpha():  # a phone never stands in an address, so nobody is found by one there
        assert "没有找到" in text_of(admin.get(PEOPLE, {"q": asked, "state": "employed"}))


def test_the_list_is_narrowed_and_paged(org: Org, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guides.org.overview.PAGE", 2)
    Staff.objects.filter(pk=org.stranger.pk).update(state="resigned")
    assert "黄婷" not in text_of(admin.get(PEOPLE))
    assert "黄婷 观前店" in text_of(admin.get(PEOPLE, {"state": "resigned"}))
    only = text_of(admin.get(PEOPLE, {"unit": org.store.unit_id, "role": "store_manager"}))
    assert "陈国栋" in only and "林晓雯" not in only
    first = admin.get(PEOPLE, {"unit": org.branch.pk})
    assert "看更多" in text_of(first) or "陈国栋" in text_of(first)
    assert admin.get(PEOPLE, {"state": "nonsense"}).status_code == admin.get(PEOPLE, {"before": "x"}).status_code == 404


@pytest.mark.parametrize("path", [PEOPLE, "person", "/hq/roles/", "/hq/roles/guide/"])
def test_pages_need_the_same_queries_for_any_length(org: Org, admin: Client, path: str) -> None:
    url = page_of(org.guide) if path == "person" else path
    counted = []
    for many in (1, 4):
        for _ in range(many):
            make_staff(store=org.store)
            RoleAssignment.objects.create(staff=org.guide, role="guide", unit=make_staff().store.unit)
        admin.get(url)
        with CaptureQueriesContext(connection) as asked:
            admin.get(url)
        counted.append(len(asked))
    assert counted[0] == counted[1] < 25, counted


def test_a_person_is_entered(org: Org, admin: Client) -> None:
    form = {"userid": "Wang.Fang", "name": "王芳", "role": "guide", "unit": org.store.unit_id, "phone": "13912345678"}
    answer = admin.post(f"{PEOPLE}new/", form)
    person = Staff.objects.get(wecom_user_id="wang.fang")
    assert answer["Location"] == page_of(person) and held_by(person) == [("guide", org.store.unit_id)]
    page = admin.get(page_of(person)).content.decode()
    assert "139****5678" in page and "13912345678" not in page
    again = admin.post(f"{PEOPLE}new/", form)
    assert again.status_code == 409
    wrong = admin.post(f"{PEOPLE}new/", form | {"userid": "x", "unit": ""})
    assert wrong.status_code == 422 and "选他属于哪个单位或门店" in text_of(wrong)
    assert admin.post(f"{PEOPLE}new/", form | {"userid": "hq.one", "role": "hq_crm", "unit": ""}).status_code == 302
    assert Staff.objects.get(wecom_user_id="hq.one").unit == org.hq


def test_facts_of_a_person_and_the_second_editor(org: Org, admin: Client) -> None:
    url, page = page_of(org.guide), admin.get(page_of(org.guide))
    form = {
        "seen": field(page, "seen"),
        "name": "林晓雯",
        "display_name": "小雯",
        "backup": org.manager.pk,
        "digest_minute": 9,
    }
    assert admin.post(f"{url}edit/", form).status_code == 302
    person = Staff.objects.get(pk=org.guide.pk)
    assert (person.display_name, person.backup_guide_id, person.digest_minute) == ("小雯", org.manager.pk, 9)
    late = admin.post(f"{url}edit/", form | {"display_name": "阿雯"})
    assert late.status_code == 412 and "刚刚有人改过这里" in text_of(late)
    seen = field(admin.get(url), "seen")
    stranger = admin.post(f"{url}edit/", form | {"seen": seen, "backup": org.stranger.pk})
    assert stranger.status_code == 422 and "同一家店在职的同事" in text_of(stranger)
    assert "13812345678" not in str(AuditEntry.objects.filter(action="org.staff_edited").values_list("after", "before"))


def test_states_by_hand_need_a_reason_and_the_state_seen(org: Org, admin: Client) -> None:
    url = f"{page_of(org.guide)}state/"
    assert "写一句为什么" in text_of(admin.post(url, {"state": "disabled", "was": "active"}))
    assert admin.post(url, {"state": "disabled", "was": "active", "reason": "丢了手机"}).status_code == 302
    assert state_of(org.guide) == "disabled"
    late = admin.post(url, {"state": "leave", "was": "active", "reason": "x"})
    assert late.status_code == 422 and "刚刚变了" in text_of(late)
    assert admin.post(url, {"state": "active", "was": "disabled", "reason": "找到了"}).status_code == 302
    assert state_of(org.guide) == "active"


def test_leaving_is_told_and_done_once(org: Org, admin: Client) -> None:
    url = f"{page_of(org.guide)}resign/"
    assert admin.post(url, {"reason": "回老家"}).status_code == 302 and state_of(org.guide) == "resigned"
    assert OutboxEvent.objects.filter(topic="guides.staff_resigned").count() == 1
    late = admin.post(url, {"reason": "回老家"})
    assert late.status_code == 409
    assert "办离职" not in text_of(admin.get(page_of(org.guide))).replace("办离职 回老家", "")


def test_a_guide_changes_the_store_and_it_is_taken_back(org: Org, admin: Client) -> None:
    day = product_clock.today() + timedelta(days=3)
    move = {"store": org.other_store.pk, "starts_on": day.isoformat()}
    assert admin.post(f"{page_of(org.guide)}move/", move).status_code == 302
    assert "起去观前店" in text_of(admin.get(page_of(org.guide)))
    assert admin.post(f"{page_of(org.guide)}move/", move).status_code == 409
    assert admin.post(f"{page_of(org.guide)}move/cancel/", {}).status_code == 302
    assert StoreChange.objects.get().state == "cancelled"
    assert "选门店和日期" in text_of(admin.post(f"{page_of(org.guide)}move/", {"starts_on": day.isoformat()}))


def test_roles_are_given_and_ended_with_a_reason(org: Org, admin: Client) -> None:
    url = f"{page_of(org.guide)}roles/"
    form = {"role": "area_supervisor", "unit": org.area.pk, "reason": "代管一个月", "ends_on": "2026-12-20"}
    assert admin.post(url, form).status_code == 302
    assert ("area_supervisor", org.area.pk) in held_by(org.guide)
    assert "写一句为什么" in text_of(admin.post(url, form | {"reason": ""}))
    assert "只能设在" in text_of(admin.post(url, form | {"unit": org.store.unit_id}))
    row = RoleAssignment.objects.get(staff=org.guide, role="area_supervisor")
    assert admin.post(f"{url}{row.pk}/end/", {"reason": "店长回来了"}).status_code == 302
    assert ("area_supervisor", org.area.pk) not in held_by(org.guide)
    assert admin.post(f"{url}{row.pk}/end/", {"reason": "再来"}).status_code == 422
    assert "区域督导(区长)" in text_of(admin.get(page_of(org.guide)))  # among those he had


def test_nobody_changes_his_own(org: Org) -> None:
    keeper = holder_of("sys_admin", org)
    browser = sign_in(Client(headers={"Accept": "text/html"}), keeper)
    asked = {"role": "hq_operator", "reason": "方便"}
    assert browser.post(f"{page_of(keeper)}roles/", asked).status_code == 403
    for act, facts in (
        ("post", asked),
        ("state", {"state": "leave", "was": "active", "reason": "x"}),
        ("resign", {"reason": "x"}),
        ("account", {"userid": "somebody", "reason": "x"}),
        ("password", {"password": "a long enough one", "reason": "x"}),
    ):
        assert browser.post(f"{page_of(keeper)}{act}/", facts).status_code in (403, 422), act
    assert held_by(keeper) == [("sys_admin", org.hq.pk)] and state_of(keeper) == "active"
    assert "自己的岗位要由别的管理员来改" in text_of(browser.get(page_of(keeper)))


def test_grave_acts_ask_who_one_is_once_more(org: Org) -> None:
    browser = browser_of("sys_admin", org, confirmed=False)
    asked = browser.post(
        f"{page_of(org.guide)}roles/", {"role": "hq_operator", "reason": "x"}, headers={"Accept": "text/html"}
    )
    assert asked.status_code == 302 and asked["Location"].startswith("/me/confirm/")
    asked = browser.post(f"{page_of(org.guide)}account/", {"userid": "mine", "reason": "x"})
    assert asked["Location"].startswith("/me/confirm/") and not Staff.objects.filter(wecom_user_id="mine").exists()
    assert held_by(org.guide) == [("guide", org.store.unit_id)]


@pytest.mark.parametrize(
    ("act", "form", "action", "words"),
    [
        ("account", {"userid": "zhoulan2"}, "org.staff_renamed", "企业微信账号换了"),
        ("password", {"password": "a long enough one"}, "org.password_set", "网页密码重新设了"),
        ("password", {"password": ""}, "org.password_removed", "网页密码取消了"),
    ],
)
def test_another_way_to_sign_in_has_a_reason_ends_what_is_open_and_is_told(
    org: Org, admin: Client, act: str, form: dict[str, str], action: str, words: str
) -> None:
    keeper, person = Staff.objects.get(role_assignments__role="sys_admin"), holder_of("hq_operator", org)
    another = holder_of("sys_admin", org)
    sign_in(Client(), person)
    url = f"{page_of(person)}{act}/"
    assert "写一句为什么" in text_of(admin.post(url, form))
    assert admin.post(url, form | {"reason": "换了手机"}).status_code == 302
    assert not StaffSession.objects.filter(staff=person).exists()
    recorded = AuditEntry.objects.filter(action__in=(action, "auth.sessions_ended"), resource_id=str(person.pk))
    assert list(recorded.order_by("pk").values_list("action", "reason", "actor_id")) == [
        (action, "换了手机", keeper.pk), ("auth.sessions_ended", "换了手机", keeper.pk),
    ]  # fmt: skip
    drain_events()
    told = Notification.objects.filter(key__startswith="sign_in:").order_by("staff_id").values_list("staff_id", "title")
    assert list(told) == [(person.pk, f"你的登录：{words}"), (another.pk, f"{person.name}的登录：{words}")]


def test_help_in_another_store_ends_by_itself(org: Org, admin: Client) -> None:
    today = product_clock.today()
    form = {
        "store": org.other_store.pk,
        "starts_on": today.isoformat(),
        "ends_on": (today + timedelta(days=6)).isoformat(),
    }
    assert admin.post(f"{page_of(org.guide)}lend/", form).status_code == 302
    assert ("guide", org.other_store.unit_id) in held_by(org.guide)
    assert Staff.objects.get(pk=org.guide.pk).store_id == org.store.pk


def test_another_post_ends_the_old_one(org: Org, admin: Client) -> None:
    url = f"{page_of(org.manager)}post/"
    form = {"role": "store_manager", "unit": org.other_store.unit_id, "reason": "轮岗"}
    assert admin.post(url, form).status_code == 302
    manager = Staff.objects.get(pk=org.manager.pk)
    assert held_by(manager) == [("store_manager", org.other_store.unit_id)] and manager.store_id == org.other_store.pk
    assert OutboxEvent.objects.filter(topic="guides.staff_moved").count() == 1
    guide = admin.post(f"{page_of(org.guide)}post/", form | {"role": "guide"})
    assert guide.status_code == 422 and "请用「调店」" in text_of(guide)


@pytest.mark.parametrize("role", ["guide", "store_manager", "branch_manager", "executive", "dealer"])
def test_others_do_not_see_people(org: Org, role: str) -> None:
    browser = browser_of(role, org)
    assert {browser.get(path).status_code for path in (PEOPLE, page_of(org.guide), "/hq/roles/")} == {403}


def test_who_may_look_sees_neither_phones_nor_buttons(org: Org) -> None:
    Staff.objects.filter(pk=org.guide.pk).update(phone="13800132075")
    page = text_of(browser_of("hq_retail", org).get(page_of(org.guide)))
    assert "林晓雯" in page and "2075" not in page and "办离职" not in page and "登录着的设备" not in page


def test_the_matrix_is_readable(org: Org, admin: Client) -> None:
    page: Any = text_of(admin.get("/hq/roles/"))
    for words in ("22 个岗位", "系统管理员 总部 全公司", "管组织、账号和参数", "谁也不能改自己的岗位"):
        assert words in page, words
    assert "林晓雯 本人" in text_of(admin.get("/hq/roles/guide/"))
    assert admin.get("/hq/roles/nobody/").status_code == 404


def test_who_left_is_entered_again_from_his_page(org: Org, admin: Client) -> None:
    admin.post(page_of(org.guide) + "resign/", {"reason": "合同到期"})
    again = f"/hq/people/new/?again={org.guide.pk}"
    assert again in admin.get(page_of(org.guide)).content.decode()
    form = admin.get(again).content.decode()
    account = Staff.objects.values_list("wecom_user_id", flat=True).get(pk=org.guide.pk)
    assert f'value="{account}"' in form and 'value="林晓雯"' in form
    sent = {"userid": account, "name": "林晓雯", "role": "guide", "unit": org.store.unit_id}
    admin.post("/hq/people/new/", sent)
    back = Staff.objects.get(wecom_user_id=account)
    assert back.pk != org.guide.pk and held_by(back) == [("guide", org.store.unit_id)]
    former = text_of(admin.get(page_of(org.guide)))
    assert "看林晓雯现在的资料" in former and f"{account}#" not in former
    assert admin.get(f"/hq/people/new/?again={back.pk}").status_code == 404, "somebody who is here"


def test_a_refused_form_keeps_what_was_typed(org: Org, admin: Client) -> None:
    far = [make_store(area=org.area) for _ in range(9)][-1]
    typed = {
        "store": far.pk,
        "starts_on": "2026-12-01",
        "ends_on": "2026-11-25",
        "role": "store_manager",
        "reason": "双十二",
    }
    page = admin.post(page_of(org.guide) + "lend/", typed)
    html = page.content.decode()
    assert page.status_code == 422
    assert all(f'value="{word}"' in html for word in ("2026-12-01", "2026-11-25", "双十二"))
    assert f'value="{far.pk}" checked' in html and 'value="store_manager" selected' in html
