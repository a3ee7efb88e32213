"""货品 on the phone and at the PC: finding, keeping, asking, prices, and what a member reads under a code."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crm.catalogue import services
from crm.catalogue.item_models import ItemCode
from crm.catalogue.loading import load_product_tags
from crm.catalogue.models import StyleColor, StylePrice, StyleTag
from crm.catalogue.stock_models import Reservation, TransferRequest
from guides.notices.models import Notification
from tests.factories.crm import make_member
from tests.factories.goods import SIZE, make_goods, make_stock, sku_of
from tests.factories.guides import Org, actor, holder_of, make_org, sign_in
from tests.factories.portal import sign_in_member
from yejibao.core.clock import parse_iso
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-03-02 10:00")
DAY = timedelta(days=1)


@pytest.fixture
def org(clock: Any) -> Org:
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def style() -> StyleColor:
    return make_goods(fabric_detail="羊毛70% 聚酯纤维28% 氨纶2%")


@pytest.fixture
def guide(client: Client, org: Org) -> Client:
    return sign_in(client, org.guide)


@pytest.mark.parametrize("rows", [1, 5])
def test_the_list_needs_the_same_statements_for_any_length(
    guide: Client, org: Org, rows: int, django_assert_max_num_queries: Any
) -> None:
    load_product_tags()
    for nth in range(rows):
        make_stock(make_goods(f"26SXF{nth:03}-NV"), org.store, 2, as_of=NOW)
    with django_assert_max_num_queries(12):
        page = guide.get("/g/goods/").content.decode()
    assert page.count("本店 2 件") == rows and page.count('class="gd-card') == rows


def test_a_guide_finds_a_style_and_sees_where_its_sizes_are(guide: Client, org: Org, style: StyleColor) -> None:
    make_stock(style, org.other_store, 2, as_of=NOW - timedelta(hours=3))
    make_stock(style, org.store, 0, as_of=NOW)
    assert "抗皱羊毛修身套西" in guide.get("/g/goods/?q=kzym").content.decode()
    assert "没找到这样的货" in guide.get("/g/goods/?q=火箭").content.decode()
    page = guide.get(f"/g/goods/{style.pk}/?size={SIZE}").content.decode()
    for words in ("邻店 2", "观前店", "羊毛70%", "干洗为主", "3 小时前", "¥2,580"):
        assert words in page, words
    assert guide.get(f"/g/goods/{style.pk}/?size=nonsense&member=nobody").status_code == 200
    assert guide.get("/g/goods/999999/").status_code == 404


def test_what_a_scanner_reads_leads_to_its_page(guide: Client, org: Org, style: StyleColor) -> None:
    sku = sku_of(style)
    batch = services.make_codes(sku, 1, key="b", actor=actor(holder_of("hq_merch", org)), now=NOW)
    code = batch.items.get().code
    home = reverse("crm:goods-style", args=[style.pk])
    for text, page in (
        (sku.barcode, f"{home}?size=180%2F96A"), (sku.code, f"{home}?size=180%2F96A"), (style.sku_code, home),
        (code, f"/g/goods/item/{code}/"), (f"https://yjb.example/i/{code.lower()}/", f"/g/goods/item/{code}/"), ("690000", "/g/goods/"),
    ):  # fmt: skip
        assert guide.get("/g/goods/scan/", {"code": text})["Location"] == page
    assert "还没卖" in guide.get(f"/g/goods/item/{code}/").content.decode()


def test_a_piece_is_kept_once_for_a_form_sent_twice(guide: Client, org: Org, style: StyleColor) -> None:
    make_stock(style, org.store, 2, as_of=NOW)
    member, other = make_member(owner=org.guide), make_member()
    form = {"member": str(member.public_id), "until": "three", "idempotency_key": "k1"}
    url = reverse("crm:goods-reserve", args=[sku_of(style).pk])
    for _ in range(2):
        assert guide.post(url, form).status_code == 302
    kept = Reservation.objects.get()
    assert (kept.member, kept.until) == (member, parse_iso("2026-03-05 22:00"))
    assert guide.post(url, form | {"member": str(other.public_id), "idempotency_key": "k2"}).status_code == 404
    assert guide.post(url, form | {"member": "nobody", "idempotency_key": "k3"}).status_code == 404
    assert member.name in guide.get("/g/goods/kept/").content.decode()
    guide.post(reverse("crm:goods-release", args=[kept.pk]))
    kept.refresh_from_db()
    assert kept.state == "released"


def test_a_colleagues_member_is_not_named(client: Client, org: Org, style: StyleColor) -> None:
    make_stock(style, org.store, 2, as_of=NOW)
    member = make_member(owner=org.manager, name="司马建国")
    services.reserve(sku_of(style), org.store, 1, member=member, key="k", actor=actor(org.manager), now=NOW)
    page = sign_in(client, org.guide).get("/g/goods/kept/").content.decode()
    assert "司马建国" not in page and "陈国栋的会员" in page


def test_the_other_store_answers_and_both_lists_show_it(org: Org, style: StyleColor) -> None:
    make_stock(style, org.other_store, 1, as_of=NOW)
    here, there = sign_in(Client(), org.guide), sign_in(Client(), org.stranger)
    url = reverse("crm:goods-ask", args=[sku_of(style).pk])
    assert here.post(url, {"source": f"store:{org.other_store.pk}"})["Location"] == "/g/goods/transfers/?side=ours"
    row = TransferRequest.objects.get()
    assert "向观前店" in here.get("/g/goods/transfers/?side=ours").content.decode()
    assert "新街口店要" in there.get("/g/goods/transfers/").content.decode()
    assert here.post(f"/g/goods/transfers/{row.pk}/agree/").status_code == 403
    for client, what in ((there, "agree"), (there, "send"), (here, "receive")):
        client.post(f"/g/goods/transfers/{row.pk}/{what}/")
    row.refresh_from_db()
    assert row.state == "received"
    assert here.post(f"/g/goods/transfers/{row.pk}/nonsense/").status_code == 404
    for source in ("", "store:0", "store:x", "moon:1"):
        assert here.post(url, {"source": source}).status_code == 404


@pytest.mark.parametrize("rows", [1, 4])
def test_lists_of_promises_need_the_same_statements(
    guide: Client, org: Org, style: StyleColor, rows: int, django_assert_max_num_queries: Any
) -> None:
    make_stock(style, org.store, 9, as_of=NOW)
    make_stock(style, org.other_store, 9, as_of=NOW)
    for nth in range(rows):
        member = make_member(owner=org.guide)
        services.reserve(sku_of(style), org.store, 1, member=member, key=f"k{nth}", actor=actor(org.guide), now=NOW)
        services.ask_transfer(
            sku_of(style), source=org.store, to_store=org.other_store, member=make_member(owner=org.stranger), key=f"t{nth}",
            actor=actor(org.stranger), now=NOW,
        )  # fmt: skip
    for url in ("/g/goods/kept/", "/g/goods/transfers/"):
        with django_assert_max_num_queries(9):
            assert guide.get(url).content.decode().count('class="gd-card"') == rows


# ---------------------------------------------------------------- HQ


@pytest.fixture
def merch(client: Client, org: Org) -> Client:
    load_product_tags()
    return sign_in(client, holder_of("hq_merch", org))


def test_hq_plans_a_price_and_takes_it_back(merch: Client, style: StyleColor) -> None:
    url = reverse("crm:hq-goods-price", args=[style.pk])
    form = {"kind": "promotion", "price": "1999.50", "starts_on": "2026-03-03", "ends_on": "2026-03-09", "name": "春促"}
    assert merch.post(url, form).status_code == 302
    row = StylePrice.objects.get()
    assert (row.price_fen, row.during.lower, row.during.upper) == (
        199950, parse_iso("2026-03-03 00:00"), parse_iso("2026-03-10 00:00"),
    )  # fmt: skip
    page = merch.post(url, form)
    assert page.status_code == 422 and "同一段时间只能有一个" in page.content.decode()
    for wrong in ({"price": "free"}, {"starts_on": "2026-02-30"}, {"store": "X"}, {"kind": "gift"}, {"ends_on": ""}):
        assert merch.post(url, form | wrong).status_code == 422
    assert "春促" in merch.get(reverse("crm:hq-goods-style", args=[style.pk])).content.decode()
    merch.post(reverse("crm:hq-goods-price-end", args=[row.pk]))
    assert not StylePrice.objects.exists()
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["price.set", "price.withdrawn"]


def test_hq_writes_the_story_and_a_tag_and_finds_by_it(merch: Client, style: StyleColor) -> None:
    url = reverse("crm:hq-goods-style", args=[style.pk])
    merch.post(url, {"words": "一块好料子", "selling_points": "坐一天不皱"})
    merch.post(reverse("crm:hq-goods-tag", args=[style.pk]), {"tag": "craft", "values": ["免烫", "半麻衬"]})
    merch.post(
        reverse("crm:hq-goods-tag", args=[style.pk]), {"tag": "season", "values": ["冬"]}
    )  # comes with the goods
    style.refresh_from_db()
    assert (style.story, style.selling_points, StyleTag.objects.count()) == ("一块好料子", "坐一天不皱", 2)
    make_goods("26SXF100-NV", name="别的")
    page = merch.get("/hq/goods/?tag=craft&value=免烫").content.decode()
    assert style.sku_code in page and "26SXF100-NV" not in page


def test_hq_makes_codes_and_prints_them(merch: Client, style: StyleColor) -> None:
    answer = merch.post("/hq/goods/codes/", {"sku": sku_of(style).code, "count": "3", "idempotency_key": "k"})
    page = merch.get(answer["Location"]).content.decode()
    assert page.count("<svg") >= 3 and all(one.code in page for one in ItemCode.objects.all())
    assert merch.post("/hq/goods/codes/", {"sku": "nothing", "count": "3"}).status_code == 422
    assert "3" in merch.get("/hq/goods/codes/").content.decode()


# ---------------------------------------------------------------- under the code


def test_a_member_reads_about_his_piece_and_registers_it_and_another_learns_nothing_of_him(
    client: Client, org: Org, style: StyleColor
) -> None:
    StyleColor.objects.filter(pk=style.pk).update(story="一块好料子")
    make_stock(style, org.store, 2, as_of=NOW)
    batch = services.make_codes(sku_of(style), 1, key="b", actor=actor(holder_of("hq_merch", org)), now=NOW)
    code = batch.items.get().code
    page = client.get(f"/i/{code}/").content.decode()
    for words in ("一块好料子", "干洗为主", "¥2,580", "新街口店", "登录登记"):
        assert words in page, words
    assert "2 件" not in page  # how much lies in a store is no customer's matter
    member = make_member(owner=org.guide, name="欧阳建国")
    services.sold(
        org.store, [(sku_of(style), 1)], subject="sale:1", key="s", now=NOW, actor=actor(org.guide), member=member, item_codes=[code]
    )  # fmt: skip
    his = sign_in_member(Client(), member)
    assert his.post(f"/i/{code}/register/").status_code == 302
    assert "这是您的衣服" in his.get(f"/i/{code}/").content.decode()
    stranger_to_it = make_member(owner=org.guide, name="司徒明")
    other = sign_in_member(Client(), stranger_to_it)
    page = other.get(f"/i/{code}/").content.decode()
    assert "已由购买人登记" in page and "欧阳" not in page and str(member.public_id) not in page
    assert other.post(f"/i/{code}/register/").status_code == 409
    for _ in range(2):
        assert other.post(f"/i/{code}/ask/").status_code == 302
    wish = Notification.objects.get(staff=org.guide)
    assert wish.title == "司徒明想要抗皱羊毛修身套西"
    assert "司徒明" in sign_in(Client(), org.guide).get(wish.url).content.decode()
    assert sign_in_member(Client(), make_member(owner=None)).post(f"/i/{code}/ask/").status_code == 409
    assert client.get("/i/NOSUCHCODE/").status_code == 404 and client.get(f"/i/{code}/photo/").status_code == 404
    staff = sign_in(Client(), org.guide).get(f"/g/goods/item/{code}/").content.decode()
    assert "欧阳建国" in staff
    stranger = sign_in(Client(), org.stranger).get(f"/g/goods/item/{code}/").content.decode()
    assert "已登记到会员" in stranger and "欧阳建国" not in stranger
