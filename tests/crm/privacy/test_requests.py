"""A member asks for a copy, a correction, to be forgotten: who does what, by when, and what is left of him."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from crm.aftersale.models import Ticket
from crm.friends.models import Contact, LinkReview
from crm.members.models import FriendLink, Member, MemberIdentity
from crm.members.services import merge_members, note_identities
from crm.orders.models import Order
from crm.privacy.loading import load_texts
from crm.privacy.models import MemberRequest, RevealDay
from crm.privacy.services import (
    AlreadyAsked,
    CopyIsOver,
    NeedsAnother,
    NotChecked,
    PhoneTaken,
    RecordedHimself,
    RevealsUsedUp,
    TicketsOpen,
    approve_deletion,
    confirm_identity,
    correct_member,
    forget_approved,
    hand_over_copy,
    record_request,
    reveal_phone,
    set_consent,
    set_particulars,
    withdraw_request,
)
from crm.privacy.services.revealing import STOP_PER_DAY
from crm.tags.loading import load_tags
from crm.tags.services import set_tag
from guides.notices.models import Notification
from guides.org.actors import actor_for
from guides.org.models import Staff
from tasks.followups.models import PendingSend, SkipRequest, Task, TaskEvidence
from tasks.scripts.models import ScriptUse
from tests.factories.crm import make_friend, make_member, make_order, make_ticket
from tests.factories.guides import Org, make_org, make_staff, sign_in
from tests.factories.tasks import make_task
from yejibao.core import erasing
from yejibao.core.backup import restoring
from yejibao.core.clock import local_day, parse_iso
from yejibao.core.errors import Conflict
from yejibao.core.models import AuditEntry, Erasure
from yejibao.core.scope import Actor

pytestmark = pytest.mark.django_db
NOW = parse_iso("2026-11-21 14:00")
SYSTEM = Actor.system()
NAME, PHONE, EXTERNAL = "欧阳建平", "13800132075", "wmOuyangJianping"
SECRETS = (NAME, PHONE, EXTERNAL, "袖长改短", "肩膀有点紧", "看中了大衣", "中山路", "建平哥", "老婆说好看", "M778899")


@pytest.fixture
def org(clock: Any, settings: Any, tmp_path: Path) -> Org:
    settings.ERASED_LIST = str(tmp_path / "erased.txt")
    clock.travel(NOW)
    return make_org()


@pytest.fixture
def desk() -> tuple[Staff, Staff]:
    """Two who handle requests."""
    return make_staff("customer_service"), make_staff("hq_crm")


@pytest.fixture
def member(org: Org) -> Member:
    """Somebody of whom something stands in every room."""
    load_texts(now=NOW)
    load_tags(now=NOW)
    member = make_member(owner=org.guide, name=NAME, phone=PHONE, salutation="建平哥", member_no="M778899", birth_year="1986",
                         birth_month=5, birth_day=20)  # fmt: skip
    link = make_friend(member, org.guide, external_user_id=EXTERNAL, remark=f"{NAME} 看中了大衣")
    note_identities([member.pk], now=NOW)
    contact = Contact.objects.create(external_user_id=EXTERNAL, unionid="uOuyang", name=NAME)
    LinkReview.objects.create(
        contact=contact, guide=org.guide, reason="phones", candidate_ids=[member.pk], created_at=NOW
    )
    set_particulars(member, actor=SYSTEM, now=NOW, id_number="11010519491231002X", address="中山路 1 号")
    set_consent(member, kind="privacy", is_given=True, channel="store", actor=SYSTEM, now=NOW)
    set_tag(member, "hobby", "茶", source="GUIDE", actor=SYSTEM, at=NOW)
    order = make_order(member, paid_at="2026-11-01 15:00", guide=org.guide)
    Order.objects.filter(pk=order.pk).update(guide_note="袖长改短两厘米")
    make_ticket(member, order=order, opened_at="2026-11-10 10:00", description=f"{NAME}说肩膀有点紧", state="closed",
                closed_at="2026-11-12 10:00")  # fmt: skip
    task = make_task(member, org.guide, now=NOW)
    TaskEvidence.objects.create(task=task, kind="call_logged", level=1, payload={"note": "老婆说好看"}, at=NOW)
    asked = SkipRequest.objects.create(task=task, asked_by=org.guide, reason=f"{NAME}出国了", asked_at=NOW)
    PendingSend.objects.create(task=task, member=member, guide=org.guide, text=f"{NAME}您好", created_at=NOW)
    ScriptUse.objects.create(task=task, member=member, guide=org.guide, text=f"{NAME}您好", at=NOW)
    for key in (f"task:{task.pk}", f"skip:{asked.pk}"):
        Notification.objects.create(staff=org.guide, kind="task", key=key, title=NAME, text="", url="/g/today/", at=NOW)
    assert link.member_id == member.pk
    return member


def everything() -> str:
    """Return all rows of all tables, as text; those of the audit trail without what people typed as reasons."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' "
            "AND c.relkind = 'r' AND (c.relname LIKE 'crm\\_%' OR c.relname LIKE 'tasks\\_%' OR c.relname LIKE 'guides\\_%' "
            "OR c.relname LIKE 'core\\_%' OR c.relname LIKE 'wecom\\_%')"
        )
        found = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT '{table} ' || t::text FROM {table} t")
            found += [row for (row,) in cursor.fetchall()]
    return "\n".join(found)


