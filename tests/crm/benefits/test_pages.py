"""The pages of the room: who reads what, two taps in the chat, HQ's forms, the same statements for any length."""

import json
from typing import Any

import pytest
from django.test import Client

from crm.benefits.models import Coupon, CouponBatch, CouponIssue, CouponQuota
from crm.benefits.services import redeem, settle_orders
from guides.approvals.models import Approval
from tests.factories.benefits import give_points, make_batch, make_coupon, make_template
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, make_org, make_staff, sign_in
from yejibao.core.clock import parse_iso
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2025-06-10 12:00")
AT: dict[str, Any] = {"now": NOW, "actor": Actor.system()}


@pytest.fixture(autouse=True)
def _at_noon(clock: Any) -> None:
    clock.travel("2025-06-10 12:00")


@pytest.fixture
def org() -> Org:
    return make_org()


def of(person: Any) -> Client:
    client = Client()
    sign_in(client, person)
    return client


# ---------------------------------------------------------------- beside the chat


def test_the_chat_page_shows_points_coupons_and_what_she_may_give(org: Org) -> None:
    friend = make_friend(make_member(owner=org.guide))
    give_points(friend.member, 8420)
    make_coupon(friend.member)
    make_batch(make_template("大衣券"), guide_limit=3)
    make_batch(make_template("给黑金的"), ways=["claim"])
    page = of(org.guide).get(f"/g/sidebar/?external_user_id={friend.external_user_id}").content.decode()
    assert "8,420" in page and "1 张" in page
    assert "大衣券" in page and "你还有 3 张" in page and "给黑金的" not in page


def test_two_taps_give_a_coupon_and_its_card(org: Org) -> None:
    friend = make_friend(make_member(owner=org.guide))
    batch = make_batch(guide_limit=1)
    client = of(org.guide)

    def give(key: str, **facts: Any) -> Any:
        asked = {"external_user_id": friend.external_user_id, "batch": batch.pk} | facts
        headers = {"Idempotency-Key": key} if key else {}
        return client.post(
            "/g/sidebar/coupons/give/", json.dumps(asked), content_type="application/json", headers=headers
        )

    assert give("").status_code == 400
    first, again = give("k1"), give("k1")
    assert (first.status_code, first.json()) == (200, again.json())
    assert first.json()["card"]["title"] == "满 500 减 100（¥100）"
    assert Coupon.objects.get().issuer == org.guide
    assert give("k2").status_code == 409
    assert give("k3", batch=batch.pk + 10**6).status_code == 404
    other = make_friend(make_member(owner=org.stranger))
    assert give("k4", external_user_id=other.external_user_id).status_code == 404


def test_somebody_who_is_no_friend_any_more_gets_nothing(org: Org) -> None:
    friend = make_friend(make_member(owner=org.guide), state="blocked")
    asked = {"external_user_id": friend.external_user_id, "batch": make_batch().pk}
    answer = of(org.guide).post(
        "/g/sidebar/coupons/give/", json.dumps(asked), content_type="application/json", headers={"Idempotency-Key": "k"}
    )
    assert (answer.status_code, Coupon.objects.count()) == (409, 0)


# ---------------------------------------------------------------- for those who look after him


@pytest.mark.parametrize("what", ["coupons", "past", "points", "level"])
def test_a_members_benefits_need_the_same_statements_for_any_length(
    org: Org, what: str, django_assert_max_num_queries: Any
) -> None:
    client = of(org.guide)
    for count in (1, 6):
        member = make_member(owner=org.guide)
        for number in range(count):
            give_points(member, 100 + number)
            redeem(make_coupon(member), subject=f"sale:{member.pk}-{number}", key="k", **AT)
            make_coupon(member)
        with django_assert_max_num_queries(16):
            page = client.get(f"/g/members/{member.public_id}/benefits/?of={what}")
        assert page.status_code == 200


def test_another_stores_guide_finds_nobody(org: Org) -> None:
    member = make_member(owner=org.guide)
    assert of(org.stranger).get(f"/g/members/{member.public_id}/benefits/").status_code == 404
    manager = of(org.manager).get(f"/g/members/{member.public_id}/benefits/")
    assert manager.status_code == 200


def test_a_guides_own_shares_and_what_became_of_them(org: Org, django_assert_max_num_queries: Any) -> None:
    from crm.benefits.services import hand_out
    from tests.factories.guides import actor

    client = of(org.guide)
    for count in (1, 5):
        for number in range(count):
            hand_out(
                make_batch(),
                make_member(owner=org.guide),
                guide=org.guide,
                key=f"k{number}",
                actor=actor(org.guide),
                now=NOW,
            )
        with django_assert_max_num_queries(14):
            page = client.get("/g/coupons/").content.decode()
    assert "今天发了 6 张" in page


# ---------------------------------------------------------------- HQ


