"""A guide, her member, the stand-in of the platform, and callbacks that arrive as it would send them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from crm.corptags.models import CorpTag, FriendTags
from crm.corptags.services import settle_friends, start_tag_sync, sync_tags
from crm.members.models import FriendLink, Member
from crm.tags.loading import load_tags
from crm.tags.models import MemberTag
from crm.tags.services import set_tag
from guides.org.actors import actor_for
from guides.org.models import Staff
from tests.conftest import SandboxControl, TestClock
from tests.factories.crm import make_friend, make_member, make_staff
from yejibao.core.clock import parse_iso
from yejibao.core.outbox import drain_events
from yejibao.core.scope import Actor
from yejibao.wecom import gateway, tokens
from yejibao.wecom.inbox.services import take_in
from yejibao.wecom.inbox.working import work_off
from yejibao.wecom.sandbox.callbacks import element

NOW = parse_iso("2026-03-02 10:00")
SYSTEM = Actor.system()
SMALL = ("occupation", "hobby", "marital_status")  # what the small world maps: enum, multi_enum, one with 不愿透露


class Chat:
    """Both sides: what stands here, what the platform has, and what people do there."""

    def __init__(self, sandbox: SandboxControl, clock: TestClock) -> None:
        self.sandbox, self.clock = sandbox, clock
        self.travel(NOW)

    def travel(self, moment: datetime) -> None:
        self.sandbox.post("clock", now=self.clock.travel(moment).isoformat())

    @property
    def now(self) -> datetime:
        return self.clock.now()

    # ------------------------------------------------------------ the platform
    def befriend(self, link: FriendLink) -> None:
        """Let the stand-in know a relation and who she is."""
        userid = link.guide.wecom_user_id
        self.sandbox.post("world", people=[{"userid": userid, "name": userid}])
        self.sandbox.post("friend", userid=userid, external_userid=link.external_user_id, tell=False)

    def ids(self) -> dict[str, str]:
        """Return corp tag ids by "group/tag"."""
        rows = self.sandbox.get("tags")["tag_group"]
        return {f"{group['group_name']}/{tag['name']}": tag["id"] for group in rows for tag in group["tag"]}

    def there(self, link: FriendLink) -> list[str]:
        """Return what the platform shows of a friend, as "group/tag"."""
        found = self.sandbox.get("tags", userid=link.guide.wecom_user_id, external_userid=link.external_user_id)
        names = {value: key for key, value in self.ids().items()}
        return sorted(names[one] for one in found["marked"])

    def tag(self, link: FriendLink, *add: str, remove: Sequence[str] = (), at: datetime | None = None,
            is_heard: bool = True) -> None:  # fmt: skip
        """Let the guide tag a friend in the client, a second later; the callback comes twice."""
        self.travel(self.now + timedelta(seconds=1))
        ids = self.ids()
        self.sandbox.post(
            "tags/mark", userid=link.guide.wecom_user_id, external_userid=link.external_user_id,
            add=[ids[one] for one in add], remove=[ids[one] for one in remove],
        )  # fmt: skip
        if is_heard:
            self.hear("edit_external_contact", link, at=at)

    def hear(self, change: str, link: FriendLink, at: datetime | None = None) -> None:
        facts = {"Event": "change_external_contact", "ChangeType": change, "UserID": link.guide.wecom_user_id,
                 "ExternalUserID": link.external_user_id}  # fmt: skip
        self.callback(facts, at=at)

    def callback(self, facts: dict[str, Any], at: datetime | None = None) -> None:
        envelope = {"ToUserName": "corp", "FromUserName": "sys", "CreateTime": int((at or self.now).timestamp()),
                    "MsgType": "event"}  # fmt: skip
        for _ in range(2):
            take_in("yejibao", element("xml", envelope | facts).encode(), now=self.now)
        work_off(now=self.now, seconds=5)

    def calls(self, api: str = "mark_tag") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.sandbox.get("calls", api=f"externalcontact/{api}")["calls"]
        return [row for row in rows if row["errcode"] not in (42001, 40014)]

    # ------------------------------------------------------------ here
    def say(self, member: Member, key: str, value: Any, *, source: str = "GUIDE", at: datetime | None = None) -> None:
        set_tag(member, key, value, source=source, actor=SYSTEM, at=at or self.now, now=self.now)

    def counts(self, member: Member) -> dict[str, tuple[list[str], str]]:
        rows = MemberTag.objects.filter(member=member, is_effective=True).select_related("tag")
        return {one.tag.key: (one.values, one.source) for one in rows}

    def beat(self) -> dict[str, int]:
        """As half a minute does: events are handed over, what is due is settled."""
        drain_events()
        return settle_friends(door=gateway.default(), now=self.now)

    def bring(self) -> None:
        """Bring the groups about, and compare the friends."""
        start_tag_sync(door=gateway.default(), actor=SYSTEM, now=self.now)
        sync_tags(door=gateway.default(), now=self.now)

    def waiting(self) -> int:
        return FriendTags.objects.filter(next_at__isnull=False).count()


@pytest.fixture
def chat(db: None, sandbox: SandboxControl, clock: TestClock) -> Chat:
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    load_tags(now=NOW)
    return Chat(sandbox, clock)


@pytest.fixture
def small(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> Chat:
    """Only a few tags are mapped, and they are there."""
    from crm.corptags import queries

    whole = queries.mapped_tags
    for module in ("crm.corptags.services.mapping", "crm.corptags.services.following"):
        monkeypatch.setattr(f"{module}.mapped_tags", lambda: whole().filter(key__in=SMALL))
    chat.bring()
    assert CorpTag.objects.filter(value__isnull=False).count() == 14 + 15 + 3
    return chat


@pytest.fixture
def guide() -> Staff:
    return make_staff()


@pytest.fixture
def member(guide: Staff) -> Member:
    return make_member(owner=guide)


@pytest.fixture
def link(chat: Chat, member: Member) -> FriendLink:
    link = make_friend(member)
    chat.befriend(link)
    return link


def acting(staff: Staff) -> Actor:
    return actor_for(staff)