def checked(member: Member, kind: str, desk: tuple[Staff, Staff]) -> MemberRequest:
    agent = actor_for(desk[0])
    asked = record_request(member, kind=kind, channel="phone", actor=agent, now=NOW, wish="他说的话")
    return confirm_identity(asked, proof="called_back", actor=agent, now=NOW)


def test_a_request_is_due_in_fifteen_days_and_stands_once(member: Member, desk: tuple[Staff, Staff]) -> None:
    asked = record_request(member, kind="copy", channel="phone", actor=actor_for(desk[0]), now=NOW)
    assert (asked.due_on - local_day(NOW)).days == 15
    with pytest.raises(AlreadyAsked):
        record_request(member, kind="copy", channel="phone", actor=actor_for(desk[1]), now=NOW)
    with pytest.raises(NotChecked):
        correct_member(asked, {"name": "别人"}, actor=actor_for(desk[0]), now=NOW)


def test_a_correction_is_written_and_an_old_phone_leads_to_nobody(member: Member, desk: tuple[Staff, Staff]) -> None:
    other = make_member(name="别人", phone="13900001111")
    note_identities([other.pk], now=NOW)
    asked = checked(member, "correct", desk)
    with pytest.raises(NeedsAnother):  # who recorded it does not lead another phone to the card himself
        correct_member(asked, {"phone": "139 0000 2222"}, actor=actor_for(desk[0]), now=NOW)
    with pytest.raises(PhoneTaken):
        correct_member(asked, {"phone": "139 0000 1111"}, actor=actor_for(desk[1]), now=NOW)
    old = member.phone_index
    fresh = correct_member(asked, {"phone": "139 0000 2222", "birth_year": "1987"}, actor=actor_for(desk[1]), now=NOW)
    assert (fresh.phone, fresh.phone_last4, fresh.birth_year) == ("13900002222", "2222", "1987")
    kinds = MemberIdentity.objects.filter(member=member, kind="phone").values_list("value", flat=True)
    assert (list(kinds), MemberIdentity.objects.filter(value=old).exists()) == ([fresh.phone_index], False)
    asked.refresh_from_db()
    assert (asked.state, asked.wish) == ("done", "")
    told = AuditEntry.objects.get(action="member_request.corrected")
    assert told.after == {"member": member.pk, "fields": ["birth_year", "phone"]}
    trace = AuditEntry.objects.get(action="member.corrected", resource_id=str(member.pk))
    assert trace.before == {"phone": "138****2075", "birth_year": "*"}
    assert trace.after == {"phone": "139****2222", "birth_year": "*"}
    notice = Notification.objects.get(staff=member.owner_guide, key__startswith="corrected:")
    assert "手机号、生日" in notice.text and PHONE not in notice.text and NAME not in notice.title


