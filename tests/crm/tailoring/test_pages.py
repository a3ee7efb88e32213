"""The pages of the store and of the member: a story told with both, what is refused, and how many statements a list takes."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from crm.members.models import Member
from crm.tailoring import services
from crm.tailoring.models import Fitting, FittingDay, FittingPlan, MemberMeasure
from tests.conftest import TestClock
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, actor, make_staff, sign_in
from tests.factories.portal import sign_in_member
from tests.factories.tailoring import TYPED, make_fitting
from yejibao.core import clock as product_clock

pytestmark = pytest.mark.django_db


def as_staff(person: Any) -> Client:
    return sign_in(Client(), person)


def as_he(member: Member) -> Client:
    return sign_in_member(Client(), member)


def text(client: Client, path: str, **headers: str) -> str:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, (path, answer.status_code)
    return answer.content.decode()


def form(**changed: Any) -> dict[str, Any]:
    """Return the measure form as it is filled in."""
    facts: dict[str, Any] = {f"m-{key}": value for key, value in TYPED.items()}
    return facts | {
        "garment": "suit", "fabric": "藏青斜纹", "styles": ["平驳领"], "quantity": "1", "price": "5,800", "deposit": "1000.50",
        "deposit_slip": "261121-000007",
    } | changed  # fmt: skip


def test_from_the_appointment_to_the_wardrobe_on_both_phones(member: Member, org: Org, clock: TestClock) -> None:
    he, she = as_he(member), as_staff(org.guide)
    assert "还没有定制过" in text(he, "/my/fittings/")
    page = text(he, "/my/fittings/new/?day=2026-11-24")
    assert "您的专属导购 晓雯 给您量" in page
    slot = re.findall(r'name="slot"[^>]*value="([^"]+)"', page)[4]
    assert slot.startswith("2026-11-24T14:00")
    made = he.post("/my/fittings/new/", {"slot": slot, "store": org.store.pk, "wish": "婚礼穿"})
    held = Fitting.objects.get()
    assert made.headers["Location"] == f"/my/fittings/{held.public_id}/"
    assert "14:00" in text(he, "/my/") and "改时间" in text(he, made.headers["Location"])
    clock.travel("2026-11-24 14:05")
    assert "王哥" in text(she, "/g/fittings/") and "婚礼穿" in text(she, f"/g/fittings/{held.pk}/")
    assert "约量体" not in text(she, f"/g/members/{member.public_id}/").split('id="fittings"')[1][:400]  # he has one
    assert "脱鞋，背靠墙" in text(she, f"/g/fittings/{held.pk}/measure/")
    refused = she.post(
        f"/g/fittings/{held.pk}/measure/", form(**{"m-chest": "20"}, price="很贵"), headers={"Accept": "text/html"}
    )
    assert (
        refused.status_code == 422
        and "胸围 20 不对" in refused.content.decode()
        and "价格填整件的总价" in refused.content.decode()
    )
    assert she.post(f"/g/fittings/{held.pk}/measure/", form()).status_code == 302
    held.refresh_from_db()
    assert (held.state, held.price_fen, held.deposit_fen) == ("measured", 580000, 100050)
    assert "等他在手机上确认" in text(she, f"/g/fittings/{held.pk}/")
    page = text(he, f"/my/fittings/{held.public_id}/")
    assert "开始制作后不能退、不能换" in page and "¥5,800" in page and "胸围" in page
    (seen,) = re.findall(r'name="seen" value="(\w+)"', page)
    assert he.post(f"/my/fittings/{held.public_id}/do/", {"do": "confirm", "seen": seen}).status_code == 302
    held.refresh_from_db()
    assert held.state == "measured"  # he has not ticked it
    he.post(f"/my/fittings/{held.public_id}/do/", {"do": "confirm", "seen": seen, "agree": "1"})
    for step in (
        {"do": "start", "promised_on": "2026-12-18"},
        {"do": "delay", "promised_on": "2026-12-20", "text": "里布缺货"},
        {"do": "ready"},
    ):
        assert she.post(f"/g/fittings/{held.pk}/do/", step).status_code == 302
    page = text(he, f"/my/fittings/{held.public_id}/")
    assert "来店里试穿取衣" in page and "里布缺货" in page and "比原来说的 12 月 18 日 周五 晚" in page
    she.post(f"/g/fittings/{held.pk}/do/", {"do": "collected"})
    held.refresh_from_db()
    assert held.state == "collected" and "46.5" in text(he, "/my/fittings/sizes/")
    assert "已试穿取走" in text(she, "/g/fittings/?tab=over")


def test_the_state_is_asked_for_again_and_answers_304_while_it_is_the_same(member: Member, org: Org) -> None:
    held = make_fitting(member, state="measured")
    for client, path in (
        (as_staff(org.guide), f"/g/fittings/{held.pk}/"),
        (as_he(member), f"/my/fittings/{held.public_id}/"),
    ):
        first = client.get(path, headers={"HX-Request": "true"})
        again = client.get(path, headers={"HX-Request": "true", "If-None-Match": first.headers["ETag"]})
        assert (first.status_code, again.status_code) == (200, 304) and "<html" not in first.content.decode()


def test_a_guide_books_moves_and_notes_who_did_not_come(member: Member, org: Org, clock: TestClock) -> None:
    she = as_staff(org.guide)
    path = f"/g/members/{member.public_id}/fittings/new/"
    page = text(she, f"{path}?day=2026-11-24")
    slot = re.findall(r'name="slot"[^>]*value="([^"]+)"', page)[0]
    made = she.post(path, {"slot": slot, "store": org.store.pk})
    held = Fitting.objects.get()
    assert made.headers["Location"] == f"/g/fittings/{held.pk}/" and held.channel == "guide"
    refused = she.post(path, {"slot": slot, "store": org.store.pk})
    assert refused.status_code == 409 and "已经约了一次量体" in refused.content.decode()
    other = re.findall(r'name="slot"[^>]*value="([^"]+)"', text(she, f"/g/fittings/{held.pk}/move/?day=2026-11-25"))[2]
    assert she.post(f"/g/fittings/{held.pk}/move/", {"slot": other, "store": org.store.pk}).status_code == 302
    held.refresh_from_db()
    assert held.starts_at == product_clock.parse_iso("2026-11-25 12:00")
    clock.travel("2026-11-25 13:10")
    she.post(f"/g/fittings/{held.pk}/do/", {"do": "no_show"})
    assert "再约一次" in text(as_he(member), f"/my/fittings/{held.public_id}/")


def test_the_manager_sets_slots_and_a_day_apart(org: Org) -> None:
    he = as_staff(org.manager)
    assert "接下来两周" in text(he, "/m/fittings/")
    plan = {
        "do": "plan",
        "is_offered": "1",
        "slot_minutes": "45",
        "capacity": "2",
        "first_at": "10:30",
        "last_at": "19:30",
    }
    assert he.post("/m/fittings/", plan).status_code == 302
    saved = FittingPlan.objects.get(store=org.store)
    assert (saved.slot_minutes, saved.capacity, f"{saved.first_at:%H:%M}") == (45, 2, "10:30")
    assert (
        he.post("/m/fittings/", {"do": "day", "day": "2026-11-25", "capacity": "0", "why": "盘点"}).status_code == 302
    )
    assert FittingDay.objects.get().capacity == 0 and "盘点" in text(he, "/m/fittings/")
    assert he.post("/m/fittings/", plan | {"capacity": "0"}).status_code == 422
    assert as_staff(org.guide).get("/m/fittings/").status_code == 403


def test_what_is_not_his_is_not_there(member: Member, org: Org) -> None:
    held = make_fitting(member, state="measured")
    other, stranger = as_he(make_member(owner=org.guide)), as_staff(org.stranger)
    for client, path in (
        (other, f"/my/fittings/{held.public_id}/"), (other, f"/my/fittings/{held.public_id}/move/"),
        (stranger, f"/g/fittings/{held.pk}/"), (stranger, f"/g/fittings/{held.pk}/measure/"), (stranger, f"/g/members/{member.public_id}/fittings/new/"),
    ):  # fmt: skip
        assert client.get(path).status_code == 404, path
    assert other.post(f"/my/fittings/{held.public_id}/do/", {"do": "cancel"}).status_code == 404
    assert "还没有量过" in text(other, "/my/fittings/sizes/")


def test_a_mistake_of_the_tape_is_asked_about_and_kept_when_she_is_sure(member: Member, org: Org) -> None:
    make_fitting(member, state="collected")
    held = make_fitting(member, starts_at="2026-11-26 14:00")
    she = as_staff(org.guide)
    far = form(**{"m-chest": "112"})
    page = she.post(f"/g/fittings/{held.pk}/measure/", far, headers={"Accept": "text/html"})
    assert (
        page.status_code == 409
        and "胸围上次 98，这次 112" in page.content.decode()
        and 'value="112"' in page.content.decode()
    )
    told = she.post(f"/g/fittings/{held.pk}/measure/", far, headers={"Accept": "application/json"})
    assert told.json()["code"] == "fitting.doubtful"
    assert she.post(f"/g/fittings/{held.pk}/measure/", far | {"is_sure": "1"}).status_code == 302
    assert MemberMeasure.objects.filter(member=member).count() == 2


def test_the_till_line_is_linked_on_the_page(member: Member, org: Org) -> None:
    held = make_fitting(member, state="making")
    order = make_order(member, paid_at="2026-11-21 13:00", guide=org.guide)
    she = as_staff(org.guide)
    assert order.number in text(she, f"/g/fittings/{held.pk}/")
    assert she.post(f"/g/fittings/{held.pk}/do/", {"do": "link", "line": order.lines.get().pk}).status_code == 302
    assert order.lines.get().is_made_to_measure and "没有质量问题不退换" in text(she, f"/g/fittings/{held.pk}/")


def test_a_member_without_a_store_near_by_is_told_so(org: Org) -> None:
    assert "附近还没有能量体的门店" in text(as_he(make_member()), "/my/fittings/new/")


@pytest.mark.parametrize("path", ["/g/fittings/?day=2026-11-24", "/g/fittings/?tab=work", "/my/fittings/"])
def test_a_list_needs_the_same_statements_for_any_length(
    path: str, org: Org, member: Member, django_assert_max_num_queries: Any
) -> None:
    client = as_he(member) if path.startswith("/my/") else as_staff(org.guide)
    client.get(path)
    counts = []
    for number in range(3):
        who = member if path.startswith("/my/") else make_member(owner=org.guide)
        held = make_fitting(who, starts_at=product_clock.parse_iso("2026-11-24 10:00") + timedelta(hours=number))
        if "work" in path or path.startswith("/my/"):
            services.measure_member(held, *_measured(), actor=actor(org.guide), now=product_clock.now(), is_sure=True)
        with django_assert_max_num_queries(40) as queries:
            client.get(path)
        counts.append(len(queries))
    assert counts[0] == counts[-1]


def _measured() -> Any:
    from tests.factories.tailoring import SUIT, taken

    return taken(), SUIT


def test_hq_reads_the_size_file_on_the_card(member: Member, org: Org) -> None:
    make_fitting(member, state="making")
    client = as_staff(make_staff("hq_crm", unit=org.hq))
    page = text(client, f"/hq/members/{member.public_id}/")
    assert "尺码档案" in page and "约量体" not in page
