"""Every kind of event arrives doubled, reordered and late, and leaves the right state; against the stand-in of the platform."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from guides.org.models import Staff, StaffSession
from tests.factories.guides import make_org, make_staff, session_of
from yejibao.core import clock as product_clock
from yejibao.core import outbox
from yejibao.core.outbox import Event
from yejibao.wecom import events as told
from yejibao.wecom import gateway, tokens
from yejibao.wecom.inbox import readers, registry
from yejibao.wecom.inbox.models import InboxEntry, Mirror
from yejibao.wecom.inbox.registry import reader_of, subscribe
from yejibao.wecom.inbox.xml import read_event

from .samples import AT, KINDS, PAIR, message, sample

pytestmark = pytest.mark.django_db
Deliver = Callable[..., dict[str, int]]
LATER = AT + 60


@pytest.fixture(autouse=True)
def _door(sandbox: Any, clock: Any) -> None:
    tokens.Credentials.forget_process_copies()
    gateway._gateway.cache_clear()
    clock.travel("2025-11-25 00:10")  # ten minutes after the samples


@pytest.fixture
def thing(sandbox: Any) -> Callable[..., None]:
    """Return a function that changes something at the platform without telling."""

    def change(kind: str, key: str, *, gone: bool = False, **facts: Any) -> None:
        sandbox.post("thing", kind=kind, id=key, facts=facts, gone=gone, tell=False)

    return change


def mirrors() -> dict[str, tuple[str, bool]]:
    return {f"{row.kind}:{row.key}": (row.state, row.deleted_at is not None) for row in Mirror.objects.all()}


def storm(*messages: str) -> list[str]:
    """Return each message twice or thrice, in an order nobody chose. A repeat has another body, as after an hour."""
    rng = random.Random(len(messages))
    again = [one.replace("</xml>", f"<Again>{number}</Again></xml>") for one in messages for number in range(2)]
    mixed = [*messages, *again]
    rng.shuffle(mixed)
    return mixed


# ---------------------------------------------------------------- events


def read(kind: str) -> list[Event]:
    facts = read_event(sample(kind).encode())
    reader = reader_of(kind)
    assert facts is not None and reader is not None
    return list(reader(facts, "2025-11-24T16:00:00+00:00"))


AT_ISO = "2025-11-24T16:00:00+00:00"
WHO = {"userid": "lan.chen", "external_userid": PAIR["ExternalUserID"], "at": AT_ISO}
APP = {"userid": "lan.chen", "at": AT_ISO, "agent_id": 1000002}
MEANINGS: dict[str, Event] = {
    "change_external_contact/add_external_contact": told.FriendAdded(**WHO, state="s-guide-7", welcome_code="WELCOMECODE-1"),
    "change_external_contact/add_half_external_contact": told.FriendAdded(
        **WHO, state="s-guide-7", welcome_code="WELCOMECODE-2", is_half=True
    ),
    "change_external_contact/edit_external_contact": told.FriendEdited(**WHO),
    "change_external_contact/del_external_contact": told.FriendLost(**WHO, by="transfer"),
    "change_external_contact/del_follow_user": told.FriendLost(**WHO, by="member"),
    "change_external_contact/transfer_fail": told.TransferFailed(**WHO, reason="customer_refused"),
    "change_external_contact/msg_audit_approved": told.ArchiveAgreed(**WHO, welcome_code="WELCOMECODE-3"),
    "change_external_chat/update": told.ChatChanged(
        "wrOgQhDgAAMYQiS5ol9G7gK9JVAAAA", "update", AT_ISO, "add_member", ["Jack", PAIR["ExternalUserID"]], 3
    ),
    "change_external_tag/delete": told.CorpTagChanged("etEAlECwAAG", True, "delete", AT_ISO, "1"),
    "change_external_tag/shuffle": told.CorpTagChanged("", True, "shuffle", AT_ISO),
    "customer_acquisition/customer_start_chat": told.AcquisitionChanged(
        "customer_start_chat", AT_ISO, "cawcde2f5c5e4f8a7e", "", "lan.chen", PAIR["ExternalUserID"]
    ),
    "change_contact/create_user": told.PersonChanged("zhang.san", "created", AT_ISO, department_ids=[1, 2, 3]),
    "change_contact/update_user": told.PersonChanged("zhang.san", "changed", AT_ISO, "zhang.san01", [2]),
    "change_contact/delete_user": told.PersonChanged("zhang.san", "deleted", AT_ISO),
    "subscribe": told.PersonChanged("lan.chen", "in_range", AT_ISO),
    "unsubscribe": told.PersonChanged("lan.chen", "out_of_range", AT_ISO),
    "change_contact/create_party": told.DepartmentChanged(2, "create", AT_ISO, 1),
    "change_contact/delete_party": told.DepartmentChanged(9, "delete", AT_ISO),
    "change_contact/update_tag": told.DirectoryTagChanged("1", AT_ISO, ["zhangsan", "lisi"], ["jack"]),
    "enter_agent": told.AppEntered(**APP),
    "click": told.MenuClicked(**APP, what="click", key="TODAY"),
    "view": told.MenuClicked(**APP, what="view", key="https://yejibao.example/g/today/"),
    "template_card_event": told.CardClicked(
        **APP, task_id="task-7", key="done", card_type="button_interaction", response_code="RESPONSECODE-1",
        choices={"when": ["tomorrow", "evening"], "how": ["chat"]},
    ),
    "template_card_menu_event": told.CardClicked(
        **APP, task_id="task-7", key="quiet", card_type="text_notice", response_code="RESPONSECODE-2", is_menu=True
    ),
    "living_status_change": told.LivingChanged("lvOQpTDwAAcP9wNOSSxTwpbni-TMPNSg", 1, AT_ISO, "lan.chen"),
    "sys_approval_change": told.ApprovalChanged(
        "201909270001", "sys", 2, AT_ISO, "3TkaH5KFbrG9heEQWLJjhgpFwmqAFB4dLEnapaB7aaa", "lan.chen"
    ),
    "open_approval_change": told.ApprovalChanged("201806010001", "open", 1, AT_ISO, "1234567890", "lan.chen"),
    "inactive_alert": told.AppStanding("inactive_alert", AT_ISO, 1000002, "2025-11-25T16:00:00+00:00"),
}  # fmt: skip


@pytest.mark.parametrize("kind", MEANINGS)
def test_a_kind_means_one_event(kind: str) -> None:
    assert read(kind) == [MEANINGS[kind]]


def test_every_kind_of_the_reference_but_other_rooms_has_a_reader() -> None:
    assert {kind for kind in KINDS if reader_of(kind) is None} == {
        "location", "batch_job_result", "upload_media_job_finish", "modify_schedule", "meeting_change/modify_meeting",
        "wedrive_file_change", "msgaudit_notify", "share_agent_change", "an_event_of_next_year/odd",
    }  # fmt: skip


@pytest.mark.parametrize("kind", [kind for kind in KINDS if reader_of(kind) and "standing" not in kind])
def test_an_event_without_what_it_is_about_is_kept_unhandled(deliver: Deliver, kind: str) -> None:
    event, _, change = kind.partition("/")
    bare = message({"Event": event} | ({"ChangeType": change} if change else {}), sender="")
    deliver(bare)
    entry = InboxEntry.objects.get()
    if (
        "standing" in getattr(reader_of(kind), "__name__", "")
        or kind.startswith("customer_acquisition/")
        or (kind == "change_external_tag/shuffle")
    ):
        return  # these need nothing
    assert (entry.state, entry.error.partition(" ")[0]) == ("unhandled", "missing")


# ---------------------------------------------------------------- what is read again


def test_groups(deliver: Deliver, thing: Any) -> None:
    chat = "wrOgQhDgAAMYQiS5ol9G7gK9JVAAAA"
    thing("chat", chat, owner="Lan.Chen", member_version="71217227bbd112ecfe3a49c482195cb4",
          member_list=[{"userid": "Lan.Chen", "type": 1}, {"userid": "wm1", "type": 2}])  # fmt: skip
    create, update, dismiss = (sample(f"change_external_chat/{what}") for what in ("create", "update", "dismiss"))
    deliver(*storm(create, update))
    row = Mirror.objects.get(kind="chat", key=chat)
    assert (row.state, row.deleted_at) == ("open", None)
    assert row.facts == {
        "owner": "lan.chen", "member_version": "71217227bbd112ecfe3a49c482195cb4", "members": 2, "customers": 1,
    }  # fmt: skip
    thing("chat", chat, gone=True)
    deliver(*storm(dismiss, update.replace(str(AT), str(LATER))))  # an update that was overtaken comes after the end
    assert mirrors() == {f"chat:{chat}": ("dismissed", True)}
    assert Mirror.objects.get().facts["owner"] == "lan.chen"  # marked, not dropped


def test_corp_tags(deliver: Deliver, thing: Any, sandbox: Any) -> None:
    thing("tag_group", "etEAlECwAAG", group_name="穿着场合", order=1)
    thing("tag", "etEAlECwAA1", name="通勤", group_id="etEAlECwAAG", order=3)
    deliver(*storm(sample("change_external_tag/create"), sample("change_external_tag/update")))
    assert mirrors() == {"tag_group:etEAlECwAAG": ("", False), "tag:etEAlECwAA1": ("", False)}
    thing("tag", "etEAlECwAA1", order=9)
    deliver(*storm(sample("change_external_tag/shuffle")))
    assert Mirror.objects.get(kind="tag").facts == {"name": "通勤", "order": 9, "group_id": "etEAlECwAAG"}
    thing("tag_group", "etEAlECwAAG", gone=True)
    deliver(*storm(sample("change_external_tag/delete"), sample("change_external_tag/update", Late="1")))
    assert mirrors() == {"tag_group:etEAlECwAAG": ("", True), "tag:etEAlECwAA1": ("", True)}


def test_many_tag_events_are_read_with_two_calls(deliver: Deliver, thing: Any, sandbox: Any) -> None:
    thing("tag_group", "g1", group_name="a")
    for number in range(8):
        thing("tag", f"t{number}", name=str(number), group_id="g1")
    sandbox.delete("stats")
    deliver(*[sample("change_external_tag/update", Id=f"t{number}") for number in range(8)],
            sample("change_external_tag/update", Id="g1", TagType="tag_group"))  # fmt: skip
    assert sandbox.get("stats")["calls"]["externalcontact/get_corp_tag_list"] == 2
    assert Mirror.objects.filter(kind="tag").count() == 8


def test_livings(deliver: Deliver, thing: Any) -> None:
    living = "lvOQpTDwAAcP9wNOSSxTwpbni-TMPNSg"
    thing("living", living, status=2, anchor_userid="Lan.Chen")
    begun, ended = sample("living_status_change"), sample("living_status_change", at=LATER, Status=2)
    deliver(*storm(ended, begun))
    assert mirrors() == {f"living:{living}": ("2", False)}
    assert Mirror.objects.get().facts == {"userid": "lan.chen"}


def test_a_living_the_app_may_not_read_goes_by_the_events(deliver: Deliver, sandbox: Any) -> None:
    sandbox.fault("living/get_living_info", errcode=48002)
    for order in ((0, 1, 2), (2, 0, 1), (1, 2, 0)):
        Mirror.objects.all().delete()
        InboxEntry.objects.all().delete()
        deliver(*storm(*[sample("living_status_change", at=AT + status, Status=status) for status in order]))
        assert [row.state for row in Mirror.objects.all()] == ["2"]


def test_livings_in_one_second_go_by_their_order(deliver: Deliver, sandbox: Any) -> None:
    sandbox.fault("living/get_living_info", errcode=48002)
    deliver(*storm(sample("living_status_change", Status=1), sample("living_status_change", Status=0)))
    assert Mirror.objects.get().state == "1"


@pytest.mark.parametrize(("kind", "thing_kind", "key", "field"), [
    ("sys_approval_change", "approval", "201909270001", "sp_status"),
    ("open_approval_change", "own_approval", "201806010001", "OpenSpstatus"),
])  # fmt: skip
def test_approvals(deliver: Deliver, thing: Any, kind: str, thing_kind: str, key: str, field: str) -> None:
    thing(thing_kind, key, **{field: 3})
    deliver(*storm(sample(kind), sample(kind, at=LATER)))
    assert mirrors() == {f"approval:{kind.partition('_')[0]}/{key}": ("3", False)}


def test_departments(deliver: Deliver, thing: Any) -> None:
    thing("department", "2", name="徐家汇店", parentid=1)
    create, update = sample("change_contact/create_party"), sample("change_contact/update_party")
    deliver(*storm(update, create, sample("change_contact/delete_party")), app="contacts")
    rows = {row.key: (row.deleted_at is not None, row.facts) for row in Mirror.objects.filter(kind="department")}
    assert rows == {"2": (False, {"parent_id": 1}), "9": (True, {})}


# ---------------------------------------------------------------- what is believed as told


def test_cards_visits_clicks_warnings_and_refusals_keep_the_newest(deliver: Deliver) -> None:
    kinds = ("template_card_event", "enter_agent", "click", "inactive_alert",
             "change_external_contact/transfer_fail", "change_contact/update_tag")  # fmt: skip
    newer = [sample("template_card_event", at=LATER, EventKey="later"), sample("view", at=LATER),
             sample("reopen_inactive_agent", at=LATER), sample("enter_agent", at=LATER)]  # fmt: skip
    deliver(*storm(*newer, *[sample(kind) for kind in kinds]))
    assert mirrors() == {
        "card:task-7/lan.chen": ("later", False), "visit:lan.chen": ("entered", False), "menu:lan.chen": ("view", False),
        "app:1000002": ("reopen_inactive_agent", False), "directory_tag:1": ("changed", False),
        f"transfer:{PAIR['ExternalUserID']}/lan.chen": ("customer_refused", False),
    }  # fmt: skip
    assert Mirror.objects.get(kind="visit").happened_at.timestamp() == LATER
    assert set(InboxEntry.objects.values_list("state", flat=True)) == {"done"}


# ---------------------------------------------------------------- people


@pytest.fixture
def guide() -> Staff:
    return make_staff(store=make_org().store, wecom_user_id="zhang.san")


def add_person(sandbox: Any, userid: str, **facts: Any) -> None:
    sandbox.post("world", people=[{"userid": userid, "name": userid} | facts])


def test_who_was_deleted_has_left(deliver: Deliver, guide: Staff) -> None:
    deliver(
        *storm(sample("change_contact/delete_user"), sample("change_contact/create_user", at=AT - 600)), app="contacts"
    )
    guide.refresh_from_db()
    assert (guide.state, guide.resigned_at.timestamp()) == (
        "resigned",
        AT,
    )  # so his session is refused at its next request
    left = outbox.models.OutboxEvent.objects.filter(topic="guides.staff_resigned")
    assert left.count() == 1  # the hand-over begins once


def test_a_late_deletion_of_somebody_who_is_back_changes_nothing(deliver: Deliver, guide: Staff, sandbox: Any) -> None:
    add_person(sandbox, "Zhang.San")
    deliver(*storm(sample("change_contact/delete_user"), sample("change_contact/create_user")), app="contacts")
    guide.refresh_from_db()
    assert guide.state == "active"


def test_who_was_disabled_is_refused_until_he_is_back(deliver: Deliver, guide: Staff, sandbox: Any) -> None:
    add_person(sandbox, "Zhang.San", status=2)
    out, back = (sample(kind).replace("Lan.Chen", "Zhang.San") for kind in ("unsubscribe", "subscribe"))
    session_of(guide)
    deliver(*storm(out, back))  # the platform says: disabled, whatever came last
    guide.refresh_from_db()
    assert (guide.state, StaffSession.objects.filter(staff=guide).count()) == ("disabled", 0)
    add_person(sandbox, "Zhang.San", status=1)
    deliver(back.replace(str(AT), str(LATER)), out.replace(str(AT), str(LATER)))
    guide.refresh_from_db()
    assert guide.state == "active"


def test_who_is_out_of_range_is_disabled_not_resigned(deliver: Deliver, guide: Staff) -> None:
    deliver(sample("unsubscribe").replace("Lan.Chen", "Zhang.San"))
    guide.refresh_from_db()
    assert guide.state == "disabled"


def test_the_platform_does_not_undo_what_hq_did(deliver: Deliver, guide: Staff, sandbox: Any) -> None:
    from guides.org.services import set_staff_state
    from tests.factories.guides import actor, holder_of

    admin = actor(holder_of("sys_admin", make_org()))
    set_staff_state(guide, state="disabled", actor=admin, now=product_clock.now(), reason="借用账号")
    add_person(sandbox, "Zhang.San")
    deliver(sample("subscribe").replace("Lan.Chen", "Zhang.San"))
    guide.refresh_from_db()
    assert guide.state == "disabled"


def test_a_new_user_id_is_taken_over(deliver: Deliver, guide: Staff, sandbox: Any) -> None:
    add_person(sandbox, "Zhang.San01")
    deliver(*storm(sample("change_contact/update_user")), app="contacts")
    guide.refresh_from_db()
    assert (guide.wecom_user_id, guide.state) == ("zhang.san01", "active")


def test_who_was_missed_under_his_old_id_is_back_under_the_new_one(
    deliver: Deliver, guide: Staff, sandbox: Any
) -> None:
    """His other events came before the one of the new id: nobody of the old one was there any more."""
    add_person(sandbox, "Zhang.San01")
    deliver(sample("change_contact/create_user"), app="contacts")
    guide.refresh_from_db()
    assert (guide.wecom_user_id, guide.state) == ("zhang.san", "disabled")
    deliver(sample("change_contact/update_user"), app="contacts")
    guide.refresh_from_db()
    assert (guide.wecom_user_id, guide.state) == ("zhang.san01", "active")


# ---------------------------------------------------------------- friends: told to whoever listens


def test_friend_events_reach_their_subscribers(deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    monkeypatch.setattr(registry, "_subscribers", {cls: list(subs) for cls, subs in registry._subscribers.items()})
    for event_class in (told.FriendAdded, told.FriendEdited, told.FriendLost):
        registry._subscribers[event_class] = [heard.extend]
    kinds = ("add_external_contact", "add_half_external_contact", "edit_external_contact", "del_external_contact",
             "del_follow_user")  # fmt: skip
    deliver(*[sample(f"change_external_contact/{kind}") for kind in kinds])
    assert (
        sorted(type(event).__name__ for event in heard) == ["FriendAdded"] * 2 + ["FriendEdited"] + ["FriendLost"] * 2
    )
    added = next(event for event in heard if isinstance(event, told.FriendAdded))
    assert product_clock.parse_iso(added.received_at) == product_clock.now()


def test_kinds_nobody_wants_are_kept_and_shown(deliver: Deliver) -> None:
    kinds = [kind for kind in KINDS if reader_of(kind) is None]
    counts = deliver(*[sample(kind) for kind in kinds])
    assert counts == {"unhandled": len(kinds)}
    assert set(InboxEntry.objects.values_list("state", "error")) == {("unhandled", "unknown kind")}


def test_no_subscriber_is_named_twice() -> None:
    assert readers.read_added is reader_of("change_external_contact/add_external_contact")
    before = registry.subscribers_of(told.AppEntered)
    subscribe(told.AppEntered)(before[0])
    assert registry.subscribers_of(told.AppEntered) == before


def test_late_by_a_day(deliver: Deliver, clock: Any, thing: Any) -> None:
    thing("chat", "wrOgQhDgAAMYQiS5ol9G7gK9JVAAAA", owner="lan.chen")
    clock.travel(product_clock.now() + timedelta(days=1))
    deliver(*storm(sample("change_external_chat/create")))
    assert Mirror.objects.get().state == "open"