def test_a_deletion_takes_two_people_and_can_be_withdrawn_until_the_night(
    member: Member, desk: tuple[Staff, Staff]
) -> None:
    asked = checked(member, "delete", desk)
    with pytest.raises(NeedsAnother):
        approve_deletion(asked, actor=actor_for(desk[0]), now=NOW)
    approve_deletion(asked, actor=actor_for(desk[1]), now=NOW)
    withdraw_request(asked, actor=actor_for(desk[0]), now=NOW)
    assert forget_approved(now=NOW) == {"requests": 0, "members": 0, "failed": 0}
    with pytest.raises(Conflict):
        approve_deletion(asked, actor=actor_for(desk[1]), now=NOW)


def forget(member: Member, desk: tuple[Staff, Staff]) -> dict[str, int]:
    approve_deletion(checked(member, "delete", desk), actor=actor_for(desk[1]), now=NOW)
    return forget_approved(now=NOW)


def test_who_was_forgotten_is_nowhere_and_his_orders_stay(member: Member, desk: tuple[Staff, Staff]) -> None:
    before = everything()
    assert all(secret in before for secret in SECRETS if secret not in (PHONE, "中山路"))  # those two are encrypted
    twin = make_member(name=NAME, phone="13900003333", member_no="M778899-2")
    merge_members(kept=member, gone=twin, actor=SYSTEM, reason=f"{NAME}办了两张卡", now=NOW)
    assert forget(member, desk) == {"requests": 1, "members": 2, "failed": 0}
    after = everything()
    # What is left: the relation in WeChat, which is not ours to end, and the audit trail's reason for the merge.
    left = [line for line in after.splitlines() if any(secret in line for secret in SECRETS)]
    kept = {line.split()[0]: line for line in left}
    assert len(left) == 2 and sorted(kept) == ["core_auditentry", "crm_friendlink"]
    assert "member.merged" in kept["core_auditentry"]
    link = FriendLink.objects.get()
    assert (link.member_id, link.remark, link.phone_indexes) == (None, "", [])
    member.refresh_from_db()
    assert (member.name, member.status, member.phone, member.birth_month) == ("已注销会员", "closed", "", None)
    assert (Order.objects.get().member_id, Order.objects.get().net_amount_fen > 0) == (member.pk, True)
    assert sorted(Erasure.objects.values_list("pk", flat=True)) == sorted([member.pk, twin.pk])
    assert Task.objects.get().why == ""


def test_the_list_outlives_the_database_and_a_restore_forgets_again(
    member: Member, desk: tuple[Staff, Staff], settings: Any
) -> None:
    forget(member, desk)
    listed = erasing.read_list(erasing.kept_list())
    assert list(listed) == [member.pk]
    # As a backup from before would bring him back.
    Member.objects.filter(pk=member.pk).update(name=NAME, status="active", member_no="M778899")
    Erasure.objects.all().delete()
    with connection.cursor() as cursor:
        assert erasing.erase_again(cursor, listed, now=NOW) == 1
    member.refresh_from_db()
    assert (member.name, Erasure.objects.count()) == ("已注销会员", 1)
    assert restoring.Restored("x", 1).erased_again == 0


