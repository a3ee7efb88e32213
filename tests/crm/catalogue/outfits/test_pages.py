"""The pages: a guide's view of a member's week, what she changes and sends, the cart; proposals; the stylists' library."""

import json
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from crm.catalogue.models import Sku
from crm.catalogue.outfits.models import LookShare, Outfit, OutfitCredit
from crm.catalogue.outfits.services import share_look
from crm.catalogue.services.items import make_codes
from crm.catalogue.stock_models import Reservation, StockLevel
from crm.members.models import Member
from crm.orders.checkout.models import Sale
from crm.orders.checkout.services import close_expired
from crm.portal import looks
from guides.notices.models import Notification
from tests.factories.crm import make_friend, make_member
from tests.factories.guides import Org, actor, holder_of, sign_in
from tests.factories.portal import sign_in_member

from .conftest import NOW, bought, stock_all
from .test_library import GOOD, WORDS, ids, proposal

TODAY = "2026-11-23"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def member(org: Org) -> Member:
    stock_all(org.store)
    found = make_member(owner=org.guide, name="王建平", salutation="王哥")
    bought(found, "25FXF102-BK", "26SCS201-WH", "26SKZ901-BK", "26SXZ951-BK")
    make_friend(found)
    return found


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    return sign_in(client, org.guide)


def url(member: Member, what: str = "") -> str:
    return f"/g/members/{member.public_id}/outfits/" + (f"{what}/" if what else "")


def test_the_week_shows_what_he_has_and_what_to_add(guide: Client, member: Member) -> None:
    page = guide.get(url(member)).content.decode()
    for text in (
        "7 天穿搭",
        "王建平",
        "上衣 180/96A",
        "已有",
        "03-12 买的",
        "本店 180/96A 有 3 件",
        "加购",
        "发给王哥",
    ):
        assert text in page
    assert "半麻衬合体套西" in page


def test_another_guide_does_not_find_it(client: Client, org: Org, member: Member) -> None:
    stranger = sign_in(client, org.stranger)
    assert stranger.get(url(member)).status_code == 404
    assert stranger.post(url(member, "cart"), {"day": TODAY}).status_code == 404


@pytest.mark.parametrize("days", [0, 2])
def test_the_page_takes_the_same_statements_for_any_day(
    guide: Client, member: Member, days: int, django_assert_max_num_queries: Any
) -> None:
    guide.get(url(member))
    with django_assert_max_num_queries(30):
        assert guide.get(url(member) + f"?day=2026-11-{23 + days}").status_code == 200


def test_a_piece_is_swapped_by_the_sheet(guide: Client, member: Member) -> None:
    sheet = guide.get(url(member, "swaps") + f"?day={TODAY}&piece=25WDY602-CG", headers=HTMX).content.decode()
    assert "25WDY603-BK" in sheet or "25WDY602-BR" in sheet
    answer = guide.post(
        url(member, "choose"), {"day": TODAY, "piece": "25WDY602-CG", "instead": "25WDY602-BR"}, headers=HTMX
    )
    assert answer.status_code == 200 and "双面羊毛大衣" in json.loads(answer.headers["HX-Trigger"])["toast"]["text"]
    assert "还原" in answer.content.decode()
    guide.post(url(member, "choose"), {"day": TODAY, "back": "1"}, headers=HTMX)
    assert "还原" not in guide.get(url(member)).content.decode()


def test_one_tap_puts_what_is_missing_into_a_draft_sale_in_his_sizes(guide: Client, org: Org, member: Member) -> None:
    answer = guide.post(url(member, "cart"), {"day": TODAY, "idempotency_key": "k1"})
    sale = Sale.objects.get()
    assert (answer.status_code, sale.channel, sale.member, sale.guide, sale.store) == (
        302,
        "proxy",
        member,
        org.guide,
        org.store,
    )
    assert str(sale.public_id) in answer["Location"]
    put = dict(sale.lines.values_list("sku__style__sku_code", "sku__size"))
    assert put["25WDY602-CG"] == "180/96A" and put["26SPS971-BK"] == "110"
    assert "25FXF102-BK" not in put  # his own
    guide.post(url(member, "cart"), {"day": TODAY, "idempotency_key": "k1"})
    assert Sale.objects.count() == 1
    guide.post(url(member, "cart"), {"day": TODAY, "only": "26SPS972-NV", "idempotency_key": "k2"})
    guide.post(url(member, "cart"), {"day": TODAY, "idempotency_key": "k3"})
    # The order she has open for him goes on: what lies in it already is not put in twice.
    assert Sale.objects.get().lines.filter(sku__style__sku_code="26SPS972-NV", quantity=1).count() == 1
    assert set(put.items()) <= set(sale.lines.values_list("sku__style__sku_code", "sku__size"))


