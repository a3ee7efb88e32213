"""From the tape to the wardrobe: the size file, the member's own word, and each step after it."""

from datetime import date, timedelta

import pytest

from crm.members.models import Member
from crm.orders.checkout import services as checkout
from crm.tags.models import MemberTag
from crm.tailoring import queries, services
from crm.tailoring.models import Fitting, MemberMeasure
from crm.tailoring.services import Doubtful, MemberFirst
from tests.conftest import TestClock
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, actor, make_staff
from tests.factories.portal import as_member
from tests.factories.tailoring import SUIT, make_fitting, taken
from yejibao.core import clock as product_clock
from yejibao.core import erasing
from yejibao.core.errors import Conflict, Forbidden, Invalid, NotFound, Stale
from yejibao.core.models import AuditEntry

pytestmark = pytest.mark.django_db


def now_of() -> dict[str, object]:
    return {"now": product_clock.now()}


def fresh(held: Fitting) -> Fitting:
    return Fitting.objects.get(pk=held.pk)


def test_measures_go_into_his_size_file_and_wait_for_his_word(member: Member, org: Org) -> None:
    held = make_fitting(member)
    held = services.measure_member(held, taken(), SUIT, actor=actor(org.guide), **now_of())
    kept = MemberMeasure.objects.get(member=member)
    assert (held.state, held.measure_id, held.price_fen) == ("measured", kept.pk, 580000)
    assert (kept.values["chest"], kept.values["shoulder"], len(kept.values)) == (980, 465, 15)
    assert kept.by_id == org.guide.pk and kept.confirmed_at is None
    assert services.garment_words(held) == "藏青斜纹 120 支 西服套装，¥5,800"


def test_every_field_that_is_wrong_is_named_at_once(member: Member, org: Org) -> None:
    held = make_fitting(member)
    order = services.GarmentOrder(garment="suit", fabric="", price_fen=0, deposit_fen=5, works=("飞",))
    with pytest.raises(Invalid) as refused:
        services.measure_member(held, taken(chest="20", neck="九", hem=""), order, actor=actor(org.guide), **now_of())
    assert {one["field"] for one in refused.value.errors} == {
        "chest",
        "neck",
        "hem",
        "fabric",
        "price",
        "deposit",
        "deposit_slip",
        "works",
    }
    assert not MemberMeasure.objects.exists() and fresh(held).state == "booked"


def test_what_lies_far_from_last_time_is_asked_about_first(member: Member, org: Org) -> None:
    make_fitting(member, state="collected")
    held = make_fitting(member, starts_at="2026-11-26 14:00")
    with pytest.raises(Doubtful) as refused:
        services.measure_member(held, taken(chest="108"), SUIT, actor=actor(org.guide), **now_of())
    assert [one["message"] for one in refused.value.errors] == ["胸围上次 98，这次 108"]
    services.measure_member(held, taken(chest="108"), SUIT, actor=actor(org.guide), is_sure=True, **now_of())
    (newest, lines), (first, _none) = queries.size_file(actor(org.guide), member)
    assert (newest.values["chest"], first.values["chest"]) == (1080, 980)
    assert {line.name: line.change for line in lines if line.change} == {"胸围": "+10"}


def test_only_he_confirms_and_only_what_he_has_read(member: Member, org: Org) -> None:
    held = make_fitting(member, state="measured")
    with pytest.raises(MemberFirst):
        services.confirm_by_member(held, seen=services.mark_of(held), actor=actor(org.manager), **now_of())
    with pytest.raises(MemberFirst):
        services.start_making(held, promised_on=date(2026, 12, 20), actor=actor(org.guide), **now_of())
    with pytest.raises(Forbidden):
        services.confirm_by_member(held, seen=services.mark_of(held), actor=as_member(make_member()), **now_of())
    seen = services.mark_of(held)
    Fitting.objects.filter(pk=held.pk).update(price_fen=680000)
    with pytest.raises(Stale):
        services.confirm_by_member(held, seen=seen, actor=as_member(member), **now_of())
    held = fresh(held)
    services.confirm_by_member(held, seen=services.mark_of(held), actor=as_member(member), **now_of())
    held = fresh(held)
    services.confirm_by_member(held, seen=services.mark_of(held), actor=as_member(member), **now_of())  # tapped twice
    assert (held.state, held.terms_version) == ("confirmed", 1) and held.measure.confirmed_at
    assert AuditEntry.objects.filter(action="fitting.confirmed", actor_kind="member").count() == 1


def test_measured_anew_before_the_making_he_confirms_anew(member: Member, org: Org) -> None:
    held = make_fitting(member, state="confirmed")
    held = services.measure_member(held, taken(waist="87"), SUIT, actor=actor(org.guide), **now_of())
    assert (held.state, held.confirmed_at) == ("measured", None)
    assert MemberMeasure.objects.filter(member=member).count() == 2


def test_once_it_is_cut_nothing_of_it_changes(member: Member, org: Org) -> None:
    held = make_fitting(member, state="making")
    with pytest.raises(Conflict):
        services.measure_member(held, taken(), SUIT, actor=actor(org.guide), **now_of())
    with pytest.raises(Conflict):
        services.cancel_fitting(held, actor=as_member(member), **now_of())


def test_a_delay_has_a_later_day_and_a_reason_he_reads(member: Member, org: Org) -> None:
    held = make_fitting(member, state="making")
    first = held.promised_on
    assert first == date(2026, 12, 16)
    told = {"actor": actor(org.guide), **now_of()}
    for day, why in ((first, "里布缺货"), (first + timedelta(days=3), " "), (first + timedelta(days=400), "里布缺货")):
        with pytest.raises(Invalid):
            services.delay_making(held, promised_on=day, reason=why, **told)
    services.delay_making(held, promised_on=first + timedelta(days=3), reason="里布缺货", **told)
    held = fresh(held)
    assert (held.is_late, held.first_promised_on) == (True, first)
    shown = queries.steps_of(held, for_member=True)[0]
    assert shown.text == "要晚几天，改到 12 月 19 日 周六：里布缺货" and shown.kind == "delayed"