def test_the_copy_holds_all_of_him_and_each_one_is_on_record(member: Member, desk: tuple[Staff, Staff]) -> None:
    agent = sign_in(Client(headers={"Accept": "text/html"}), desk[1])
    asked = record_request(member, kind="copy", channel="phone", actor=actor_for(desk[0]), now=NOW)
    assert agent.post(f"/hq/privacy/{asked.pk}/copy/").status_code == 409  # nobody knows yet who asks
    agent.post(f"/hq/privacy/{asked.pk}/act/", {"act": "check", "proof": "in_store"})
    answer = agent.post(f"/hq/privacy/{asked.pk}/copy/")
    text = answer.content.decode()
    for said in (
        NAME,
        PHONE,
        "1986 年 5 月 20 日",
        "普通",
        "11010519491231002X",
        "中山路",
        "茶",
        "隐私政策",
        "肩膀有点紧",
        f"{NAME}您好",
    ):
        assert said in text, said
    assert not re.findall(r"<td>[A-Za-z_]+</td>", text), "codes of ours tell him nothing"
    assert "attachment" in answer["Content-Disposition"] and PHONE not in answer["Content-Disposition"]
    agent.post(f"/hq/privacy/{asked.pk}/copy/")
    assert AuditEntry.objects.filter(action="member.copy_taken", resource_id=str(member.pk)).count() == 2
    assert RevealDay.objects.get().taps == 2  # counts as a look, with the ceiling of the day


def test_no_one_alone_takes_a_members_full_data(member: Member, desk: tuple[Staff, Staff], clock: Any) -> None:
    alone, other = desk
    agent = sign_in(Client(headers={"Accept": "text/html"}), alone)
    asked = record_request(member, kind="copy", channel="phone", actor=actor_for(alone), now=NOW)
    assert (
        agent.post(f"/hq/privacy/{asked.pk}/number/").status_code == 403
    )  # no ticket, and his own recording opens nothing
    assert agent.post(f"/hq/privacy/{asked.pk}/act/", {"act": "check", "proof": "in_store"}).status_code == 403
    page = agent.get(f"/hq/privacy/{asked.pk}/").content.decode()
    assert "换一位同事来核实" in page and "看号码，回拨核对" not in page
    with pytest.raises(RecordedHimself):
        reveal_phone(member, actor=actor_for(alone), reason="核对", now=NOW)
    confirm_identity(asked, proof="in_store", actor=actor_for(other), now=NOW)
    RevealDay.objects.create(staff=other, day=local_day(NOW), taps=STOP_PER_DAY)
    with pytest.raises(RevealsUsedUp):
        hand_over_copy(asked, actor=actor_for(other), now=NOW)
    asked.refresh_from_db()
    hand_over_copy(asked, actor=actor_for(alone), now=NOW)
    for person, after in ((other, timedelta(0)), (alone, timedelta(hours=25))):
        with pytest.raises(CopyIsOver):  # again: only who closed it, within a day
            hand_over_copy(asked, actor=actor_for(person), now=NOW + after)
    hand_over_copy(asked, actor=actor_for(alone), now=NOW + timedelta(hours=23))


def test_the_desk_finds_by_whole_numbers_only_and_shows_masks(member: Member, desk: tuple[Staff, Staff]) -> None:
    agent = sign_in(Client(headers={"Accept": "text/html"}), desk[0])
    missed = agent.post("/hq/privacy/new/", {"words": "1380013"})  # no address that does not exist: nobody walks here
    assert missed.status_code == 200 and "没有这位会员" in missed.content.decode()
    page = agent.post("/hq/privacy/new/", {"words": PHONE}).content.decode()
    assert "138****2075" in page and "欧**" in page
    assert not any(secret in page for secret in (PHONE, NAME, "1986"))
    told = {
        "member": str(member.public_id),
        "kind": "delete",
        "channel": "phone",
        "wish": "别留了",
        "idempotency_key": "k1",
    }
    assert agent.post("/hq/privacy/new/", told).status_code == 302
    asked = MemberRequest.objects.get()
    for path in ("/hq/privacy/", f"/hq/privacy/{asked.pk}/", "/hq/privacy/texts/", "/hq/privacy/?show=over"):
        page = agent.get(path).content.decode()
        assert not any(secret in page for secret in (PHONE, NAME)), path
    colleague = sign_in(Client(headers={"Accept": "text/html"}), make_staff("customer_service"))
    shown = colleague.post(f"/hq/privacy/{asked.pk}/number/")  # no ticket of his, but a request: he is called back
    assert PHONE in shown.content.decode() and "no-store" in shown["Cache-Control"]
    assert AuditEntry.objects.get(action="member.phone_revealed").reason == f"会员信息请求 {asked.pk}：回拨核对"
    outsider = sign_in(Client(headers={"Accept": "text/html"}), make_staff("hq_retail"))
    assert outsider.get("/hq/privacy/").status_code == 403


