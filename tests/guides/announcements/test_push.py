"""What the platform gets: one card a person, nothing for who has read it or what was taken back, and the last calls home."""

from datetime import timedelta
from typing import Any

import pytest

from guides.announcements import services
from guides.announcements.models import Announcement, AnnouncementReceipt
from guides.announcements.queries import pushed
from guides.org.models import Staff
from tests.conftest import SandboxControl
from tests.factories.guides import Org, actor, sign_in
from yejibao.core.models import OutboxMessage
from yejibao.wecom.messages import url_of
from yejibao.wecom.sender import drain_messages

from .conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def platform(sandbox: SandboxControl, org: Org) -> SandboxControl:
    sandbox.post("clock", now=NOW.isoformat())
    sandbox.post(
        "world", people=[{"userid": one.wecom_user_id} for one in (org.guide, org.manager)]
    )  # not the stranger
    return sandbox


def test_one_card_a_person_and_whom_it_does_not_reach_is_known(
    published: Any, platform: SandboxControl, org: Org
) -> None:
    held = published(level="urgent")
    drain_messages(now=NOW)
    (mine,) = platform.received(org.guide.wecom_user_id)
    card = mine["request"]["textcard"]
    assert (
        card["title"] == "【紧急】小雪换季陈列调整"
        and "今天要做三件事" in card["description"]
        and "前读完并点" in card["description"]
    )
    number = AnnouncementReceipt.objects.get(staff=org.guide).message_id
    assert url_of(mine["request"]).endswith(f"/g/announcements/{held.pk}/?m={number}")
    assert (pushed(held).sent, pushed(held).failed, pushed(held).waiting) == (2, 1, 0)


def test_who_has_read_it_or_left_is_not_told(published: Any, platform: SandboxControl, org: Org) -> None:
    held = published(needs_confirm=False)
    services.mark_read(held, actor=actor(org.guide), now=NOW)
    Staff.objects.filter(pk=org.manager.pk).update(state="resigned")
    drain_messages(now=NOW)
    assert platform.received() == []
    assert set(OutboxMessage.objects.exclude(recipient=org.stranger.wecom_user_id).values_list("state", flat=True)) == {
        "cancelled"
    }


def test_what_is_withdrawn_is_not_sent_and_what_was_sent_is_called_back(
    published: Any, platform: SandboxControl, org: Org, publisher: Staff, client: Any
) -> None:
    first = published()
    drain_messages(now=NOW)
    second = published(title="第二条")
    for held in (first, second):
        services.withdraw(held, actor=actor(publisher), now=NOW, reason="写错了")
    drain_messages(now=NOW)
    assert len(platform.received()) == 2, "nothing of the second one"
    counted = services.recall_withdrawn(now=NOW, budget=timedelta(seconds=20))
    assert counted == {"recalled": 2}
    assert not Announcement.objects.filter(recalled_at=None).exists()
    assert services.recall_withdrawn(now=NOW, budget=timedelta(seconds=20)) == {}
    page = sign_in(client, org.guide).get("/me/").content.decode()
    assert "公告" in page and '公告 <b class="cnt' not in page, "nothing waits any more"


def test_urged_it_says_so_and_confirmed_meanwhile_it_is_silent(
    published: Any, platform: SandboxControl, org: Org, publisher: Staff
) -> None:
    held = published()
    drain_messages(now=NOW)
    later = NOW + timedelta(minutes=5)
    services.urge(held, actor=actor(publisher), now=later)
    services.confirm(held, actor=actor(org.manager), now=later)
    drain_messages(now=later)
    titles = [one["request"]["textcard"]["title"] for one in platform.received(org.guide.wecom_user_id)]
    assert titles == ["【普通】小雪换季陈列调整", "还没读：小雪换季陈列调整"]
    assert len(platform.received(org.manager.wecom_user_id)) == 1