def test_ready_tried_on_altered_and_his(member: Member, org: Org) -> None:
    held = make_fitting(member, state="ready")
    told = {"actor": actor(org.guide), **now_of()}
    held = services.send_back(held, promised_on=date(2026, 11, 28), reason="袖子短 1 厘米", **told)
    assert (held.state, held.ready_at) == ("making", None)
    services.mark_ready(held, **told)
    services.hand_over(held, **told)
    assert (fresh(held).state, fresh(held).closed_at) == ("collected", product_clock.now())
    with pytest.raises(Conflict):
        services.mark_ready(held, **told)


def test_who_came_after_all_is_measured(member: Member, org: Org, clock: TestClock) -> None:
    held = make_fitting(member)
    clock.travel("2026-11-25 00:30")
    services.end_missed(**now_of())
    clock.travel("2026-11-25 11:00")
    held = fresh(held)
    held = services.measure_member(held, taken(), SUIT, actor=actor(org.guide), **now_of())
    assert (held.state, held.closed_at) == ("measured", None)


def test_notes_are_for_colleagues(member: Member, org: Org) -> None:
    held = make_fitting(member)
    services.note(held, "他肩有点斜", actor=actor(org.guide), **now_of())
    assert [step.text for step in queries.steps_of(held)][0] == "他肩有点斜"
    assert all("斜" not in step.text for step in queries.steps_of(held, for_member=True))
    with pytest.raises(Forbidden):
        services.note(held, "别店的", actor=actor(org.stranger), **now_of())


# ---------------------------------------------------------------- goods that do not come back


def test_what_was_made_for_him_does_not_come_back_but_with_a_fault(member: Member, org: Org) -> None:
    held = make_fitting(member, state="collected")
    order = make_order(member, paid_at="2026-11-21 13:00", guide=org.guide, amount_fen=580000)
    (line,) = order.lines.all()
    assert queries.lines_to_link(held, now=product_clock.now()) == [line]
    services.link_line(held, line.pk, actor=actor(org.guide), **now_of())
    told = {"actor": actor(org.manager), **now_of()}
    with pytest.raises(Conflict) as refused:
        checkout.refund_lines(order, [(1, 1)], key="r1", **told)
    assert refused.value.code == "order.not_returnable" and "定制" in refused.value.detail
    assert checkout.refund_lines(order, [(1, 1)], key="r2", reason="quality", **told).state in ("asked", "done")


def test_a_line_belongs_to_him_and_to_one_fitting(member: Member, org: Org) -> None:
    held = make_fitting(member, state="collected")
    foreign = make_order(make_member(store=org.store), paid_at="2026-11-21 13:00").lines.get()
    own = make_order(member, paid_at="2026-11-21 13:00", guide=org.guide).lines.get()
    told = {"actor": actor(org.guide), **now_of()}
    with pytest.raises(NotFound):
        services.link_line(held, foreign.pk, **told)
    services.link_line(held, own.pk, **told)
    second = make_fitting(member, state="measured", starts_at="2026-11-26 14:00")
    with pytest.raises(Conflict):
        services.link_line(second, own.pk, **told)


# ---------------------------------------------------------------- whose data it is


def test_the_size_file_goes_with_the_card_and_with_the_appointment(member: Member, org: Org) -> None:
    make_fitting(member, state="measured")
    sees = lambda who: MemberMeasure.objects.visible_to(who).count()  # noqa: E731
    colleague = make_staff(store=org.store)
    assert [sees(actor(one)) for one in (org.guide, org.manager, colleague, org.stranger)] == [1, 1, 0, 0]
    assert sees(as_member(member)) == 1 and sees(as_member(make_member())) == 0


def test_forgotten_he_leaves_no_measure_and_no_word(member: Member, org: Org) -> None:
    held = make_fitting(member, state="making", wish="婚礼")
    coming = make_fitting(member, starts_at="2026-11-26 14:00")
    from django.db import connection

    with connection.cursor() as cursor:
        erasing.erase(cursor, [member.pk], now=product_clock.now())
        erasing.erase(cursor, [member.pk], now=product_clock.now())
    assert not MemberMeasure.objects.exists()
    rows = [(one.state, one.wish, one.fabric, one.price_fen) for one in (fresh(held), fresh(coming))]
    assert rows == [("cancelled", "", "", 580000), ("cancelled", "", "", 0)]
    assert set(held.steps.values_list("text", flat=True)) == {""}


def test_his_tag_says_that_he_was_measured(member: Member, org: Org, django_db_blocker: object) -> None:
    from crm.tags.loading import load_tags

    load_tags(now=product_clock.now())
    make_fitting(member, state="measured")
    held = dict(MemberTag.objects.filter(member=member).values_list("tag__key", "values"))
    assert held["measure_on_file"] == ["是"] and held["body_height_cm"] == ["176"]


def test_of_two_cards_that_become_one_the_second_appointment_is_called_off(member: Member, org: Org) -> None:
    other = make_member(owner=org.guide)
    his, gone = make_fitting(member), make_fitting(other, starts_at="2026-11-25 14:00")
    services.make_room(member.pk, other.pk, product_clock.now())
    assert (fresh(his).state, fresh(gone).state) == ("booked", "cancelled")
    services.make_room(member.pk, make_member().pk, product_clock.now())
    assert fresh(his).state == "booked"
