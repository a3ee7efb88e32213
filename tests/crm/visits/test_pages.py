"""The pages: who comes, one visit, a new one, a list of many, the chain down to the names; the member's answer."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.visits import services
from crm.visits.models import Visit, VisitGroup
from tests.factories.crm import make_friend, make_member, make_order
from tests.factories.goods import make_goods, make_stock, sku_of
from tests.factories.guides import Org, actor, holder_of, make_org, make_staff, sign_in
from tests.factories.portal import sign_in_member
from yejibao.core.clock import parse_iso

pytestmark = pytest.mark.django_db
NOON = parse_iso("2025-03-04 11:00")
SATURDAY = parse_iso("2025-03-08 15:00")
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def at_noon(clock: Any) -> None:
    clock.travel("2025-03-04 11:00")


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide, name="赵启明")


def invited(member: Any, org: Org, *, at: Any = SATURDAY, **facts: Any) -> Visit:
    return services.invite(member, starts_at=at, actor=actor(org.guide), now=NOON, **facts)


def text(client: Client, path: str, **more: Any) -> str:
    answer = client.get(path, **more)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def test_a_guide_asks_with_goods_and_sees_what_he_says(client: Client, org: Org, member: Any, clock: Any) -> None:
    sku = sku_of(make_goods())
    make_stock(sku.style, org.store, 1, as_of=NOON)
    sign_in(client, org.guide)
    assert "今天没有约好的" in text(client, "/g/visits/")
    assert "约他到店" in text(client, f"/g/members/{member.public_id}/")
    path = f"/g/members/{member.public_id}/visits/new/"
    assert "3 月 8 日 周六" in text(client, path)
    assert sku.size in text(client, f"/g/visits/pieces/?q={sku.style.name[:2]}", headers=HTMX)
    form = {"starts_at": "2025-03-08T15:00", "kind": "tryon", "words": "新到的大衣", "sku": [sku.pk], "reminder": "1"}
    refused = client.post(path, form | {"starts_at": "2025-03-08T08:00"})
    assert (
        refused.status_code == 422 and "营业" in refused.content.decode() and sku.style.name in refused.content.decode()
    )
    for _twice in range(2):
        assert client.post(path, form | {"idempotency_key": "k1"}).status_code == 302
    visit = Visit.objects.get()
    page = text(client, f"/g/visits/{visit.pk}/")
    assert "已邀约" in page and "留到" in page and "新到的大衣" in page
    services.accept(visit, actor=actor(org.guide), now=NOON)
    assert "已应约" in text(client, f"/g/visits/{visit.pk}/", headers=HTMX)
    assert "赵先生" in text(client, "/g/visits/?tab=coming")
    clock.travel("2025-03-08 14:50")
    assert "到店了" in text(client, f"/g/visits/{visit.pk}/")
    for do, state in (("arrive", "arrived"), ("undo", "accepted"), ("arrive", "arrived")):
        assert client.post(f"/g/visits/{visit.pk}/act/", {"do": do}).status_code == 302
        visit.refresh_from_db()
        assert visit.state == state


def test_the_link_goes_into_the_chat_of_a_friend_alone(client: Client, org: Org, member: Any) -> None:
    visit = invited(member, org, words="新到的大衣")
    sign_in(client, org.guide)
    path = f"/g/visits/{visit.pk}/share/"
    assert client.post(path).status_code == 409
    make_friend(member, org.guide)
    answer = client.post(path).json()
    assert answer["text"].endswith(f"/my/visits/{visit.public_id}/") and "新到的大衣" in answer["text"]
    assert client.post(answer["sent"]).json() == {"sent": True}
    assert visit.steps.filter(words="链接发给他了").exists()


def test_a_colleague_sees_who_comes_today_without_his_card(client: Client, org: Org, member: Any, clock: Any) -> None:
    visit = invited(member, org, is_agreed=True)
    sign_in(client, make_staff("guide", store=org.store))
    assert client.get(f"/g/visits/{visit.pk}/").status_code == 404
    clock.travel("2025-03-08 14:50")
    page = text(client, f"/g/visits/{visit.pk}/")
    assert "赵先生" in page and "赵启明" not in page and "把邀请发给" not in page
    assert client.post(f"/g/visits/{visit.pk}/act/", {"do": "arrive"}).status_code == 302
    sign_in(client, org.stranger)
    assert client.get(f"/g/visits/{visit.pk}/").status_code == 404


@pytest.mark.parametrize("rows", [1, 4])
def test_lists_need_the_same_queries_for_any_length(
    client: Client, org: Org, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        invited(make_member(owner=org.guide), org, is_agreed=True)
    sign_in(client, org.guide)
    client.get("/g/visits/?tab=coming")
    with django_assert_num_queries(2):  # who am I; the page
        client.get("/g/visits/?tab=coming", headers=HTMX)
    sign_in(client, org.manager)
    client.get("/m/visits/list/?period=days90&kind=tryon")
    with django_assert_num_queries(3):  # who am I; her store; the page
        client.get("/m/visits/list/?period=month", headers=HTMX)


# ---------------------------------------------------------------- the chain


def test_the_chain_is_the_same_at_every_level(client: Client, org: Org, member: Any, clock: Any) -> None:
    invited(make_member(owner=org.guide), org)
    gone = invited(make_member(owner=org.guide), org, is_agreed=True)
    services.cancel(gone, actor=actor(org.guide), now=NOON, reason="盘点")
    missed = invited(make_member(owner=org.guide), org, is_agreed=True)
    bought = invited(member, org, is_agreed=True, kind="care")
    services.arrive(bought, actor=actor(org.guide), now=SATURDAY)
    order = make_order(member, paid_at=SATURDAY + timedelta(minutes=9), store=org.store)
    services.follow_orders([order.pk], now=SATURDAY)
    clock.travel("2025-03-08 22:01")
    services.end_past(now=SATURDAY + timedelta(hours=8))
    missed.refresh_from_db()
    assert missed.state == "no_show"
    other = services.invite(
        make_member(owner=org.stranger), starts_at=SATURDAY + timedelta(days=1), actor=actor(org.stranger),
        now=SATURDAY, is_agreed=True,
    )  # fmt: skip
    from crm.visits.queries import Asked, by_guide, by_kind, by_unit, chain_of

    asked = Asked(SATURDAY.date().replace(day=1), SATURDAY.date().replace(month=4))
    boss = actor(holder_of("hq_operator", org))
    whole = chain_of(boss, asked)
    assert (whole.invited, whole.accepted, whole.arrived, whole.bought, whole.no_show) == (5, 4, 1, 1, 1)
    assert (whole.shown, whole.expected, whole.sales_fen) == (1, 3, order.net_amount_fen)  # cancelled by the store: out
    branches = by_unit(boss, asked, below=org.hq)
    assert [(unit.name, chain.invited) for unit, chain in branches] == [(org.branch.name, 5)]
    assert {(guide, chain.invited) for guide, chain in by_guide(actor(org.manager), asked)} == {(org.guide, 4)}
    assert dict((kind, chain.bought) for kind, chain in by_kind(boss, asked)) == {"tryon": 0, "care": 1}
    assert other.state == "accepted"
    sign_in(client, holder_of("hq_operator", org))
    page = text(client, f"/hq/visits/?period=month&unit={org.branch.pk}")
    assert "33%" in page and "南京大区" in page
    assert "赵先生" in text(client, "/hq/visits/list/?period=month&state=bought")
    sign_in(client, holder_of("region_manager", org))  # numbers, no names
    assert "邀约到店率" in text(client, "/hq/visits/?period=month")
    assert client.get("/hq/visits/list/?period=month").status_code == 403
    sign_in(client, org.manager)
    assert "林晓雯" in text(client, "/m/visits/?period=month")
    assert client.get(f"/m/visits/?unit={org.other_store.unit.pk}").status_code == 404


def test_a_manager_counts_and_asks_many(client: Client, org: Org, member: Any) -> None:
    sign_in(client, org.manager)
    assert "邀一批会员" in text(client, "/m/visits/")
    form = {
        "title": "春季新款品鉴",
        "kind": "event",
        "day": "2025-03-08",
        "from": "14:00",
        "to": "17:00",
        "asks_on": "2025-03-04",
    }
    counted = client.post("/visits/groups/new/", form | {"act": "count"}).content.decode()
    assert "符合的有" in counted and "春季新款品鉴" in counted
    refused = client.post("/visits/groups/new/", form | {"act": "go", "to": "13:00"})
    assert refused.status_code == 422 and "结束要在当天" in refused.content.decode()
    assert client.post("/visits/groups/new/", form | {"act": "go"}).status_code == 302
    group = VisitGroup.objects.get()
    services.go_on_with_groups(now=NOON)
    page = text(client, f"/visits/groups/{group.pk}/")
    assert "分好了" in page and "还没邀" in page
    assert "赵先生" in text(client, f"/m/visits/list/?group={group.pk}&state=planned")
    assert "春季新款品鉴" in text(client, "/visits/groups/")
    assert client.post(f"/visits/groups/{group.pk}/stop/").status_code == 302
    assert Visit.objects.get().state == "cancelled"
    sign_in(client, org.guide)
    assert client.get(f"/visits/groups/{group.pk}/").status_code == 403


# ---------------------------------------------------------------- on his phone


def test_one_tap_and_the_other_side_sees_it(client: Client, org: Org, member: Any) -> None:
    visit = invited(member, org, words="新到的大衣")
    sign_in_member(client, member)
    assert "等您回一声" in text(client, "/my/")
    path = f"/my/visits/{visit.public_id}/"
    page = text(client, path)
    assert "去不了" in page and "新到的大衣" in page
    visit.refresh_from_db()
    assert visit.opened_at == NOON
    assert client.post(f"{path}answer/", {"do": "yes"}).status_code == 302
    assert "约好了，等您来" in text(client, path, headers=HTMX)
    guide = sign_in(Client(), org.guide)
    assert "他自己点的" in text(guide, f"/g/visits/{visit.pk}/", headers=HTMX)
    client.post(f"{path}answer/", {"do": "move", "starts_at": "2025-03-09T16:30"})
    visit.refresh_from_db()
    assert (visit.state, visit.starts_at) == ("accepted", parse_iso("2025-03-09 16:30"))
    client.post(f"{path}answer/", {"do": "no", "reason": "出差"})
    assert "出差" in text(guide, f"/g/visits/{visit.pk}/", headers=HTMX)
    assert "来不了" in text(client, "/my/visits/")
    sign_in_member(client, make_member())
    assert client.get(path).status_code == 404
    assert client.post(f"{path}answer/", {"do": "yes"}).status_code == 404


def test_a_list_reaches_him_by_its_link_first(client: Client, org: Org, member: Any) -> None:
    visit = invited(member, org)
    Visit.objects.filter(pk=visit.pk).update(state="planned", invited_at=None)
    sign_in_member(client, member)
    assert visit.get_kind_display() not in text(client, "/my/visits/")
    text(client, f"/my/visits/{visit.public_id}/")
    visit.refresh_from_db()
    assert (visit.state, visit.invited_at) == ("invited", NOON)


def test_a_scan_in_the_store_is_his_arrival(client: Client, org: Org, member: Any, clock: Any) -> None:
    from crm.catalogue.item_models import ItemBatch, ItemCode

    sku = sku_of(make_goods())
    make_stock(sku.style, org.store, 1, as_of=NOON)
    batch = ItemBatch.objects.create(key="b", made_at=NOON, count=1)
    ItemCode.objects.create(code="2345678ABC", sku=sku, batch=batch)
    visit = invited(member, org, is_agreed=True)
    sign_in_member(client, member)
    assert "您到店了" not in text(client, "/i/2345678ABC/")
    clock.travel("2025-03-08 15:02")
    assert "您到店了" in text(client, "/i/2345678ABC/")
    visit.refresh_from_db()
    assert (visit.state, visit.seen_by) == ("arrived", "scan")
