"""Members' pages: what stands on them, whose rows, and the acts only he can do."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.benefits.models import Coupon
from crm.benefits.queries import points_of
from crm.members.models import Member
from crm.privacy.models import ConsentRecord, MemberRequest
from crm.wallet.models import CardHolder, CardRefund, TopUp
from crm.wallet.services import begin_top_up
from tests.conftest import TestClock
from tests.factories.benefits import give_points, make_batch, make_coupon, make_template
from tests.factories.checkout import give_card
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.guides import Org, actor
from tests.factories.portal import as_member, sign_in_member
from tests.factories.wallet import id_number, make_holder, make_wallet, top_up
from yejibao.core import clock as product_clock
from yejibao.core.models import AuditEntry

from .conftest import NOW

pytestmark = pytest.mark.django_db

PARTS = ("核心", "潜力", "RFM", "631", "生命周期")  # ours alone (design/README §2)


def shown(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def posted(client: Client, path: str, **fields: Any) -> Any:
    return client.post(path, {"idempotency_key": uuid.uuid4().hex, **fields})


# ---------------------------------------------------------------- 会员中心


def test_home_shows_level_money_points_coupons_guide_and_the_last_order(
    phone: Client, member: Member, org: Org, django_assert_max_num_queries: Any
) -> None:
    give_card(member, 186000)
    give_points(member, 8420)
    make_coupon(member, make_batch(make_template("大衣券")))
    make_order(member, paid_at=NOW, amount_fen=268000, guide=org.guide)
    with django_assert_max_num_queries(40):
        answer = phone.get("/my/")
    said = shown(answer)
    for words in (
        "王哥",
        "白金会员",
        "再买 ¥5,540",
        "¥1,860",
        "8,420",
        "晓雯",
        "新街口店",
        "大衣券",
        "藏青羊毛套西",
        "¥2,680",
    ):
        assert words in said, words
    assert not [word for word in PARTS if word in said]
    assert "no-store" in answer["Cache-Control"]


def test_home_of_a_new_member_has_no_guide_and_nothing_empty(client: Client, clock: TestClock) -> None:
    clock.travel(NOW)
    said = shown(sign_in_member(client, make_member(name="新会员")).get("/my/"))
    assert "普通会员" in said and "专属导购" not in said and "最近一单" not in said


def test_the_code_of_his_own_guide_is_shown_until_they_are_friends(phone: Client, member: Member, org: Org) -> None:
    from crm.friends.models import ContactWay

    assert phone.get("/my/guide/qr.png").status_code == 404
    ContactWay.objects.create(
        kind="guide",
        guide=org.guide,
        token="g1",
        state="ready",
        created_at=product_clock.now(),
        picture=b"png",
        qr_url="x",
    )
    assert "加好友" in shown(phone.get("/my/")) and phone.get("/my/guide/qr.png").content == b"png"
    make_friend(member)
    assert "加好友" not in shown(phone.get("/my/"))


# ---------------------------------------------------------------- orders, points, coupons


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_of_orders_costs_the_same_for_any_length(
    phone: Client, member: Member, count: int, django_assert_num_queries: Any
) -> None:
    for number in range(count):
        make_order(
            member,
            paid_at=f"2026-11-{10 + number} 15:00",
            lines=[{"item_name": f"衬衫{number}", "paid_fen": 30000}] * 2,
        )
    make_order(make_member(), paid_at=NOW, lines=[{"item_name": "别人的大衣", "paid_fen": 1}])
    with django_assert_num_queries(3):  # the session with its member; orders; their lines
        said = shown(phone.get("/my/orders/"))
    assert "别人的大衣" not in said and said.count("衬衫") >= count


@pytest.mark.parametrize("count", [1, 3])
def test_the_lists_of_money_points_and_coupons_cost_the_same_for_any_length(
    phone: Client, member: Member, count: int, django_assert_num_queries: Any
) -> None:
    for _number in range(count):
        give_card(member, 10000)
        give_points(member, 100)
        make_coupon(member)
    for path, statements in (("/my/wallet/", 6), ("/my/points/", 5), ("/my/coupons/", 4)):
        with django_assert_num_queries(statements):
            assert phone.get(path).status_code == 200


def test_points_and_what_ends_first(phone: Client, member: Member) -> None:
    give_points(member, 500)
    said = shown(phone.get("/my/points/"))
    assert "可用积分 500" in said and "2027-12-31 到期" in said and "消费得积分" in said


def test_a_coupon_is_claimed_once_by_its_link(phone: Client, member: Member) -> None:
    batch = make_batch(make_template("双十一券"), stock=1)
    path = f"/my/claim/{batch.public_id}/"
    assert "领一张" in shown(phone.get(path))
    assert phone.post(path).status_code == 400  # no key, no coupon
    first = phone.post(path, {"idempotency_key": "k1"})
    again = phone.post(path, {"idempotency_key": "k1"})
    assert (first.status_code, again.status_code) == (302, 302)
    coupon = Coupon.objects.get()
    assert (coupon.member, coupon.way) == (member, "claim")
    assert "您领过了" in shown(phone.get(path))
    assert "双十一券" in shown(phone.get("/my/coupons/"))
    late = posted(sign_in_member(Client(), make_member()), path)
    assert late.status_code == 409 and "已经领完" in shown(late)


def test_points_become_a_coupon_once_he_has_enough(phone: Client, member: Member) -> None:
    batch = make_batch(make_template("积分换 50 元券"), ways=["points"], points_price=4000)
    path = f"/my/points/exchange/{batch.public_id}/"
    assert path in phone.get("/my/coupons/").content.decode() and "还差 4,000 分" in shown(phone.get(path))
    assert posted(phone, path).status_code == 409
    give_points(member, 5000)
    assert "用 4,000 积分换一张" in shown(phone.get(path))
    for _ in range(2):
        assert phone.post(path, {"idempotency_key": "k1"}).status_code == 302
    coupon = Coupon.objects.get()
    assert (coupon.member, coupon.way, points_of(member, now=product_clock.now()).usable) == (member, "points", 1000)
    assert "现在换不了" in shown(phone.get(path))  # one a member
    assert phone.get(f"/my/points/exchange/{make_batch(ways=['claim']).public_id}/").status_code == 404


def test_an_ended_or_unknown_batch(phone: Client) -> None:
    batch = make_batch(closes_at=product_clock.now() - timedelta(hours=1))
    assert "已经结束" in shown(phone.get(f"/my/claim/{batch.public_id}/"))
    for hidden in (make_batch(ways=["guide"]).public_id, make_batch(state="draft").public_id, uuid.uuid4()):
        assert phone.get(f"/my/claim/{hidden}/").status_code == 404


# ---------------------------------------------------------------- stored value


def test_the_wallet_says_every_movement_of_his_and_nobody_elses(phone: Client, member: Member, org: Org) -> None:
    now = product_clock.now()
    top_up(member, now=now, guide=org.guide)
    make_wallet(make_member(), now=now, principal_fen=777700)
    said = shown(phone.get("/my/wallet/"))
    assert "¥1,050.00" in said and "+¥1,050.00" in said and "充值" in said and "7,777" not in said


def asked(member: Member, org: Org, *, method: str = "counter") -> TopUp:
    return begin_top_up(
        member,
        tier="t1000",
        method=method,
        store=org.store,
        guide=org.guide,
        actor=actor(org.guide),
        now=product_clock.now(),
    )


def test_a_top_up_is_confirmed_by_the_member_with_his_real_name_the_first_time(
    phone: Client, member: Member, org: Org
) -> None:
    held = asked(member, org)
    path = f"/my/top-ups/{held.public_id}/"
    said = shown(phone.get(path))
    assert "¥1,000" in said and "送 ¥50" in said and "实名登记" in said and "章程" in said
    real = {"terms": "1", "agree": "1", "name": "王建平", "id_number": id_number(), "contact": "13800132075"}
    for wrong, words in (
        (real | {"agree": ""}, "勾选同意"), (real | {"id_number": "110101198001011234"}, "身份证号不对"), (real | {"terms": "7"}, "新版本"),
    ):  # fmt: skip
        refused = posted(phone, f"{path}confirm/", **wrong)
        assert refused.status_code in (412, 422) and words in shown(refused), words
        held.refresh_from_db()
        assert held.state == "asked"
    assert phone.post(f"{path}confirm/", real).status_code == 400
    assert posted(phone, f"{path}confirm/", **real).status_code == 302
    assert posted(phone, f"{path}confirm/", **real).status_code == 302  # a second tap changes nothing
    held.refresh_from_db()
    assert (held.state, held.terms_version, CardHolder.objects.count()) == ("confirmed", 1, 1)
    assert "请到柜台付" in shown(phone.get(path))
    assert phone.get(f"{path}state/").json() == {"state": "confirmed"}
    row = AuditEntry.objects.get(action="wallet.top_up_confirmed")
    assert (row.actor_kind, row.actor_id) == ("member", member.pk)


def test_the_second_top_up_asks_for_no_name(phone: Client, member: Member, org: Org) -> None:
    make_holder(member, now=product_clock.now())
    assert "实名登记" not in shown(phone.get(f"/my/top-ups/{asked(member, org).public_id}/"))


def test_a_link_that_expired_says_so_and_moves_nothing(
    phone: Client, member: Member, org: Org, clock: TestClock
) -> None:
    make_holder(member, now=product_clock.now())
    held = asked(member, org)
    clock.advance(minutes=31)
    assert "链接过期" in shown(phone.get(f"/my/top-ups/{held.public_id}/"))
    late = posted(phone, f"/my/top-ups/{held.public_id}/confirm/", terms="1", agree="1")
    assert late.status_code == 409 and TopUp.objects.get().state == "asked"


def test_another_members_top_up_is_not_there(org: Org, member: Member) -> None:
    held = asked(member, org)
    other = sign_in_member(Client(), make_member(owner=org.guide))
    for tail in ("", "state/"):
        assert other.get(f"/my/top-ups/{held.public_id}/{tail}").status_code == 404
    for tail in ("confirm/", "pay/"):
        assert posted(other, f"/my/top-ups/{held.public_id}/{tail}", terms="1", agree="1").status_code == 404
    assert TopUp.objects.get().state == "asked"


def test_he_asks_for_his_money_back_to_an_account_of_his_own(phone: Client, member: Member) -> None:
    now = product_clock.now()
    make_wallet(member, now=now)
    make_holder(member, now=now, name="王建平")
    given = {"way": "account", "payee_name": "李四", "payee_account": "6222020200112233445", "reason": "搬家了"}
    refused = posted(phone, "/my/wallet/refund/", **given)
    assert refused.status_code == 422 and "户名要和实名登记" in shown(refused)
    assert posted(phone, "/my/wallet/refund/", **given | {"payee_name": "王建平"}).status_code == 302
    made = CardRefund.objects.get()
    assert (made.asked_kind, made.asked_by, made.state) == ("member", None, "asked")
    assert "退卡" in shown(phone.get("/my/wallet/"))


# ---------------------------------------------------------------- privacy


def test_what_he_allows_is_set_by_himself(phone: Client, member: Member) -> None:
    seen = re.search(r'name="seen" value="([^"]*)"', phone.get("/my/privacy/").content.decode())
    assert seen is not None
    answer = phone.post("/my/privacy/allow/", {"seen": seen[1], "channels": ["sms"], "allows": ["phone"]})
    assert answer.status_code == 302
    member.refresh_from_db()
    assert (member.no_profiling, member.phone_consent, "sms" in member.marketing_opt_out) == (True, True, False)
    assert "wecom_message" in member.marketing_opt_out
    assert ConsentRecord.objects.filter(member=member, channel="mini_program", by=None).exists()
    stale = phone.post("/my/privacy/allow/", {"seen": seen[1], "channels": []})
    assert stale.status_code == 412


def test_he_asks_for_deletion_and_takes_it_back(phone: Client, member: Member) -> None:
    posted(phone, "/my/privacy/ask/", kind="delete")
    made = MemberRequest.objects.get()
    assert (made.member, made.state, made.proof) == (member, "checked", "signed_in")
    assert "答复您" in shown(phone.get("/my/privacy/"))
    phone.post("/my/privacy/withdraw/", {"kind": "delete"})
    made.refresh_from_db()
    assert made.state == "withdrawn"
    assert MemberRequest.objects.visible_to(as_member(make_member())).count() == 0