def test_hq_makes_a_template_a_batch_and_waits_for_the_second_person(org: Org) -> None:
    client = of(make_staff("hq_operator", unit=org.hq))
    terms = {"name": "秋冬满 2000 减 200", "kind": "amount", "amount_fen": "200", "threshold_fen": "2000", "valid_days": "30",
             "member_levels": ["V3"], "idempotency_key": "a"}  # fmt: skip
    wrong = client.post("/hq/coupons/templates/new/", terms | {"amount_fen": "abc", "idempotency_key": "x"})
    assert (wrong.status_code, "最多两位小数" in wrong.content.decode()) == (422, True)
    made = client.post("/hq/coupons/templates/new/", terms)
    assert made.status_code == 302
    plan = {"name": "秋冬", "stock_count": "5000", "ways": ["guide", "audience"], "opens_on": "2025-06-10", "closes_on": "2025-07-10",
            "guide_limit": "20", "reason": "上新", "idempotency_key": "b"}  # fmt: skip
    short = client.post(made["Location"], plan | {"stock_count": "0", "idempotency_key": "y"})
    assert short.status_code == 422
    assert client.post(made["Location"], plan).status_code == 302
    batch = CouponBatch.objects.get()
    assert (batch.state, batch.template.amount_fen, batch.template.member_levels) == ("asked", 20_000, ["V3"])
    assert Approval.objects.get().state == "asked"
    assert "等第二个人同意" in client.get(f"/hq/coupons/batches/{batch.pk}/").content.decode()


def test_one_batch_is_counted_given_shared_and_stopped(org: Org) -> None:
    make_member(store=org.store, member_level="V3")
    batch = make_batch(make_template(unit=org.hq), unit=org.hq, made_by=make_staff("hq_operator", unit=org.hq),
                       started_by=make_staff("hq_crm", unit=org.hq))  # fmt: skip
    client, page = of(make_staff("hq_operator", unit=org.hq)), f"/hq/coupons/batches/{batch.pk}/"
    counted = client.post(f"{page}issue/", {"act": "count", "levels": ["V3"]})
    assert "发给 1 位会员" in counted.content.decode()
    assert (
        '<input type="hidden" name="levels" value="V3">' in counted.content.decode()
    )  # what was counted is what is given
    assert client.post(f"{page}issue/", {"act": "issue", "levels": ["V3"], "idempotency_key": "a"}).status_code == 302
    assert CouponIssue.objects.get().meant_count == 1
    shared = {"unit": org.branch.pk, "limit": "50", "idempotency_key": "b"}
    assert client.post(f"{page}share/", shared).status_code == 302
    assert CouponQuota.objects.get().limit_count == 50
    assert client.post(f"{page}stop/", {"reason": "", "idempotency_key": "c"}).status_code == 422
    assert client.post(f"{page}stop/", {"reason": "换一批", "idempotency_key": "d"}).status_code == 302
    batch.refresh_from_db()
    assert batch.state == "stopped"


def test_only_finance_reads_what_coupons_cost(org: Org) -> None:
    member = make_member(owner=org.guide)
    batch = make_batch(make_template(unit=org.hq), unit=org.hq)
    redeem(make_coupon(member, batch), subject="sale:1", key="u", discount_fen=12_345_600, **AT)
    pages = {
        role: of(make_staff(role, unit=org.hq)).get(f"/hq/coupons/batches/{batch.pk}/").content.decode()
        for role in ("finance", "hq_operator")
    }
    assert "12.3 万" in pages["finance"] and "12.3 万" not in pages["hq_operator"]
    assert of(make_staff("hq_merch", unit=org.hq)).get("/hq/coupons/").status_code == 403


def test_the_list_of_batches_needs_the_same_statements_for_any_length(
    org: Org, django_assert_max_num_queries: Any
) -> None:
    client = of(make_staff("hq_operator", unit=org.hq))
    for count in (1, 12):
        for _ in range(count):
            make_coupon(make_member(), make_batch(make_template(unit=org.hq), unit=org.hq))
        with django_assert_max_num_queries(18):
            assert client.get("/hq/coupons/").status_code == 200
    assert client.get("/hq/coupons/templates/").status_code == 200


def test_a_branch_sees_its_own_and_hqs(org: Org) -> None:
    make_batch(make_template("总部的"), unit=org.hq, name="总部批次")
    make_batch(make_template("江苏的"), unit=org.branch, name="江苏批次")
    other = make_staff("branch_member_manager", unit=org.branch)
    page = of(other).get("/hq/coupons/").content.decode()
    assert "总部批次" in page and "江苏批次" in page
    from tests.factories.guides import make_unit

    stranger = make_staff("branch_member_manager", unit=make_unit("branch", parent=org.hq))
    page = of(stranger).get("/hq/coupons/").content.decode()
    assert "总部批次" in page and "江苏批次" not in page


def test_the_rules_are_read_as_they_are(org: Org) -> None:
    settle_orders([], now=NOW)
    page = of(make_staff("hq_operator", unit=org.hq)).get("/hq/points/").content.decode()
    assert "黑金会员" in page and "¥12,000" in page and "每月 18 号" in page
