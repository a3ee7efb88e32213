"""呼叫总部 from the question to the next who asks it; a question asked without network; a vote."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from guides.announcements.audience import Audience
from guides.announcements.choosing import Chosen
from guides.helpdesk.loading import load_categories
from guides.helpdesk.models import HqCall, KnowledgeDraft
from guides.votes import services as votes
from guides.votes.models import Vote
from tests.conftest import PC, TestClock
from tests.core.test_look import FAULTS
from tests.factories.guides import Org, actor, holder_of, make_org, session_of
from yejibao.core.clock import parse_iso
from yejibao.core.models import StoredFile

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NOW = parse_iso("2026-11-21 10:10")
NARROW = {"width": 360, "height": 780}


@pytest.fixture
def org(transactional_db: None, clock: TestClock, tmp_path: Path, settings: Any) -> Org:
    settings.MEDIA_ROOT = tmp_path
    clock.travel(NOW)
    load_categories()
    return make_org()


def photo() -> dict[str, Any]:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((900, 600)).convert("RGB").save(out, "JPEG")
    return {"name": "lamp.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


def test_a_question_is_answered_rated_and_found_again(org: Org, open_page: Any, shot: Any) -> None:
    page = open_page(NARROW, sessionid=session_of(org.guide), reduced_motion="reduce")
    page.goto("/g/help/")
    page.fill("#help-text", "店里射灯坏了五盏，空调也不制冷，找谁修？")
    page.locator(".chip", has_text="工程维修").click()
    page.set_input_files("input[type=file]", files=[photo()])
    page.wait_for_selector(".ph-one[data-state=done]")
    shot(page, "help-ask-360")
    assert page.evaluate(FAULTS) == []
    page.get_by_role("button", name="呼叫总部").click()
    page.wait_for_url("**/g/help/*/")
    page.wait_for_selector(".hl .ph-one")
    shot(page, "help-thread-360")
    call = HqCall.objects.get()

    desk = open_page(PC, sessionid=session_of(holder_of("hq_engineering", org)))
    desk.goto("/hq/helpdesk/")
    shot(desk, "helpdesk-queue-pc")
    assert desk.evaluate(FAULTS) == []
    desk.get_by_role("link", name="射灯坏了五盏").click()
    desk.get_by_role("button", name="我来接").click()
    desk.wait_for_selector("text=接手了")
    desk.fill("#answer", "明天上午师傅到店，先关掉那一路开关。")
    desk.locator("summary").click()
    desk.locator("label.ck-l").click()
    desk.fill("input[name=kept_question]", "射灯坏了、空调不制冷找谁修")
    shot(desk, "helpdesk-answer-pc")
    assert desk.evaluate(FAULTS) == []
    desk.get_by_role("button", name="发出").click()
    desk.wait_for_selector(".hl.ans")

    page.reload()
    page.wait_for_selector(".hl.ans")
    page.locator("label[for=s5]").click()
    shot(page, "help-rate-360")
    assert page.evaluate(FAULTS) == []
    page.get_by_role("button", name="提交评价").click()
    page.wait_for_selector("text=谢谢评价")
    call.refresh_from_db()
    assert (call.state, call.rating, StoredFile.objects.filter(owner_id__isnull=False).count()) == ("closed", 5, 1)

    other = open_page(NARROW, sessionid=session_of(org.stranger), reduced_motion="reduce")
    other.goto("/g/help/")
    other.locator("#help-text").press_sequentially("射灯坏了三盏找谁", delay=5)
    other.wait_for_selector("text=明天上午师傅到店")
    shot(other, "help-found-360")
    assert other.evaluate(FAULTS) == []
    other.get_by_role("button", name="这条帮到我了").click()
    other.wait_for_selector("text=不用打扰总部了")
    assert (HqCall.objects.count(), KnowledgeDraft.objects.get().helped_count) == (1, 1)


def test_without_network_it_waits_on_the_phone_and_goes_by_itself(org: Org, open_page: Any, wait_until: Any) -> None:
    page = open_page(NARROW, sessionid=session_of(org.guide), reduced_motion="reduce")
    page.goto("/g/help/")
    page.context.set_offline(True)
    page.fill("#help-text", "试衣间门锁坏了，顾客出不来")
    page.locator(".chip", has_text="道具空间").click()
    page.set_input_files("input[type=file]", files=[photo()])
    page.wait_for_selector(".ph-one[data-state=waiting]")
    page.get_by_role("button", name="呼叫总部").click()
    page.wait_for_selector("text=都留在这部手机上")
    assert not HqCall.objects.exists()
    page.context.set_offline(False)
    wait_until(lambda: HqCall.objects.exists())
    page.wait_for_url("**/g/help/*/")
    page.wait_for_selector(".hl .ph-one")


def test_a_vote_from_the_list_to_its_result(org: Org, open_page: Any, shot: Any) -> None:
    votes.open_vote(
        title="下季橱窗主题你选哪一个", text="选大家最想卖的那个", options=["从容商务", "东方新韵", "轻装出行", "暖冬归家"],
        most_choices=1, is_anonymous=False, shows_at_once=True, deadline_at=NOW + timedelta(days=2),
        chosen=Chosen(Audience(roles=["guide"]), "全公司 · 导购", org.hq), actor=actor(holder_of("hq_retail", org)), now=NOW,
    )  # fmt: skip
    votes.hand_out(now=NOW, budget=timedelta(seconds=20))
    page = open_page(NARROW, sessionid=session_of(org.guide), reduced_motion="reduce")
    page.goto("/g/votes/")
    page.get_by_role("link", name="下季橱窗主题").click()
    page.locator(".chip", has_text="暖冬归家").click()
    shot(page, "vote-360")
    assert page.evaluate(FAULTS) == []
    page.get_by_role("button", name="投票").click()
    page.wait_for_selector("text=1 票 · 100%")
    shot(page, "vote-result-360")
    assert page.evaluate(FAULTS) == []
    assert Vote.objects.get().cast_count == 1
