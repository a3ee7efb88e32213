"""The pages of the intake, as HQ uses them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from bench.planted import TITLES
from crm.members.models import Member
from tests.factories.guides import Org, holder_of, make_org, sign_in
from yejibao.core.models import AuditEntry
from yejibao.intake.jobs import count_days, go_on_with_batches
from yejibao.intake.models import Batch, RefusedRow, Source

pytestmark = pytest.mark.django_db
ROWS = ["X1,王建国,男,13800132075,,,,,", "X2,李成,男,1380013,,,,,", "X3,,男,,,,,,"]


def browser_of(role: str, org: Org) -> Client:
    return sign_in(Client(headers={"Accept": "text/html"}), holder_of(role, org))


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel("2026-03-05 12:00")
    return make_org()


def send(browser: Any, kind: str = "members", rows: list[str] = ROWS) -> Any:
    file = SimpleUploadedFile("members.csv", "\n".join([TITLES, *rows]).encode("gbk"))
    return browser.post("/hq/intake/upload/", {"kind": kind, "file": file})


def test_a_file_is_tried_read_through_confirmed_and_what_is_wrong_corrected(org: Org) -> None:
    hq = browser_of("hq_crm", org)
    assert "下载会员模板" in hq.get("/hq/intake/").content.decode()
    page = send(hq)["Location"]
    assert "hx-get" in hq.get(page).content.decode()
    go_on_with_batches()
    shown = hq.get(page).content.decode()
    assert "导入其余 1 行" in shown and "手机号不对" in shown and "1380013" not in shown
    errors = hq.get(f"{page}errors.csv").content.decode("utf-8-sig")
    assert errors.splitlines()[1:] == ["3,X2,手机号,****,手机号不对", "4,X3,姓名,,必填，不能为空"]
    hq.post(f"{page}decide/", {"act": "confirm"})
    go_on_with_batches()
    assert "已完成" in hq.get(page, headers={"HX-Request": "true"}).content.decode()
    assert Member.objects.filter(member_no__in=("X1", "X2", "X3")).count() == 1

    waiting = hq.get("/hq/intake/refused/?kind=members&code=input.phone&source=excel").content.decode()
    assert "X2" in waiting and "X3" not in waiting
    row = RefusedRow.objects.get(key="X2")
    form = hq.get(f"/hq/intake/refused/{row.pk}/").content.decode()
    assert "1380013" not in form and "李成" not in form, "personal values never go to the page"
    hq.post(f"/hq/intake/refused/{row.pk}/", {"phone": "13800132076", "name": "", "member_no": "X2"})
    assert Member.objects.get(member_no="X2").name == "李成", "left empty: as it came"
    hq.post("/hq/intake/refused/settle/", {"kind": "members", "source": "excel", "code": "input.required"})
    assert RefusedRow.objects.get(key="X3").tries == 2
    row = RefusedRow.objects.get(key="X3")
    other = browser_of("hq_crm", org)
    assert "归我" in other.get(f"/hq/intake/refused/{row.pk}/").content.decode()
    other.post(f"/hq/intake/refused/{row.pk}/", {"act": "claim"})
    assert RefusedRow.objects.get(pk=row.pk).owner_id not in (None, row.owner_id)
    hq.post(
        "/hq/intake/refused/settle/", {"kind": "members", "source": "excel", "code": "input.required", "act": "claim"}
    )
    assert RefusedRow.objects.get(pk=row.pk).owner_id == row.owner_id
    hq.post(f"/hq/intake/refused/{row.pk}/", {"act": "close", "reason": "不要了"})
    assert RefusedRow.objects.filter(state="open").count() == 0
    assert {"intake.uploaded", "intake.confirmed", "intake.row_retried", "intake.row_closed"} <= set(
        AuditEntry.objects.values_list("action", flat=True)
    )


def test_each_takes_care_of_his_own_kinds(org: Org) -> None:
    send(browser_of("hq_crm", org))
    batch = Batch.objects.get()
    merch = browser_of("hq_merch", org)
    assert merch.get(f"/hq/intake/batches/{batch.pk}/").status_code == 404
    assert send(merch).status_code == 403
    assert merch.get("/hq/intake/templates/members.xlsx").status_code == 404
    assert merch.get("/hq/intake/templates/stock.xlsx").content.startswith(b"PK")
    keeper = browser_of("sys_admin", org)
    assert keeper.get(f"/hq/intake/batches/{batch.pk}/").status_code == 403, "no rows of members"
    assert keeper.get("/hq/intake/days/").status_code == 200
    assert browser_of("guide", org).get("/hq/intake/").status_code == 403


def test_a_file_that_cannot_be_read_is_told_in_one_sentence(org: Org) -> None:
    hq = browser_of("hq_crm", org)
    file = SimpleUploadedFile("m.csv", b"a,b\n1,2\n")
    answer = hq.post("/hq/intake/upload/", {"kind": "members", "file": file})
    assert (answer.status_code, "缺少列：会员号、姓名" in answer.content.decode()) == (422, True)
    assert hq.post("/hq/intake/upload/", {"kind": "members"}).status_code == 422


def test_the_keeper_gives_out_tokens_once(org: Org) -> None:
    keeper = browser_of("sys_admin", org)
    facts = {"name": "erp", "label": "ERP", "kinds": ["stock", "products"], "posts_per_minute": "60", "rows_per_day": "1000",
             "owner": org.guide.wecom_user_id, "tells_counts": "on"}  # fmt: skip
    home = keeper.post("/hq/intake/sources/new/", facts)["Location"]
    source = Source.objects.get(name="erp")
    assert (source.kinds, source.owner, source.token_sha, source.tells_counts) == (
        ["products", "stock"], org.guide, None, True,
    )  # fmt: skip
    seen = {"seen": seen_on(keeper.get(home))}
    page = keeper.post(f"{home}token/", seen).content.decode()
    assert re.search(r"yjb_[\w-]{40,}", page)
    given = Source.objects.get(name="erp").token_sha
    again = keeper.post(f"{home}token/", seen)  # a second tap: the one just shown stays in force
    assert (again.status_code, Source.objects.get(name="erp").token_sha) == (412, given)
    assert "yjb_" not in keeper.get(home).content.decode() + keeper.get("/hq/intake/sources/").content.decode()
    keeper.post(f"{home}stop/")
    assert Source.objects.get(name="erp").is_active is False
    assert keeper.post("/hq/intake/sources/new/", facts | {"kinds": [], "name": "空 格"}).status_code == 422
    assert browser_of("hq_crm", org).post("/hq/intake/sources/new/", facts).status_code == 403


def seen_on(page: Any) -> str:
    found = re.search(r'name="seen" value="(\w+)"', page.content.decode())
    assert found
    return found[1]


def test_a_source_is_changed_on_its_own_page_as_it_was_seen(org: Org) -> None:
    keeper = browser_of("sys_admin", org)
    facts = {"name": "erp", "label": "ERP", "kinds": ["stock"], "posts_per_minute": "60", "rows_per_day": "1000"}
    home = keeper.post("/hq/intake/sources/new/", facts)["Location"]
    taken = keeper.post("/hq/intake/sources/new/", facts | {"posts_per_minute": "6000"})
    assert taken.status_code == 422 and "已经有这个编号的来源" in taken.content.decode()
    assert 'value="60"' in (shown := keeper.get(home)).content.decode()
    mark = {"seen": seen_on(shown)}
    assert keeper.post(home, facts | mark | {"rows_per_day": "2000"}).status_code == 302
    assert keeper.post(home, facts | mark | {"rows_per_day": "3000"}).status_code == 412, "somebody was faster"
    source = Source.objects.get(name="erp")
    assert (source.posts_per_minute, source.rows_per_day) == (60, 2000)
    unconfirmed = Client(headers={"Accept": "text/html"})
    sign_in(unconfirmed, holder_of("sys_admin", org), confirmed=False)
    for path in (home, f"{home}token/", f"{home}stop/", "/hq/intake/sources/new/"):
        assert unconfirmed.post(path, facts | mark)["Location"].startswith("/me/confirm/"), path


def test_whose_file_made_somebody_a_guide_is_on_record(org: Org) -> None:
    retail = browser_of("hq_retail", org)
    lines = ["企业微信账号,姓名,门店编码", f"chenjie,陈洁,{org.store.code}", f"wumin,吴敏,{org.store.code}"]
    file = SimpleUploadedFile("staff.csv", "\n".join(lines).encode())
    page = retail.post("/hq/intake/upload/", {"kind": "staff", "file": file})["Location"]
    go_on_with_batches()
    retail.post(f"{page}decide/", {"act": "confirm"})
    go_on_with_batches()
    given = AuditEntry.objects.filter(action="org.role_assigned", after__batch=Batch.objects.get().pk)
    assert {(one.actor_kind, one.actor_id, one.working_role) for one in given} == {
        ("staff", Batch.objects.get().by_id, "hq_retail")
    } and len(given) == 2
    assert AuditEntry.objects.get(action="intake.staff").actor_id == Batch.objects.get().by_id


def test_days_that_do_not_add_up_are_shown(org: Org, clock: Any) -> None:
    hq = browser_of("hq_crm", org)
    send(hq)
    go_on_with_batches()
    hq.post(f"/hq/intake/batches/{Batch.objects.get().pk}/decide/", {"act": "confirm"})
    go_on_with_batches()
    assert count_days() == {"sums": 1}
    assert "都对上了" in hq.get("/hq/intake/days/").content.decode()
    Source.objects.update(tells_counts=True)
    clock.travel("2026-03-06 11:00")
    assert "来源还没报数" in browser_of("hq_crm", org).get("/hq/intake/days/").content.decode()