def test_it_goes_to_him_with_a_link_and_his_opening_is_told(
    guide: Client, client: Client, org: Org, member: Member
) -> None:
    sent = guide.post(
        url(member, "share"), json.dumps({"text": "王哥，看看", "day": TODAY}), content_type="application/json"
    )
    told, share = sent.json(), LookShare.objects.get()
    assert told["text"].splitlines()[0] == "王哥，看看" and f"/my/outfits/?s={share.public_id}" in told["text"]
    assert guide.post(told["sent"], "{}", content_type="application/json").status_code == 200
    his = sign_in_member(Client(), member)
    page = his.get(f"/my/outfits/?s={share.public_id}").content.decode()
    for text in ("「王哥，看看」", "您的套西", "晓雯"):
        assert text in page
    his.get(f"/my/outfits/?s={share.public_id}")
    share.refresh_from_db()
    assert (share.sent_at, share.opened_at) == (NOW, NOW)
    assert [one.title for one in Notification.objects.filter(staff=org.guide)] == ["王哥打开了你发的穿搭"]


@pytest.mark.parametrize("why", ["do_not_contact", "lost", "night"])
def test_what_may_not_leave_now_does_not(guide: Client, clock: Any, member: Member, why: str) -> None:
    if why == "do_not_contact":
        Member.objects.filter(pk=member.pk).update(do_not_contact=True)
    if why == "lost":
        member.friend_links.update(state="deleted_by_member")
    if why == "night":
        clock.travel("2026-11-23 23:10")
    answer = guide.post(url(member, "share"), json.dumps({"text": "王哥", "day": ""}), content_type="application/json")
    assert (answer.status_code, LookShare.objects.count()) == (409, 0)


# ---------------------------------------------------------------- his own phone


def test_he_buys_what_he_ticks_and_pays_it_himself(member: Member) -> None:
    his = sign_in_member(Client(), member)
    page = his.get("/my/outfits/").content.decode()
    assert "要添的" in page and "请晓雯备货" in page
    answer = his.post("/my/outfits/buy/", {"day": TODAY, "only": "26SPS972-NV", "idempotency_key": "b1"})
    sale = Sale.objects.get()
    assert (answer["Location"], sale.channel, sale.state) == (f"/my/pay/{sale.public_id}/", "mall", "awaiting_member")
    assert his.post("/my/outfits/buy/", {"day": TODAY, "only": "26SPS972-NV"}).status_code == 400  # no key


SHOES, BELT = "26SPS972-NV", "26SPS971-BK"


def buy(his: Client, *only: str) -> Any:
    return his.post("/my/outfits/buy/", {"day": TODAY, "only": only, "idempotency_key": uuid4().hex})


def another_who_wears_the_same(org: Org) -> Client:
    found = make_member(owner=org.guide, name="李四")
    bought(found, "25FXF102-BK", "26SCS201-WH", "26SKZ901-BK", "26SXZ951-BK")
    return sign_in_member(Client(), found)


def test_every_piece_of_what_he_buys_is_kept_while_he_pays(org: Org, member: Member, clock: Any) -> None:
    StockLevel.objects.filter(style__sku_code=BELT).update(quantity=1)
    his, other = sign_in_member(Client(), member), another_who_wears_the_same(org)
    there = buy(his, SHOES, BELT)["Location"]
    sale, until = Sale.objects.get(), NOW + timedelta(minutes=30)
    kept = Reservation.objects.holding()
    assert sorted(kept.values_list("sku__style__sku_code", "until")) == sorted((code, until) for code in (SHOES, BELT))
    assert sale.expires_at == until
    note = Notification.objects.get(staff=org.guide)
    assert (note.title, "留到 10:40" in note.text) == ("王建平在买一套里的 2 件", True)
    assert buy(other, BELT).status_code == 409  # nobody else pays for the last one
    assert buy(his, SHOES, BELT)["Location"] == there and Sale.objects.count() == 1
    assert f'href="{there}"' in his.get("/my/outfits/").content.decode()  # to him it does not look sold out
    close_expired(now=clock.travel(until))
    assert not Reservation.objects.holding().exists()
    assert buy(other, BELT).status_code == 302


