"""Every kind of event of the platform's documentation, over the socket, doubled, reordered and late; then the platform is
asked what is true, by polling and by the nightly sweeps: nothing may differ.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crm.friends.jobs import go_on_with_sync, read_changed_friends, start_nightly_sync
from crm.members.models import FriendLink
from guides.org.jobs import go_on_with_people_sync, start_nightly_people_sync
from guides.org.models import Staff
from tests.factories.guides import make_org, make_staff
from yejibao.core import clock as product_clock
from yejibao.wecom import gateway, tokens
from yejibao.wecom.contacts import read_page
from yejibao.wecom.inbox.models import InboxEntry, Mirror
from yejibao.wecom.inbox.registry import reader_of
from yejibao.wecom.inbox.working import work_off
from yejibao.wecom.syncing.models import SyncRun

from .conftest import AES_KEY, OTHER_AES_KEY, OTHER_TOKEN, TOKEN
from .samples import AGENT, KINDS

pytestmark = pytest.mark.django_db(transaction=True)

LAN, MIN, YU, LEAVER, RENAMED, NEW_NAME = "lan.chen", "min.wang", "yu.zhao", "old.hand", "zhang.san", "zhang.san01"
CONTACTS = {"change_contact"}
# The documentation's other kinds, of features the product does not use. A guide's place (LOCATION) is not wanted at all:
# where somebody is, is asked for at her tap and never in the background.
UNWANTED = [
    "scancode_push", "scancode_waitmsg", "pic_sysphoto", "pic_photo_or_album", "pic_weixin", "location_select",
    "respond_schedule", "delete_schedule", "modify_calendar", "delete_calendar", "wedrive_space_change",
    "wedrive_insufficient_capacity", "share_chain_change",
]  # fmt: skip


@pytest.fixture
def platform(sandbox: Any, live_server: Any, clock: Any) -> Any:
    """The stand-in in foul weather, calling the product over a socket for both its apps."""
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    now = clock.travel("2026-03-02 11:00")
    sandbox.post("clock", now=now.timestamp())
    url = f"{live_server.url}/wecom/callback"
    sandbox.post("receivers", yejibao={"url": f"{url}/yejibao/", "token": TOKEN, "aes_key": AES_KEY},
                 contacts={"url": f"{url}/contacts/", "token": OTHER_TOKEN, "aes_key": OTHER_AES_KEY})  # fmt: skip
    sandbox.post("weather", duplicate_percent=100, delay_seconds=1.5, forge_percent=10)
    return sandbox


@pytest.fixture
def people(platform: Any) -> None:
    store = make_org().store
    for userid in (LAN, MIN, YU, LEAVER, RENAMED):
        make_staff(store=store, wecom_user_id=userid)
    platform.post("world", departments=[{"id": 2, "name": "徐家汇店", "parentid": 1}, {"id": 9, "name": "旧店"}])
    rows = [{"userid": name, "name": name, "department": [2]} for name in (LAN, MIN, YU, LEAVER, RENAMED)]
    platform.post("world", people=rows)


def customers(platform: Any) -> None:
    """Friends made, edited, lost by either side, passed on, and one who refused to be."""
    for name in ("added", "edited", "left", "dropped", "passed", "refuses"):
        platform.post("friend", userid=LAN, external_userid=f"wm{name}", name=name, state="s-lan")
    platform.post("friend", userid=MIN, external_userid="wmhalf", name="half")
    platform.post(
        "remark", userid=LAN, external_userid="wmedited", remark="王姐 爱羊毛", remark_mobiles=["13800138000"]
    )
    platform.post("unfriend", userid=LAN, external_userid="wmleft", by="member")
    platform.post("unfriend", userid=LAN, external_userid="wmdropped", by="guide")
    door = gateway.default()
    for name in ("passed", "refuses"):
        body = {"handover_userid": LAN, "takeover_userid": MIN, "external_userid": [f"wm{name}"]}
        assert door.post("externalcontact/transfer_customer", body)["customer"][0]["errcode"] == 0
    platform.post("transfer/refuse", external_userid="wmrefuses")


def things(platform: Any) -> None:
    """Groups, tags, livings, approvals, departments and people come, change and go."""

    def act(kind: str, key: str, *, gone: bool = False, detail: str = "", **facts: Any) -> None:
        platform.post("thing", kind=kind, id=key, facts=facts, gone=gone, detail=detail)

    for chat in ("wrkept", "wrgone"):
        act("chat", chat, owner=LAN, member_list=[{"userid": LAN, "type": 1}])
        act(
            "chat",
            chat,
            detail="add_member",
            member_list=[{"userid": LAN, "type": 1}, {"userid": "wmadded", "type": 2}],
        )
    act("chat", "wrgone", gone=True)
    for group in ("etkept", "etgone"):
        act("tag_group", group, group_name=group, order=1)
        act("tag", f"{group}1", name="通勤", group_id=group)
    act("tag", "etkept1", name="商务", order=5)
    act("tag_group", "etgone", gone=True)
    for status in (0, 1, 2):
        act("living", "lv1", status=status, anchor_userid=LAN)
    for status in (1, 2):
        act("approval", "202603020001", sp_status=status)
        act("own_approval", "third1", OpenSpstatus=status)
    act("department", "3", name="新店", parentid=1)
    act("department", "3", name="新店", parentid=2)
    act("department", "9", gone=True)
    act("person", YU, status=2)
    act("person", LEAVER, gone=True)
    platform.post("thing", kind="person", id=RENAMED, gone=True, tell=False)
    platform.post("world", people=[{"userid": NEW_NAME, "name": NEW_NAME, "department": [2]}])


def samples(platform: Any) -> None:
    """One of each kind as documented, an hour old: about things of its own, and by people who are still there."""
    late = product_clock.now().timestamp() - 3600
    for kind, (facts, sender, has_agent) in [
        *KINDS.items(),
        *((name, ({"Event": name}, LAN, True)) for name in UNWANTED),
    ]:
        who = {"UserID": LAN, "ExternalUserID": "wmadded"} if "ExternalUserID" in facts else {}
        if kind.startswith("change_contact/") and "user" in kind:
            # Who was renamed was not deleted: that sample is about somebody nobody knows.
            gone = kind == "change_contact/delete_user"
            who = {"UserID": "nobody" if gone else RENAMED} | ({"NewUserID": NEW_NAME} if "NewUserID" in facts else {})
        platform.post(
            "callback", facts=facts | who, sender=LAN if sender != "sys" else "sys", agent_id=AGENT if has_agent else None,
            at=late, app="contacts" if facts["Event"] in CONTACTS else "yejibao",
        )  # fmt: skip


def test_every_kind_leaves_what_polling_says(
    platform: Any, people: None, clock: Any, wait_until: Callable[..., None]
) -> None:
    samples(platform)
    customers(platform)
    things(platform)
    platform.post("clock", now=clock.advance(hours=25).timestamp())
    pair = {"handover_userid": LAN, "takeover_userid": MIN}
    gateway.default().post(
        "externalcontact/transfer_result", pair
    )  # the day is over: the platform passes him on, and tells
    wait_until(lambda: not platform.get("callbacks")["waiting"], seconds=40)
    sent = platform.get("callbacks")["callbacks"]
    assert {row["state"] for row in sent} == {"delivered"} and {row["copies"] for row in sent} == {2}
    assert {row["kind"].casefold() for row in sent} >= {*KINDS, *UNWANTED}

    for _ in range(4):
        work_off(now=clock.advance(minutes=10), seconds=60)
        read_changed_friends()
    platform.post("clock", now=product_clock.now().timestamp())
    platform.post("weather")

    states = dict(InboxEntry.objects.values_list("kind", "state"))
    assert {kind for kind in states if states[kind] not in ("done", "unhandled")} == set()
    assert {kind for kind in states if states[kind] == "unhandled"} == {
        kind for kind in states if reader_of(kind) is None
    }
    same_as_polled()
    sweeps_find_nothing()


def same_as_polled() -> None:
    door = gateway.default()
    polled = {
        (follow.userid, one.external_userid): follow.remark
        for one in read_page(door, [LAN, MIN]).customers for follow in one.follows
    }  # fmt: skip
    links = {
        (link.guide.wecom_user_id, link.external_user_id): (link.state, link.remark)
        for link in FriendLink.objects.select_related("guide")
    }
    assert {pair for pair, (state, _) in links.items() if state != "deleted_by_guide"} == set(polled)
    assert {pair: remark for pair, (state, remark) in links.items() if pair in polled} == polled
    lost = {pair[1]: state for pair, (state, _) in links.items() if state in FriendLink.LOST}
    assert lost == {"wmleft": "deleted_by_member", "wmdropped": "deleted_by_guide", "wmpassed": "deleted_by_guide"}

    mirrors = {f"{row.kind}:{row.key}": row for row in Mirror.objects.all()}
    ended = {key: row.deleted_at is not None for key, row in mirrors.items()}
    assert (ended["chat:wrkept"], ended["chat:wrgone"]) == (False, True)
    assert mirrors["chat:wrkept"].facts["customers"] == 1
    assert (ended["tag:etkept1"], ended["tag:etgone1"], ended["tag_group:etgone"]) == (False, True, True)
    assert mirrors["tag:etkept1"].facts["name"] == "商务"
    assert mirrors["living:lv1"].state == "2"
    assert (mirrors["approval:sys/202603020001"].state, mirrors["approval:open/third1"].state) == ("2", "2")
    assert (mirrors["department:3"].facts, ended["department:9"]) == ({"parent_id": 2}, True)
    assert mirrors["transfer:wmrefuses/min.wang"].state == "customer_refused"

    active = {row.userid for row in door.list_users(2) if row.is_active}
    ours = dict(
        Staff.objects.filter(wecom_user_id__in=[LAN, MIN, YU, LEAVER, NEW_NAME]).values_list("wecom_user_id", "state")
    )
    assert ours == {LAN: "active", MIN: "active", YU: "disabled", LEAVER: "resigned", NEW_NAME: "active"}
    assert {name for name, state in ours.items() if state == "active"} == active


def sweeps_find_nothing() -> None:
    start_nightly_sync()
    start_nightly_people_sync()
    for _ in range(20):
        go_on_with_sync()
        go_on_with_people_sync()
    for run in SyncRun.objects.filter(kind__in=["staff", "friends"]):
        differing = {name: run.counts.get(name) for name in ("new", "changed", "lost") if run.counts.get(name)}
        assert (run.kind, run.state, differing) == (run.kind, "done", {})


def test_a_day_of_lost_callbacks_comes_right_by_night(platform: Any, people: None, clock: Any) -> None:
    platform.post("weather", lose_percent=100)
    customers(platform)
    assert not InboxEntry.objects.exists()
    for _ in range(2):
        start_nightly_sync()
        for _ in range(10):
            go_on_with_sync()
        platform.post("clock", now=clock.advance(hours=24).timestamp())
    polled = {one.external_userid for one in read_page(gateway.default(), [LAN, MIN]).customers}
    links = FriendLink.objects.exclude(state="deleted_by_guide").values_list("external_user_id", flat=True)
    assert set(links) == polled
    assert product_clock.now() - timedelta(days=2) < FriendLink.objects.latest("seen_at").seen_at
