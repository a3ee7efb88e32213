"""Questions to HQ: who is rung when, who may answer, what a rating does, and that a former answer is found first."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from guides.helpdesk import services
from guides.helpdesk.loading import load_categories
from guides.helpdesk.models import HelpCategory, HqCall, HqCallMessage, KnowledgeDraft
from guides.helpdesk.rules import clock_of
from guides.helpdesk.searching import find_answers, find_calls
from guides.helpdesk.services.answering import AlreadyTaken
from guides.helpdesk.services.asking import TooLate
from guides.notices.models import Notification
from guides.org.models import Staff
from tests.factories.guides import actor, holder_of, make_dealer, make_staff, make_store
from yejibao.core.clock import parse_iso
from yejibao.core.errors import Conflict, Forbidden, Invalid, Stale
from yejibao.core.models import OutboxMessage

from .conftest import NOW, Desk

pytestmark = pytest.mark.django_db


def rung(call: HqCall) -> list[str]:
    told = Notification.objects.filter(key=call.key, read_at=None).order_by("staff_id")
    return [one.staff.name for one in told.select_related("staff")]


def later(**span: Any) -> Any:
    return NOW + timedelta(**span)


# ---------------------------------------------------------------- the data, the clock


def test_categories_come_from_the_file_and_what_hq_changed_stays(desk: Desk) -> None:
    assert HelpCategory.objects.count() == 12
    HelpCategory.objects.filter(key="tool").update(first_response_minutes=45, edited_at=NOW)
    HelpCategory.objects.filter(key="display").update(first_response_minutes=45)
    load_categories()
    kept = dict(HelpCategory.objects.filter(key__in=("tool", "display")).values_list("key", "first_response_minutes"))
    assert kept == {"tool": 45, "display": 60}
    assert HelpCategory.objects.get(pk=desk.goods.pk).duty_id == desk.first.pk


@pytest.mark.parametrize(
    "asked, half, due, solved",
    [
        ("2026-11-21 10:00", "2026-11-21 10:15", "2026-11-21 10:30", "2026-11-22 10:00"),
        ("2026-11-21 21:50", "2026-11-22 09:35", "2026-11-22 09:50", "2026-11-22 21:50"),  # over night it stands still
        ("2026-11-21 23:30", "2026-11-22 09:45", "2026-11-22 10:00", "2026-11-23 09:30"),
        ("2026-11-21 03:00", "2026-11-21 09:45", "2026-11-21 10:00", "2026-11-22 09:30"),
    ],
)
def test_the_clock_counts_business_hours(asked: str, half: str, due: str, solved: str) -> None:
    found = clock_of(parse_iso(asked), minutes=30, hours=24)
    assert (found.all_at, found.due_at, found.solve_due_at) == (parse_iso(half), parse_iso(due), parse_iso(solved))


# ---------------------------------------------------------------- asking and ringing


def test_the_person_on_duty_is_rung_at_once_in_the_house_and_by_push(desk: Desk) -> None:
    call = desk.ask()
    assert (call.state, call.due_at, call.store) == ("open", later(minutes=30), desk.org.store)
    assert rung(call) == ["窦乐"]
    [push] = OutboxMessage.objects.all()
    assert (push.recipient, push.due_at) == (desk.first.wecom_user_id, NOW)


def test_then_all_of_the_role_then_the_head_then_again_when_nobody_solves_it(desk: Desk) -> None:
    call = desk.ask()
    assert services.ring_due(now=later(minutes=14)) == {"rung": 0}
    services.ring_due(now=later(minutes=15))
    assert rung(call) == ["窦乐", "方圆"]
    services.ring_due(now=later(minutes=31))
    assert rung(call) == ["窦乐", "方圆", "白静"]
    services.ring_due(now=later(hours=24, minutes=1))
    call.refresh_from_db()
    assert (call.ring, call.ring_at) == (HqCall.Ring.LATE, None)
    assert services.ring_due(now=later(days=9)) == {"rung": 0}
    lines = list(HqCallMessage.objects.filter(call=call).order_by("pk").values_list("event", flat=True))
    assert lines == ["said", "rung", "rung", "rung"]


def test_a_beat_that_comes_late_goes_straight_to_the_head(desk: Desk) -> None:
    call = desk.ask()
    services.ring_due(now=later(hours=2))
    assert rung(call) == ["窦乐", "白静"]


def test_without_a_head_the_whole_role_is_rung_once_more(desk: Desk) -> None:
    HelpCategory.objects.update(head=None)
    call = desk.ask()
    services.ring_due(now=later(minutes=15))
    services.ring_due(now=later(minutes=31))
    assert rung(call) == ["窦乐", "方圆"]


def test_with_nobody_on_duty_the_one_with_the_fewest_is_rung_and_nobody_away(desk: Desk) -> None:
    HelpCategory.objects.update(duty=None)
    first = desk.ask()
    services.take(first, actor=actor(desk.first), now=NOW)
    assert rung(desk.ask("另一个顾客也要调货，行吗")) == ["方圆"]
    HelpCategory.objects.filter(pk=desk.goods.pk).update(duty=desk.second)
    Staff.objects.filter(pk=desk.second.pk).update(state="leave")
    assert rung(desk.ask("还有一位顾客要调货")) == ["窦乐"]


def test_what_is_asked_at_night_rings_in_the_morning(desk: Desk) -> None:
    night = parse_iso("2026-11-21 23:00")
    call = desk.ask(now=night)
    assert OutboxMessage.objects.get().due_at == parse_iso("2026-11-22 09:30")
    assert call.due_at == parse_iso("2026-11-22 10:00")
    assert services.ring_due(now=parse_iso("2026-11-22 09:44")) == {"rung": 0}


def test_who_may_ask_what(desk: Desk) -> None:
    with pytest.raises(Forbidden):
        desk.ask(by=desk.first)
    with pytest.raises(Invalid):
        desk.ask("嗯")
    money = HelpCategory.objects.get(key="stored_value")
    assert desk.ask(category=money).category == money
    dealer = make_dealer()
    shop = make_store(area=desk.org.area, kind="dealer", dealer=dealer)
    owner, clerk = make_staff("dealer", unit=desk.org.hq, dealer=dealer), make_staff(store=shop)
    for person in (owner, clerk):
        with pytest.raises(Invalid):
            desk.ask(by=person, category=money, store=shop)
        assert desk.ask(by=person, store=shop).store == shop
    with pytest.raises(Invalid):
        desk.ask(by=owner, store=desk.org.store)


# ---------------------------------------------------------------- whose


def test_who_sees_a_question(desk: Desk) -> None:
    dealer = make_dealer()
    shop = make_store(area=desk.org.area, kind="dealer", dealer=dealer)
    owner, clerk = make_staff("dealer", unit=desk.org.hq, dealer=dealer), make_staff(store=shop)
    own, theirs = desk.ask(), desk.ask(by=clerk)
    people = {
        "asker": desk.org.guide, "manager": desk.org.manager, "stranger": desk.org.stranger, "mate": make_staff(store=desk.org.store),
        "dealer": owner, "clerk": clerk, "goods": desk.first, "head": desk.head, "display": holder_of("hq_visual", desk.org),
        "supervisor": holder_of("area_supervisor", desk.org),
    }  # fmt: skip
    seen = {who: {call.pk for call in HqCall.objects.visible_to(actor(person))} for who, person in people.items()}
    assert {who for who, calls in seen.items() if own.pk in calls} == {"asker", "manager", "goods", "head"}
    assert {who for who, calls in seen.items() if theirs.pk in calls} == {"dealer", "clerk", "goods", "head"}


def test_only_the_department_answers(desk: Desk) -> None:
    call = desk.ask()
    for person in (holder_of("hq_visual", desk.org), desk.org.manager, desk.org.guide):
        with pytest.raises(Forbidden):
            services.take(call, actor=actor(person), now=NOW)
    services.answer(call, "苏州观前店有两套", actor=actor(desk.head), now=NOW, seen=10**9)


# ---------------------------------------------------------------- answering


def test_taking_it_spares_the_others_and_tells_the_asker(desk: Desk) -> None:
    call = desk.ask()
    services.ring_due(now=later(minutes=15))
    services.take(call, actor=actor(desk.second), now=later(minutes=16))
    assert rung(call) == []
    told = Notification.objects.get(staff=desk.org.guide)
    assert (told.title, told.url) == ("方圆在处理你的问题", f"/g/help/{call.pk}/")
    with pytest.raises(AlreadyTaken, match="方圆"):
        services.take(call, actor=actor(desk.first), now=later(minutes=17))
    services.take(call, actor=actor(desk.first), now=later(minutes=17), instead_of=desk.second.pk)
    call.refresh_from_db()
    assert (call.state, call.assignee_id) == ("answering", desk.first.pk)
    services.ring_due(now=later(minutes=31))  # taken, and yet no word: the head
    assert "白静" in rung(call)


def test_answered_rated_and_closed(desk: Desk) -> None:
    call = desk.ask()
    services.answer(call, "观前店有两套，今天能调", actor=actor(desk.first), now=later(minutes=5), seen=10**9)
    call.refresh_from_db()
    assert (call.state, call.first_answer_at, call.ring_at, call.assignee_id) == (
        "answered", later(minutes=5), None, desk.first.pk,
    )  # fmt: skip
    assert Notification.objects.get(staff=desk.org.guide).title == "总部答复了 · 库存与调货"
    services.rate(call, 5, actor=actor(desk.org.guide), now=later(minutes=9))
    call.refresh_from_db()
    assert (call.state, call.rating, call.closed_at) == ("closed", 5, later(minutes=9))
    with pytest.raises(Conflict):
        services.rate(call, 4, actor=actor(desk.org.guide), now=later(minutes=10))


def test_few_stars_open_it_again_and_ring_the_head(desk: Desk) -> None:
    call = desk.ask()
    services.answer(call, "没有了", actor=actor(desk.first), now=later(minutes=5), seen=10**9)
    services.rate(call, 2, actor=actor(desk.org.guide), now=later(minutes=10), note="没说哪家有")
    call.refresh_from_db()
    assert (call.state, call.rating, call.reopen_count, call.due_at) == ("reopened", 2, 1, later(minutes=40))
    assert rung(call) == ["窦乐", "白静"]
    services.answer(call, "德基店有一套", actor=actor(desk.first), now=later(minutes=20), seen=10**9)
    services.rate(call, 4, actor=actor(desk.org.guide), now=later(minutes=21))
    call.refresh_from_db()
    assert (call.state, call.rating) == ("closed", 4)


def test_a_word_in_between_stops_the_first_clock_and_not_the_second(desk: Desk) -> None:
    call = desk.ask()
    services.ask_back(call, "拍一下吊牌", actor=actor(desk.first), now=later(minutes=5), seen=10**9)
    call.refresh_from_db()
    assert (call.state, call.first_answer_at, call.ring_at) == ("answering", later(minutes=5), call.solve_due_at)
    services.follow_up(call, "拍好了", actor=actor(desk.org.guide), now=later(minutes=6))
    assert rung(call) == ["窦乐"]


def test_two_answer_at_once_and_the_second_reads_first(desk: Desk) -> None:
    call = desk.ask()
    seen = HqCallMessage.objects.latest("pk").pk
    services.answer(call, "观前店有", actor=actor(desk.first), now=NOW, seen=seen)
    with pytest.raises(Stale):
        services.answer(call, "没有了", actor=actor(desk.second), now=NOW, seen=seen)


def test_asking_again_after_the_answer_starts_the_clock_anew(desk: Desk) -> None:
    call = desk.ask()
    services.answer(call, "观前店有", actor=actor(desk.first), now=NOW, seen=10**9)
    services.follow_up(call, "他们说没有", actor=actor(desk.org.manager), now=later(hours=1))
    call.refresh_from_db()
    assert (call.state, call.due_at, call.answered_at) == ("reopened", later(hours=1, minutes=30), None)
    services.close(call, actor=actor(desk.org.guide), now=later(hours=2))
    with pytest.raises(TooLate):
        services.follow_up(call, "又来了", actor=actor(desk.org.guide), now=later(days=9))
    with pytest.raises(Forbidden):
        services.follow_up(call, "我也问", actor=actor(desk.org.stranger), now=later(hours=3))


def test_given_to_another_department_its_clock_begins(desk: Desk) -> None:
    call, other = desk.ask(), HelpCategory.objects.get(key="display")
    visual = holder_of("hq_visual", desk.org)
    services.pass_on(call, actor=actor(desk.first), now=later(minutes=10), reason="是陈列的事", category_id=other.pk)
    call.refresh_from_db()
    assert (call.category, call.due_at, call.assignee_id) == (other, later(minutes=70), None)
    assert rung(call) == [visual.name]
    with pytest.raises(Forbidden):
        services.take(call, actor=actor(desk.second), now=later(minutes=11))
    services.pass_on(
        call,
        actor=actor(visual),
        now=later(minutes=12),
        reason="还是商品部",
        category_id=desk.goods.pk,
        staff_id=desk.second.pk,
    )
    call.refresh_from_db()
    assert (call.category, call.assignee_id, call.state) == (desk.goods, desk.second.pk, "answering")


def test_a_colleague_who_leaves_gives_it_back_and_an_asker_who_left_is_spoken_for(desk: Desk) -> None:
    call = desk.ask()
    services.take(call, actor=actor(desk.first), now=NOW)
    Staff.objects.filter(pk=desk.first.pk).update(state="resigned")
    services.release(desk.first.pk, now=later(minutes=5))
    call.refresh_from_db()
    assert (call.state, call.assignee_id) == ("open", None)
    assert rung(call) == ["方圆"]
    Staff.objects.filter(pk=desk.org.guide.pk).update(state="resigned")
    call = HqCall.objects.get(pk=call.pk)
    services.answer(call, "观前店有", actor=actor(desk.second), now=later(minutes=6), seen=10**9)
    assert Notification.objects.filter(staff=desk.org.manager, kind="help").exists()
    services.rate(call, 5, actor=actor(desk.org.manager), now=later(minutes=7))


def test_what_nobody_rates_is_closed_by_itself(desk: Desk) -> None:
    call = desk.ask()
    services.answer(call, "观前店有", actor=actor(desk.first), now=NOW, seen=10**9)
    assert services.close_forgotten(now=later(hours=71)) == {"closed": 0}
    assert services.close_forgotten(now=later(hours=73)) == {"closed": 1}
    call.refresh_from_db()
    assert (call.state, call.rating) == ("closed", None)
    services.rate(call, 5, actor=actor(desk.org.guide), now=later(hours=74))


# ---------------------------------------------------------------- found again


def kept(
    desk: Desk, question: str = "断码的套西能从附近的店调货吗", answer: str = "能。当天 17 点前在系统提调拨单，次日到。"
) -> KnowledgeDraft:
    call = desk.ask()
    services.answer(call, answer, actor=actor(desk.first), now=NOW, seen=10**9, keep_as=(question, answer))
    return KnowledgeDraft.objects.get(call=call)


@pytest.mark.parametrize("typed", ["套西断码 附近能调货吗", "顾客要的套西断码了，附近的店能调吗？", "dmdtx", "调货"])
def test_the_next_who_asks_finds_the_former_answer(desk: Desk, typed: str) -> None:
    draft = kept(desk)
    assert [one.pk for one in find_answers(typed, actor=actor(desk.org.stranger))] == [draft.pk]
    assert services.mark_helped(draft, actor=actor(desk.org.stranger), now=NOW) == 1
    services.mark_helped(draft, actor=actor(desk.org.stranger), now=NOW)
    draft.refresh_from_db()
    assert draft.helped_count == 1
    assert HqCall.objects.count() == 1, "nobody was rung"


@pytest.mark.parametrize("typed", ["", "怎么", "空调不制冷", "a", "，。"])
def test_what_is_not_alike_is_not_found(desk: Desk, typed: str) -> None:
    kept(desk)
    assert find_answers(typed, actor=actor(desk.org.stranger)) == []


def test_threads_of_others_are_not_found_and_refused_answers_neither(desk: Desk) -> None:
    draft = kept(desk)
    assert len(find_calls("藏青套西断码附近哪家有", actor=actor(desk.org.guide))) == 1
    assert find_calls("藏青套西断码附近哪家有", actor=actor(desk.org.stranger)) == []
    with pytest.raises(Forbidden):
        services.refuse_draft(draft, actor=actor(holder_of("hq_visual", desk.org)))
    services.refuse_draft(draft, actor=actor(desk.first))
    assert find_answers("套西断码调货", actor=actor(desk.org.stranger)) == []


def test_a_dealer_finds_what_is_for_dealers(desk: Desk) -> None:
    draft, dealer = kept(desk), make_dealer()
    make_store(area=desk.org.area, kind="dealer", dealer=dealer)
    owner = make_staff("dealer", unit=desk.org.hq, dealer=dealer)
    assert find_answers("套西断码调货", actor=actor(owner)) == [draft]
    HelpCategory.objects.filter(pk=desk.goods.pk).update(is_for_dealers=False)
    assert find_answers("套西断码调货", actor=actor(owner)) == []


def test_the_search_uses_its_index(desk: Desk) -> None:
    kept(desk)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT id FROM guides_knowledgedraft WHERE words && ARRAY['套西']::varchar[]")
        assert "knowledge_draft_words" in "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.parametrize("rows", [1, 8])
def test_searching_is_one_statement(desk: Desk, rows: int, django_assert_num_queries: Any) -> None:
    for number in range(rows):
        kept(desk, question=f"套西断码第 {number} 次能调货吗")
    stranger = actor(desk.org.stranger)
    with django_assert_num_queries(1):
        assert len(find_answers("套西断码能调货吗", actor=stranger)) == min(rows, 3)
