"""aftersale.yaml, line by line: what is not told elsewhere in this folder is told here, from the file's own words and examples.

Elsewhere: the flow of states (test_services), escalation to the minute (test_desk), exchange and reversal (test_swapping), care,
alteration and liability (test_caring), stored value (tests/crm/wallet), tips and tasks (tests/tasks).
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from crm.aftersale import clocks, prices, rules, services
from crm.aftersale.models import Ticket
from crm.aftersale.rules import ANSWER_AT_NIGHT
from crm.aftersale.services.caring import PHOTOS_LEAST
from crm.aftersale.services.tagging import CHANNELS, TOPICS
from crm.orders.checkout import returns
from crm.orders.checkout.services.exchanging import SIZES_MOST
from crm.tags.models import MemberTag, Tag
from guides.notices.models import Notification
from guides.org.actors import actor_for
from guides.org.models import Staff
from tests.factories.crm import make_member, make_order, make_staff, make_store
from tests.factories.guides import Org, holder_of, make_org, sign_in
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Invalid
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
BOOK: dict[str, Any] = read_yaml(Path(__file__).resolve().parents[3] / "crm" / "data" / "aftersale.yaml")
SYSTEM, HIMSELF = Actor.system(), Actor(kind="member")
NOON = parse_iso("2025-03-04 11:00")
SLA, CARE, RETURN, EXCHANGE, ALTERATION = (
    BOOK[name] for name in ("sla", "care_rules", "return_rules", "exchange_rules", "alteration_rules")
)


@pytest.fixture
def org() -> Org:
    return make_org()


@pytest.fixture
def member(org: Org) -> Any:
    return make_member(owner=org.guide)


def ask(member: Any, kind: str = "return", *, at: str = "", **facts: Any) -> Ticket:
    topic = {"topic": "质量"} if kind == "complaint" else {}
    return services.open_ticket(member, kind=kind, actor=SYSTEM, now=parse_iso(at) if at else NOON, **topic | facts)


def told(person: Staff) -> int:
    return Notification.objects.filter(staff=person, kind="ticket").count()


# ---------------------------------------------------------------- kinds, channels


@pytest.mark.parametrize("kind", [one["key"] for one in BOOK["ticket_kinds"]])
def test_a_ticket_has_the_priority_and_clocks_of_its_kind(member: Any, org: Org, kind: str) -> None:
    priority = next(one["priority"] for one in BOOK["ticket_kinds"] if one["key"] == kind)
    ticket = ask(member, kind)
    first, proposal = SLA["first_response"][priority], SLA["solution_proposed"][priority]
    assert (ticket.priority, ticket.first_due_at) == (priority, NOON + timedelta(minutes=first))
    # 11:00 to 22:00 are 660 minutes, each day after has 750 (09:30 to 22:00).
    day, left = (0, proposal) if proposal <= 660 else (1 + (proposal - 661) // 750, (proposal - 661) % 750 + 1)
    begins = NOON if day == 0 else parse_iso(f"2025-03-{4 + day:02} 09:30")
    assert ticket.proposal_due_at == begins + timedelta(minutes=left)
    assert ticket.closing_due_at == parse_iso(f"2025-03-{4 + SLA['closed_days'][priority]:02} 22:00")


@pytest.mark.parametrize("channel", BOOK["channels"])
def test_every_channel_is_taken(member: Any, channel: str) -> None:
    assert ask(member, channel=channel).channel == channel


def test_topics_works_and_cares_are_those_of_the_file() -> None:
    kinds = {one["key"]: one for one in BOOK["ticket_kinds"]}
    book = rules.rules()
    assert list(book.topics) == kinds["complaint"]["topics"] and list(TOPICS) == [
        one for one in book.topics if one != "其他"
    ]
    assert list(book.works) == kinds["alteration"]["works"] and set(rules.FREE_WORKS) < set(book.works)
    assert list(book.care_kinds) == kinds["care"]["care_kinds"] and set(book.care_days) == set(book.care_kinds)
    assert set(CHANNELS) | {rules.LOW_CHANNEL} == set(BOOK["channels"])


# Which field of the form says that a word of `needs` is missing.
ASKED_BY = {
    "order": {"order"}, "items": {"line"}, "item": {"line"}, "order_or_item": {"order"}, "reason": {"reason"}, "target_size": {"target_size"},
    "target_item": {"target_sku"}, "works": {"works"}, "measures": {"measures"}, "care_kind": {"care_kind"}, "photos_required": {"photos"},
    "photos_optional": set(), "description": {"description"}, "topic": {"topic"},
}  # fmt: skip


@pytest.mark.parametrize("kind", BOOK["ticket_kinds"], ids=lambda kind: kind["key"])
def test_a_form_asks_for_all_its_kind_needs(member: Any, kind: dict[str, Any]) -> None:
    wanted = set().union(*(ASKED_BY[need] for need in kind["needs"]))
    with pytest.raises(Invalid) as refusal:
        services.ask(member, kind=kind["key"], actor=SYSTEM, now=NOON, channel="phone")
    assert {error["field"] for error in refusal.value.errors} == wanted


# ---------------------------------------------------------------- routing


def test_the_owner_then_the_orders_guide_then_who_is_on_duty(org: Org, member: Any) -> None:
    assert BOOK["routing"]["first"] == "owner_guide" and ask(member).guide == org.guide
    stranger, store = make_member(), make_store()
    seller = make_staff(store=store)
    assert ask(stranger, order=make_order(stranger, paid_at=NOON, store=store, guide=seller)).guide == seller
    store.duty_guide = make_staff(store=store)
    store.save()
    assert ask(stranger, store=store).guide == store.duty_guide


def test_a_mall_order_with_nobody_is_customer_services(org: Org) -> None:
    stranger = make_member()
    order = make_order(stranger, paid_at=NOON, store=make_store(), kind="mall")
    assert ask(stranger, order=order).stage == "service"


def test_about_the_guide_or_for_the_manager_it_is_the_managers_at_once(org: Org, member: Any) -> None:
    about = ask(member, "complaint", is_about_guide=True)
    wanted = ask(member, "consult", wants_manager=True)
    assert [about.stage, wanted.stage, told(org.manager) >= 2, told(org.guide)] == ["manager", "manager", True, 0]
    assert list(Ticket.objects.visible_to(actor_for(org.guide))) == [
        wanted
    ]  # she does not see the text of the one about her


def test_stored_value_is_the_managers_and_finance_has_a_copy(org: Org, member: Any) -> None:
    finance = holder_of("finance", org)
    assert (ask(member, "stored_value").stage, told(finance)) == ("manager", 1)


@pytest.mark.parametrize(
    ("kind", "level", "copies"), [("quality", "V1", 1), ("consult", "V1", 0), ("consult", "V4", 1)]
)
def test_vip_and_priority_1_reach_the_manager_at_once(
    org: Org, member: Any, kind: str, level: str, copies: int
) -> None:
    member.member_level = level
    member.save()
    ask(member, kind)
    assert told(org.manager) == copies


def test_the_goods_may_be_handled_in_any_store_the_guide_stays(org: Org, member: Any) -> None:
    ticket = ask(member, store=org.other_store)
    assert (ticket.guide, ticket.store) == (org.guide, org.other_store)


# ---------------------------------------------------------------- sla


def test_the_example_of_the_night(member: Any) -> None:
    example = SLA["example"]
    ticket = ask(member, example["kind"], at=example["created"])
    assert ticket.first_due_at == parse_iso(example["first_response_due"])


@pytest.mark.parametrize("at", ["2025-03-01 22:00", "2025-03-02 03:00", "2025-03-02 09:29"])
def test_what_comes_at_night_begins_at_half_past_nine(member: Any, at: str) -> None:
    ticket = ask(member, at=at)
    assert ticket.first_due_at == parse_iso("2025-03-02 10:00")
    assert ANSWER_AT_NIGHT in SLA["created_at_night"]


def test_escalation_says_who_and_when(member: Any) -> None:
    by = {one["at"]: one for one in SLA["escalation"]}
    assert re.search(r"has (\d+) min", by["first_response missed"]["then"])[1] == str(clocks.TAKEN_OVER_MINUTES)  # type: ignore[index]
    assert [one["to"] for one in SLA["escalation"][:3]] == ["store_manager", "customer_service", "customer_service"]


def test_what_is_not_done_in_its_days_is_the_desks_and_the_supervisors(org: Org, member: Any) -> None:
    desk, supervisor = holder_of("customer_service", org), holder_of("area_supervisor", org)
    ticket = ask(member)
    services.propose(ticket, "给您退", actor=actor_for(org.guide), now=NOON)
    assert not Ticket.objects.visible_to(actor_for(supervisor)).exists()
    services.pass_up_late(now=parse_iso("2025-03-09 22:00"))
    assert (told(desk), told(supervisor)) == (1, 1)
    assert list(Ticket.objects.visible_to(actor_for(supervisor))) == [ticket]
    page = sign_in(Client(), supervisor).get(f"/tickets/{ticket.pk}/", follow=True)
    assert page.status_code == 200 and "给您退" in page.content.decode()


def test_rudeness_and_a_vip_reach_manager_and_branch(org: Org, member: Any) -> None:
    branch = holder_of("branch_member_manager", org)
    ask(member, "complaint", topic="服务态度")
    assert (told(org.manager), told(branch)) == (1, 1)
    ask(member, "complaint", topic="价格")
    assert told(branch) == 1
    member.member_level = "V5"
    member.save()
    ask(member, "complaint", topic="价格")
    assert told(branch) == 2


# ---------------------------------------------------------------- states


def test_waiting_a_week_for_him_ends_it_in_the_files_words(org: Org, member: Any) -> None:
    ticket = ask(member)
    services.propose(ticket, "给您退", actor=actor_for(org.guide), now=NOON)
    services.close_silent(now=NOON + timedelta(days=7))
    ticket.refresh_from_db()
    assert ticket.state == "closed" and ticket.result in BOOK["states"]["auto_close"]


def test_two_stars_open_the_managers_complaint_with_his_topic(org: Org, member: Any) -> None:
    assert re.search(r"<= (\d)", BOOK["states"]["rating"])[1] == str(rules.LOW_STARS)  # type: ignore[index]
    ticket = ask(member)
    services.move_ticket(ticket, to="responded", actor=SYSTEM, now=NOON)
    services.close_ticket(ticket, actor=SYSTEM, now=NOON)
    services.rate(ticket, stars=2, words="等了三天", topic="售后慢", actor=HIMSELF, now=NOON)
    low = Ticket.objects.get(from_rating_of=ticket)
    assert (low.stage, low.topic, low.channel, low.kind) == ("manager", "售后慢", "survey_low_score", "complaint")


# ---------------------------------------------------------------- return and exchange rules


def test_the_example_dates_of_return(member: Any, org: Org) -> None:
    for example in RETURN["example_dates"]:
        if "bought" in example:
            order = make_order(member, paid_at=f"{example['bought']} 15:00", store=org.store)
            end = parse_iso(f"{example['last_day']} 22:00")
        else:
            order = make_order(
                member,
                paid_at="2025-02-20 15:00",
                store=org.store,
                is_delivery=True,
                received_at=f"{example['received']} 10:00",
            )
            end = parse_iso(f"{example['last_day']} 00:00") + timedelta(days=1)
        assert returns.ends_at(order) == end
        assert rules.may_come_back(order, kind="return", now=end - timedelta(seconds=1))
        assert not rules.may_come_back(order, kind="return", now=end)


def test_the_numbers_of_return_and_exchange_are_the_tills() -> None:
    assert (returns.WINDOW_DAYS, returns.QUALITY_DAYS, returns.QUALITY_EXTENDED_DAYS) == (
        RETURN["window_days"], RETURN["quality"]["days"], RETURN["quality"]["extended_days"],
    )  # fmt: skip
    assert (EXCHANGE["window_days"], EXCHANGE["size_exchange_times"]) == (returns.WINDOW_DAYS, SIZES_MOST)
    assert rules.rules().exchange_promise_days == 3
    assert (
        len(RETURN["not_returnable"]) == 5
    )  # each in test_exchanging (till), test_caring (altered), test_refunding (gift alone)


# ---------------------------------------------------------------- alteration, care


def test_the_numbers_of_alteration_and_care() -> None:
    assert (rules.rules().alteration_days, rules.rules().alteration_most_days) == (
        ALTERATION["promise_days"],
        ALTERATION["max_days"],
    )
    assert (
        all(work in ALTERATION["free"] for work in rules.FREE_WORKS)
        and f"{rules.FREE_WORK_DAYS} days" in ALTERATION["free"]
    )
    assert rules.IRREVERSIBLE in ALTERATION["irreversible"]
    assert set(rules.rules().basic_care) == set(CARE["basic_free"]["kinds"])
    assert f">= {rules.DOWN_FROM_FEN // 100} yuan" in CARE["included_with_item"]["down"]
    assert (
        f"years/{rules.WORTH_YEARS}" in CARE["liability"]
        and f"at least {rules.LEAST_WORTH_PERCENT}%" in CARE["liability"]
    )
    assert CARE["receive"].startswith("photos of front/back/flaws") and PHOTOS_LEAST == 2
    paid = set(prices.PRICES) - {"维修"}
    assert paid == set(rules.rules().works) | set(rules.rules().care_kinds) - set(rules.rules().basic_care)


# ---------------------------------------------------------------- C-88: complaints become tags


def test_complaints_become_tags(org: Org, member: Any) -> None:
    values = {
        "complaint_count": ["0次", "1次", "2次", "3次及以上"], "complaint_channel": ["门店", "企微", "电话", "平台", "12315"],
        "complaint_topic": list(TOPICS), "aftersale_open": [],
    }  # fmt: skip
    from crm.tags.loading import load_tags

    load_tags(now=NOON)
    assert set(Tag.objects.filter(key__in=values).values_list("key", flat=True)) == set(values)

    def tags() -> dict[str, list[str]]:
        return dict(MemberTag.objects.filter(member=member, is_effective=True).values_list("tag__key", "values"))

    ask(member, "complaint", topic="物流", channel="phone", nature="grave")
    second = ask(member, "complaint", topic="质量", channel="phone")
    ask(member, "complaint", topic="其他", channel="store_desk")
    services.write_tags_of([member.pk], now=NOON)
    assert tags() == {
        "complaint_count": ["3次及以上"], "complaint_channel": ["电话"], "complaint_topic": ["质量", "物流"], "aftersale_open": ["是"],
    }  # fmt: skip
    assert list(Ticket.objects.order_by("pk").values_list("nature", flat=True)) == ["grave", "usual", "usual"]
    services.cancel_by_member(second, actor=HIMSELF, now=NOON)
    services.follow_tickets([second.pk], now=NOON)
    assert tags()["complaint_count"] == ["2次"]
    Ticket.objects.update(state="closed", closed_at=NOON, clock="", clock_at=None)
    later = NOON + timedelta(days=731)
    assert services.age_tags(now=later)["members"] == 1
    assert tags() == {"aftersale_open": ["否"]} and local_day(later).year == 2027
