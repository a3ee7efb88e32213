"""The guide's pages from the question to the money, and what finance sees and decides."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from crm.members.models import Member
from crm.wallet.models import CardRefund, TopUp, Transfer, Wallet
from crm.wallet.queries import live_wallet
from crm.wallet.services import confirm_top_up, prove_ledger, spend
from guides.org.models import Staff
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, holder_of, make_org, sign_in
from tests.factories.wallet import SYSTEM, fresh, make_holder, make_wallet, real_name
from yejibao.core.clock import parse_iso
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-20 12:00")


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def member(org: Org) -> Member:
    return make_member(owner=org.guide, name="王建平", phone="13800132075")


def as_(person: Staff) -> Client:
    return sign_in(Client(), person)


def post(client: Client, path: str, **fields: Any) -> Any:
    fields.setdefault("idempotency_key", uuid4().hex)
    return client.post(path, fields)


def said(answer: Any) -> str:
    return str(answer.content.decode())


def begin(client: Client, member: Member, **fields: Any) -> Any:
    return post(client, f"/g/wallet/{member.public_id}/", **({"tier": "t1000", "way": "counter"} | fields))


def test_from_the_question_to_the_money(org: Org, member: Member) -> None:
    guide = as_(org.guide)
    assert "王建平" in said(post(guide, "/g/wallet/", q="13800132075"))
    page = said(guide.get(f"/g/wallet/{member.public_id}/"))
    assert "第一次充值" in page and "送 ¥120" in page
    assert begin(guide, member).status_code == 302
    asked = TopUp.objects.get()
    path = f"/g/wallet/top-ups/{asked.public_id}/"
    assert "等他在手机上确认" in said(guide.get(path)) and "王建平" in said(guide.get("/g/wallet/"))
    post(guide, f"{path}settle/", way="card")  # nobody confirmed yet
    assert TopUp.objects.get().state == "asked"
    confirm_top_up(asked, member=member, now=NOW, terms_version=1, real_name=real_name())
    fragment = guide.get(path, headers={"HX-Request": "true"})
    assert "请他在柜台付" in said(fragment) and "<html" not in said(fragment)
    post(guide, f"{path}settle/")  # and how did he pay?
    assert TopUp.objects.get().state == "confirmed"
    chosen = said(guide.get(f"{path}?way=card", headers={"HX-Request": "true"}))  # the page asks anew, the choice stays
    assert chosen.count(" checked") == 1 and 'value="card" required checked' in chosen
    post(guide, f"{path}settle/", way="card")
    assert fresh(member) == (100000, 5000) and Transfer.objects.get(kind="top_up").provider == "card"
    over = said(guide.get(path, headers={"HX-Request": "true"}))
    assert "卡里现在 ¥1,050.00" in over and "every 3s" not in over


def test_the_page_that_waits_asks_only_for_what_stands_on_it(org: Org, member: Member) -> None:
    """htmx complains in the console of an hx-include that finds nothing, every three seconds."""
    guide = as_(org.guide)
    begin(guide, member)
    asked = TopUp.objects.get()
    path = f"/g/wallet/top-ups/{asked.public_id}/"
    assert "every 3s" in said(guide.get(path)) and "hx-include" not in said(guide.get(path))
    confirm_top_up(asked, member=member, now=NOW, terms_version=1, real_name=real_name())
    page = said(guide.get(path))
    assert "hx-include" in page and 'name="way"' in page


def test_the_same_form_twice_asks_once_and_without_a_key_not_at_all(org: Org, member: Member) -> None:
    guide, key = as_(org.guide), uuid4().hex
    both = [begin(guide, member, idempotency_key=key) for _ in range(2)]
    assert [one.status_code for one in both] == [302, 302] and both[0]["Location"] == both[1]["Location"]
    assert begin(guide, make_member(owner=org.guide), idempotency_key="").status_code == 400
    assert TopUp.objects.count() == 1


def test_what_is_beyond_the_cap_is_grey_and_refused(org: Org, member: Member) -> None:
    make_wallet(member, now=NOW, principal_fen=300000, gift_fen=20000)
    guide = as_(org.guide)
    assert said(guide.get(f"/g/wallet/{member.public_id}/")).count("会超过 5,000 元限额") == 3
    refused = begin(guide, member, tier="t4500")
    assert refused.status_code == 409 and "限额" in said(refused)
    assert begin(guide, member, tier="other", amount="150").status_code == 422  # not a whole step
    assert not TopUp.objects.exists()


def test_cash_is_not_taken_at_a_distance(org: Org, member: Member) -> None:
    refused = begin(as_(org.guide), member, distant="1")
    assert refused.status_code == 422 and "不收现金" in said(refused)


def test_whose_top_ups_one_sees(org: Org, member: Member) -> None:
    begin(as_(org.guide), member)
    asked = TopUp.objects.get()
    path = f"/g/wallet/top-ups/{asked.public_id}/"
    assert "王建平" in said(as_(org.guide).get("/g/wallet/top-ups/"))
    assert (
        "王建平" in said(as_(org.manager).get("/g/wallet/top-ups/")) and as_(org.manager).get(path).status_code == 200
    )
    assert as_(org.stranger).get(path).status_code == 404
    assert as_(org.stranger).get(f"/g/wallet/{member.public_id}/").status_code == 404
    assert "王建平" not in said(as_(org.stranger).get("/g/wallet/top-ups/"))


def test_cancelled_by_the_guide(org: Org, member: Member) -> None:
    guide = as_(org.guide)
    begin(guide, member)
    post(guide, f"/g/wallet/top-ups/{TopUp.objects.get().public_id}/cancel/")
    assert TopUp.objects.get().state == "cancelled" and "取消了" in said(guide.get(f"/g/wallet/{member.public_id}/"))


@pytest.mark.parametrize("rows", [1, 4])
def test_the_history_needs_the_same_queries_for_any_length(
    org: Org, rows: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(rows):
        begin(as_(org.guide), make_member(owner=org.guide))
    client = as_(org.manager)
    client.get("/g/wallet/top-ups/")
    with django_assert_max_num_queries(9):
        assert said(client.get("/g/wallet/top-ups/", headers={"HX-Request": "true"})).count("柜台付款") == rows


def test_the_balance_stands_beside_the_chat(org: Org, member: Member) -> None:
    make_wallet(member, now=NOW, principal_fen=186000, gift_fen=0)
    link = make_friend(member, org.guide)
    page = said(as_(org.guide).get(f"/g/sidebar/?external_user_id={link.external_user_id}"))
    assert "¥1,860" in page and "储值余额" in page
    assert "储值卡" in said(as_(org.guide).get(f"/g/members/{member.public_id}/"))


# ---------------------------------------------------------------- finance


@pytest.fixture
def card(org: Org, member: Member) -> Wallet:
    make_holder(member, now=NOW)
    wallet = make_wallet(member, now=NOW - timedelta(days=30), store=org.store)
    spend(member, amount_fen=53000, key="sale", subject="sale", store=org.store, actor=SYSTEM, now=NOW)
    wallet.refresh_from_db()
    return wallet


def test_finance_sees_what_is_owed_and_every_movement(org: Org, card: Wallet) -> None:
    prove_ledger(now=NOW)
    finance = as_(holder_of("finance", org))
    page = said(finance.get("/hq/wallet/"))
    assert "账平" in page and "¥1,500.00" in page and "¥90.00" in page
    assert card.card_no in said(post(finance, "/hq/wallet/", q="13800132075"))
    one = said(finance.get(f"/hq/wallet/cards/{card.public_id}/"))
    assert "¥1,590.00" in one and "本金 ¥500.00 · 赠金 ¥30.00" in one and "王建平" not in one and "王**" in one
    assert AuditEntry.objects.filter(action="member.viewed", resource_id=str(card.member_id)).exists()


def test_the_manager_reads_the_stores_cards_and_a_guide_none(org: Org, card: Wallet) -> None:
    path = f"/hq/wallet/cards/{card.public_id}/"
    codes = [as_(one).get(path).status_code for one in (org.manager, org.guide, holder_of("sys_admin", org))]
    assert codes == [200, 403, 403]


def test_a_lost_card_is_frozen_and_replaced(org: Org, card: Wallet) -> None:
    manager = as_(org.manager)
    path = f"/hq/wallet/cards/{card.public_id}/act/"
    post(manager, path, act="freeze", why="会员打电话说丢了")
    card.refresh_from_db()
    assert card.state == "frozen"
    post(manager, path, act="replace", why="换新卡")
    new = live_wallet(card.member_id)
    assert new is not None and (new.total_fen, new.state, new.pk != card.pk) == (159000, "active", True)
    assert post(manager, path, act="burn", why="…").status_code == 400


def test_a_refund_from_the_store_to_the_payment(org: Org, card: Wallet, member: Member) -> None:
    guide, first, second = as_(org.guide), holder_of("finance", org), holder_of("finance", org)
    path = f"/g/wallet/{member.public_id}/refund/"
    assert "¥1,500.00" in said(guide.get(path))
    fields = {"way": "account", "payee_name": "王建国", "payee_account": "6222021234567890", "reason": "搬去外地"}
    refused = post(guide, path, **(fields | {"payee_name": "李四"}))
    assert refused.status_code == 422 and "户名" in said(refused)
    assert post(guide, path, **fields).status_code == 302
    refund = CardRefund.objects.get()
    act = f"/hq/wallet/refunds/{refund.public_id}/act/"
    assert "王**" in said(as_(first).get("/hq/wallet/refunds/"))
    for person in (first, second):
        assert "同意" in said(as_(person).get(f"/hq/wallet/refunds/{refund.public_id}/"))
        post(as_(person), act, act="approve")
    post(as_(first), act, act="pay")
    refund.refresh_from_db()
    assert (refund.state, fresh(member)) == ("paid", (0, 0)) and prove_ledger(now=NOW).is_in_balance
    page = f"/hq/wallet/refunds/{refund.public_id}/"
    waiting, over = "/hq/wallet/refunds/?show=bank", "/hq/wallet/refunds/?show=over"
    assert "王**" in said(as_(first).get(waiting)) and "王**" not in said(as_(first).get(over))
    assert "等银行转账" in said(as_(first).get(page)) and "6222021234567890" in said(as_(first).get(page))
    missing = post(as_(first), act, act="transferred")
    assert missing.status_code == 422 and "流水号" in said(missing)
    post(as_(first), act, act="transferred", bank_ref="B20261120")
    assert "王**" not in said(as_(first).get(waiting)) and "王**" in said(as_(first).get(over))
    assert "B20261120" in said(as_(first).get(page))
    post(as_(second), act, act="came_back", why="户名不符，银行退回")
    assert "户名不符" in said(as_(first).get(page)) and "王**" in said(as_(first).get(waiting))
    assert as_(org.guide).get("/hq/wallet/refunds/").status_code == 403


def test_sums_without_names_for_who_may_read_sums(org: Org, card: Wallet) -> None:
    page = said(as_(holder_of("branch_manager", org)).get("/hq/wallet/totals/"))
    assert "新街口店" in page and "¥530" in page and "王" not in page.split("<main")[1]
    assert as_(org.guide).get("/hq/wallet/totals/").status_code == 403