def test_who_cannot_be_forgotten_holds_nobody_up(member: Member, desk: tuple[Staff, Staff], monkeypatch: Any) -> None:
    others = [make_member(name=f"会员{place}") for place in range(3)]
    for one in (member, *others):
        approve_deletion(checked(one, "delete", desk), actor=actor_for(desk[1]), now=NOW)
    erase = erasing.erase

    def poisoned(cursor: Any, ids: list[int], **facts: Any) -> dict[str, int]:
        if member.pk in ids:
            cursor.execute("SELECT 1 / 0")
        return erase(cursor, ids, **facts)

    monkeypatch.setattr(erasing, "erase", poisoned)
    assert forget_approved(now=NOW) == {"requests": 3, "members": 3, "failed": 1}
    states = dict(MemberRequest.objects.values_list("member_id", "state"))
    assert states == {member.pk: "approved", **{one.pk: "done" for one in others}}
    monkeypatch.setattr(erasing, "erase", erase)
    later = NOW + timedelta(days=2)
    assert forget_approved(now=later) == {"requests": 1, "members": 1, "failed": 0}


def test_all_cards_of_one_phone_are_asked_about(member: Member, desk: tuple[Staff, Staff]) -> None:
    twin = make_member(name=NAME, phone=PHONE, member_no="M778800")
    agent = sign_in(Client(headers={"Accept": "text/html"}), desk[0])
    page = agent.post("/hq/privacy/new/", {"words": PHONE}).content.decode()
    assert "这个手机号有 2 张卡" in page and str(member.public_id) in page and str(twin.public_id) in page
    told = {"member": [str(member.public_id), str(twin.public_id)], "kind": "copy", "channel": "phone"}
    assert agent.post("/hq/privacy/new/", told | {"idempotency_key": "k1"})["Location"] == "/hq/privacy/"
    assert set(MemberRequest.objects.values_list("member_id", flat=True)) == {member.pk, twin.pk}
    again = agent.post("/hq/privacy/new/", told | {"idempotency_key": "k2"})
    assert (again.status_code, MemberRequest.objects.count()) == (409, 2)


def test_a_deletion_waits_for_open_tickets(member: Member, desk: tuple[Staff, Staff]) -> None:
    Ticket.objects.update(state="new", closed_at=None)
    asked = checked(member, "delete", desk)
    with pytest.raises(TicketsOpen):
        approve_deletion(asked, actor=actor_for(desk[1]), now=NOW)
    Ticket.objects.update(state="closed", closed_at=NOW)
    assert approve_deletion(asked, actor=actor_for(desk[1]), now=NOW).state == "approved"


def test_a_breach_is_listed_by_person_and_time(member: Member, org: Org, tmp_path: Path, capsys: Any) -> None:
    guide = sign_in(Client(headers={"Accept": "text/html"}), org.guide)
    guide.post(f"/g/members/{member.public_id}/reveal/phone/", {"reason": "约到店"})
    call_command("list_exposed", since="2026-11-20", until="2026-11-22", actor=org.guide.wecom_user_id, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["people"][0]["staff"], told["people"][0]["members"]) == (org.guide.wecom_user_id, 1)
    assert told["members"] == 1 and PHONE not in json.dumps(told) and NAME not in json.dumps(told, ensure_ascii=False)
    listed = tmp_path / "who.csv"
    call_command("list_exposed", since="2026-11-20", until="2026-11-22", members=str(listed))
    assert str(member.pk) in listed.read_text() and PHONE not in listed.read_text()
    call_command("list_exposed", since="2026-11-22", json=True)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["members"] == 0
