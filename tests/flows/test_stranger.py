"""A stranger scans a guide's code, is greeted, turns out to be a member, is talked to, and leaves again."""

from typing import Any

import pytest

from crm.friends.models import ContactWay
from crm.friends.services import bring_ways, want_way
from crm.members.models import FriendLink, MemberIdentity
from crm.members.services import note_identities
from guides.org.actors import actor_for
from tasks.cadences.loading import load_3369
from tasks.followups.models import Task
from tasks.scripts.loading import load_scripts
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import make_member, make_order
from tests.factories.guides import Org, make_org
from yejibao.core.outbox import drain_events
from yejibao.wecom import gateway, tokens
from yejibao.wecom.inbox.services import take_in
from yejibao.wecom.inbox.working import work_off
from yejibao.wecom.sandbox.callbacks import element
from yejibao.wecom.welcome.models import WelcomeMessage

pytestmark = pytest.mark.django_db


class Scene:
    """The guide with her code, the stand-in, and callbacks that arrive as the stand-in would send them."""

    def __init__(self, sandbox: SandboxControl, clock: TestClock) -> None:
        self.sandbox, self.clock = sandbox, clock
        tokens.Credentials.forget_process_copies()
        gateway._gateway.cache_clear()
        self.travel("2026-03-02 10:00")
        self.org: Org = make_org()
        load_3369(now=clock.now())
        load_scripts(now=clock.now())
        sandbox.post("world", people=[{"userid": self.org.guide.wecom_user_id, "name": "晓雯"}])
        want_way(kind="guide", guide=self.org.guide, actor=actor_for(self.org.guide), now=clock.now())
        bring_ways(door=gateway.default(), now=clock.now())
        self.way = ContactWay.objects.get()

    def travel(self, moment: str) -> None:
        self.sandbox.post("clock", now=self.clock.travel(moment).isoformat())

    def scan(self, name: str = "云淡风轻", **more: Any) -> str:
        got: str = self.sandbox.post("scan", config_id=self.way.config_id, name=name, **more)["external_userid"]
        return got

    def hear(self, change: str, external: str, **more: Any) -> None:
        """Take a callback in twice, as the platform may send it, and work it off."""
        facts = {
            "ToUserName": "corp", "FromUserName": "sys", "CreateTime": int(self.clock.now().timestamp()), "MsgType": "event",
            "Event": "change_external_contact", "ChangeType": change, "UserID": self.org.guide.wecom_user_id,
            "ExternalUserID": external,
        }  # fmt: skip
        for _ in range(2):
            take_in("yejibao", element("xml", facts | more).encode(), now=self.clock.now())
        work_off(now=self.clock.now(), seconds=5)
        drain_events()

    def added(self, external: str) -> None:
        codes = self.sandbox.get("welcome_codes")["codes"]
        code = next(code for code, row in codes.items() if row["external_userid"] == external)
        self.hear("add_external_contact", external, State=self.way.token, WelcomeCode=code)

    def read_by(self, external: str) -> list[str]:
        rows = self.sandbox.get("chat", userid=self.org.guide.wecom_user_id, external_userid=external)["messages"]
        return [row["text"] for row in rows]


@pytest.fixture
def scene(sandbox: SandboxControl, clock: TestClock) -> Scene:
    return Scene(sandbox, clock)


def test_a_stranger_is_greeted_without_a_name_and_becomes_known_by_his_phone(scene: Scene) -> None:
    external = scene.scan()
    scene.added(external)
    [text] = scene.read_by(external)
    assert text.startswith("您好，我是新街口店的晓雯")
    assert WelcomeMessage.objects.get().state == "sent"
    link = FriendLink.objects.get()
    assert (link.way, link.member, Task.objects.count()) == (scene.way, None, 0)

    member = make_member(owner=scene.org.guide, name="王建平", phone="13800132075")
    note_identities([member.pk], now=scene.clock.now())
    scene.sandbox.post(
        "remark", userid=scene.org.guide.wecom_user_id, external_userid=external, remark_mobiles=["138 0013 2075"]
    )
    scene.hear("edit_external_contact", external)
    link.refresh_from_db()
    assert link.member == member
    assert MemberIdentity.objects.filter(member=member, kind="external_user_id", value=external).exists()
    task = Task.objects.get()
    assert (task.task_type, task.assignee, task.state) == ("welcome_new_friend", scene.org.guide, "open")
    assert task.why == "刚从你的码加上好友，自己先聊一句，认识一下"

    scene.travel("2026-03-02 11:00")
    scene.sandbox.post("unfriend", userid=scene.org.guide.wecom_user_id, external_userid=external, by="member")
    scene.hear("del_follow_user", external)
    task.refresh_from_db()
    link.refresh_from_db()
    assert (link.state, task.state, task.closed_reason) == ("deleted_by_member", "skipped", "friend_lost")


def test_a_member_known_by_his_unionid_is_greeted_by_name(scene: Scene) -> None:
    member = make_member(owner=scene.org.guide, name="王建平", salutation="王哥", purchase_count=3)
    make_order(member, paid_at="2026-01-05 15:00")
    MemberIdentity.objects.create(
        member=member, kind="unionid", value="oUknown", source="mini_program", added_at=scene.clock.now()
    )
    external = scene.scan(unionid="oUknown")
    scene.added(external)
    [text] = scene.read_by(external)
    assert text.startswith("王哥，终于加上您了")
    assert Task.objects.get().member == member


def test_a_platform_that_does_not_say_who_he_is_keeps_nobody_from_being_greeted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sandbox.fault("externalcontact/get", hang=30)
    monkeypatch.setattr("tasks.scripts.welcoming.ANSWER_WITHIN", 0.5)
    external = scene.scan()
    scene.added(external)
    assert len(scene.read_by(external)) == 1
    assert FriendLink.objects.get().external_user_id == external