def test_what_goes_between_the_look_and_the_tap_is_said_and_nothing_is_kept(
    org: Org, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    his, other = sign_in_member(Client(), member), another_who_wears_the_same(org)
    seen = looks.own_week(member, now=NOW)
    StockLevel.objects.filter(style__sku_code=BELT).update(quantity=1)
    buy(other, BELT)
    monkeypatch.setattr(looks, "own_week", lambda *_, **__: seen)
    answer = his.post("/my/outfits/buy/", {"day": TODAY, "only": [SHOES, BELT], "idempotency_key": "z"}, headers=HTMX)
    assert answer.status_code == 409 and "刚被别人买走" in answer.content.decode()
    assert not Reservation.objects.filter(member=member).exists() and not Sale.objects.filter(member=member).exists()


def test_he_asks_his_guide_and_changes_a_day(org: Org, member: Member) -> None:
    his = sign_in_member(Client(), member)
    his.post("/my/outfits/ask/", {"day": TODAY, "idempotency_key": "a1"})
    note = Notification.objects.get(staff=org.guide)
    assert (note.title, note.url) == ("王哥请你备货", f"{url(member)}?day={TODAY}")
    before = his.get("/my/outfits/").content.decode()
    share, _text = share_look(
        member, starts_on=date(2026, 11, 23), day=None, words="看看", actor=actor(org.guide), now=NOW
    )
    for _ in range(2):
        his.post("/my/outfits/like/", {"day": TODAY, "s": str(share.public_id)})
    assert Notification.objects.filter(staff=org.guide, title="王哥喜欢你发的穿搭").count() == 1
    his.post("/my/outfits/change/", {"day": TODAY, "idempotency_key": "c1"})
    assert his.get("/my/outfits/").content.decode() != before


def test_a_link_of_another_member_shows_his_own_week_and_counts_for_nobody(org: Org, member: Member) -> None:
    other = make_member(owner=org.guide, name="李四")
    share, _text = share_look(
        member, starts_on=date(2026, 11, 23), day=None, words="只给王哥", actor=actor(org.guide), now=NOW
    )
    page = sign_in_member(Client(), other).get(f"/my/outfits/?s={share.public_id}").content.decode()
    share.refresh_from_db()
    assert "只给王哥" not in page and share.opened_at is None


# ---------------------------------------------------------------- ideas and the library


def test_a_guide_hands_in_and_a_stylist_adopts(guide: Client, org: Org) -> None:
    page = guide.get(f"/g/outfits/propose/?piece={ids(*GOOD)[0]}").content.decode()
    assert "还缺一双鞋" in page
    form = WORDS | {"piece": ids(*GOOD), "idempotency_key": "p1"}
    answer = guide.post("/g/outfits/propose/", form)
    made = Outfit.objects.get(author=org.guide)
    assert answer["Location"] == f"/g/outfits/{made.pk}/"
    desk = sign_in(Client(), holder_of("stylist", org))
    assert "藏青配白" in desk.get("/hq/outfits/?state=proposed").content.decode()
    assert "林晓雯" in desk.get(f"/hq/outfits/{made.pk}/").content.decode()
    desk.post(f"/hq/outfits/{made.pk}/adopt/", {"idempotency_key": "d1"})
    assert OutfitCredit.objects.get().guide == org.guide
    assert "被采纳的好搭配" in guide.get("/g/outfits/").content.decode()
    assert "成长分 +20" in guide.get(f"/g/outfits/{made.pk}/").content.decode()


def test_a_form_with_mistakes_keeps_what_was_typed(guide: Client) -> None:
    answer = guide.post("/g/outfits/propose/", WORDS | {"piece": ids(*GOOD)[:1], "idempotency_key": "p1"})
    assert answer.status_code == 422
    assert "还缺一双鞋" in answer.content.decode() and "藏青显气色" in answer.content.decode()


def test_the_board_says_what_is_wrong_as_it_grows(guide: Client) -> None:
    found = guide.get("/outfits/goods/?q=25FXF101").content.decode()
    assert f'data-pick="{ids("25FXF101-NV")[0]}"' in found
    board = guide.post("/outfits/board/", {"piece": ids("25FXF101-NV", "26SXZ951-BR", "26SPS971-BK")}).content.decode()
    assert "皮带要和皮鞋同色" in board
    assert "成套了" in guide.post("/outfits/board/", {"piece": ids(*GOOD)}).content.decode()


def test_the_stylist_writes_publishes_renews_and_withdraws(org: Org) -> None:
    desk = sign_in(Client(), holder_of("stylist", org))
    desk.post("/hq/outfits/new/", WORDS | {"piece": ids(*GOOD), "idempotency_key": "n1"})
    made = Outfit.objects.get(name="藏青配白")
    desk.post(f"/hq/outfits/{made.pk}/", WORDS | {"name": "藏青配白二", "piece": ids(*GOOD), "idempotency_key": "n2"})
    for what, more in (("publish", {}), ("withdraw", {"why": "换季"})):
        assert desk.post(f"/hq/outfits/{made.pk}/{what}/", {"idempotency_key": what} | more).status_code == 302
    made.refresh_from_db()
    assert (made.name, made.state, made.ended_why) == ("藏青配白二", "withdrawn", "换季")
    assert desk.post(f"/hq/outfits/{made.pk}/burn/", {"idempotency_key": "x"}).status_code == 404


@pytest.mark.parametrize("rows", [1, 6])
def test_the_library_takes_the_same_statements_for_any_length(
    org: Org, rows: int, django_assert_max_num_queries: Any
) -> None:
    for _ in range(rows):
        proposal(org)
    desk = sign_in(Client(), holder_of("stylist", org))
    desk.get("/hq/outfits/?state=proposed")
    with django_assert_max_num_queries(25):
        page = desk.get("/hq/outfits/?state=proposed").content.decode()
    assert page.count("藏青配白") == rows


def test_a_garments_code_shows_how_it_is_worn(org: Org) -> None:
    sku = Sku.objects.get(style__sku_code="25WDY602-CG", size="180/96A")
    made = make_codes(sku, 1, key="k", actor=actor(holder_of("hq_merch", org)), now=NOW)
    page = Client().get(f"/i/{made.items.get().code}/").content.decode()
    assert "怎么搭" in page and "开年会" in page
