"""The index key changes: members are found all the while, and by the new key alone when the walk is through."""

from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from crm.friends.services.reading import phone_indexes
from crm.members.customers import find_members
from crm.members.models import Member, MemberIdentity
from crm.members.services import note_identities
from crm.privacy.models import MemberParticulars
from crm.privacy.services import find_members as find_for_a_request
from crm.privacy.services import members_with_id_number
from tests.factories.crm import make_member, order_row
from tests.factories.guides import Org, actor, holder_of, make_org
from yejibao.core import clock, erasing, reindexing
from yejibao.core.models import AuditEntry, KeyRotation, SecretMark
from yejibao.core.personal import blind_index, blind_indexes, columns
from yejibao.core.secret_marks import notice
from yejibao.intake.kinds import RawRow, get
from yejibao.intake.models import Batch, RefusedRow, Source
from yejibao.intake.services.batches import close_batch, new_batch, take

pytestmark = pytest.mark.django_db
OLD, NEW = "the-old-index-key-of-32-characters", "the-new-index-key-of-32-characters"
PHONE = "13800132075"
ID_NUMBER = "11010519491231002X"


@pytest.fixture
def org(settings: Any) -> Org:
    settings.INDEX_KEY, settings.OLD_INDEX_KEYS = OLD, []
    return make_org()


@pytest.fixture
def members(org: Org) -> list[Member]:
    found = [make_member(owner=org.guide, phone=f"1380013{n:04}") for n in (2075, *range(30))]
    note_identities([one.pk for one in found], now=clock.now())
    MemberParticulars.objects.create(
        member=found[0], changed_at=clock.now(), **columns(MemberParticulars, "id_number", ID_NUMBER)
    )
    return found


def change_key(settings: Any) -> None:
    settings.INDEX_KEY, settings.OLD_INDEX_KEYS = NEW, [OLD]


def source() -> Source:
    return Source.objects.get_or_create(name="till", defaults={"created_at": clock.now()})[0]


def sent(kind: str, values: Any) -> str:
    """Let a row come in; return what became of it."""
    batch = new_batch(get(kind), source(), way=Batch.Way.API, now=clock.now())
    (answer,) = take(batch, [RawRow(1, values)], now=clock.now(), is_text=False)
    close_batch(batch, now=clock.now())
    return answer.outcome


def test_who_is_looked_for_is_found_before_during_and_after(settings: Any, org: Org, members: list[Member]) -> None:
    who, agent = actor(org.guide), actor(holder_of("customer_service", org))

    def found() -> list[Any]:
        return [
            [one.pk for one in find_members(who, PHONE)],
            [one.pk for one in find_for_a_request(PHONE, actor=agent)],
            members_with_id_number(ID_NUMBER),
            sent("orders", order_row(f"N{clock.monotonic()}", store=org.store.code, member=PHONE)),
        ]

    expected = [[members[0].pk], [members[0].pk], [members[0].pk], "created"]
    assert found() == expected
    change_key(settings)
    assert found() == expected
    begun = KeyRotation.objects.filter(table="crm_member.phone", rows__gt=0)
    list(reindexing.rebuild(at_once=10, goes_on=lambda: not begun.exists()))
    assert KeyRotation.objects.get(table="crm_member.phone").changed == 10
    assert found() == expected
    call_command("rotate_index", batch=10)
    settings.OLD_INDEX_KEYS = []
    assert found() == expected
    assert set(MemberIdentity.objects.filter(kind="phone").values_list("value", flat=True)) == {
        blind_index(one.phone, purpose="phone") for one in members
    }
    assert AuditEntry.objects.filter(action="keys.index_finished", after__changed=31).exists()


def test_it_goes_on_where_it_was_and_says_when_nothing_is_left(
    settings: Any, members: list[Member], capsys: Any
) -> None:
    change_key(settings)
    call_command("rotate_index", seconds=0.0001, batch=5)
    assert "接着做" in capsys.readouterr().out
    call_command("rotate_index")
    assert "--again" in capsys.readouterr().out
    call_command("rotate_index", again=True)
    assert "没有要重算的了" in capsys.readouterr().out


def test_a_card_that_comes_again_meanwhile_is_the_same_card(settings: Any, members: list[Member]) -> None:
    row = {"member_no": members[0].member_no, "name": members[0].name, "gender": members[0].gender, "phone": PHONE}
    assert sent("members", row) == "same"
    change_key(settings)
    assert sent("members", row) == "same"
    assert sent("members", row | {"phone": "13900001111"}) == "changed"
    assert AuditEntry.objects.filter(action="member.corrected").count() == 1


def test_what_cannot_be_made_anew_is_kept_under_both_keys(settings: Any, members: list[Member]) -> None:
    change_key(settings)
    assert phone_indexes([PHONE]) == sorted(blind_indexes(PHONE, purpose="phone"))
    assert len(phone_indexes([PHONE])) == 2


def test_refused_rows_still_lead_to_whom_they_name(settings: Any, org: Org, members: list[Member]) -> None:
    for kind, row in (
        ("members", {"member_no": "X9", "name": "", "phone": PHONE}),
        ("orders", order_row("A1", store="nowhere", member=PHONE)),
    ):
        assert sent(kind, row) == "refused"
    change_key(settings)
    call_command("rotate_index")
    settings.OLD_INDEX_KEYS = []
    card, order = RefusedRow.objects.order_by("kind")
    index = blind_index(PHONE, purpose="phone")
    assert card.cells["phone_index"] == index and erasing.mark("phone", index) in order.cells["who"]


def test_who_was_forgotten_under_the_former_key_stays_forgotten(settings: Any, org: Org, members: list[Member]) -> None:
    with connection.cursor() as cursor:
        erasing.erase(cursor, [members[0].pk], now=clock.now())
    change_key(settings)
    call_command("rotate_index")
    row = {"member_no": "NEW1", "name": "王建国", "phone": PHONE}
    assert sent("members", row) == "refused"
    assert RefusedRow.objects.get().code == "member.erased"


def test_other_secrets_are_not_said_to_have_changed(settings: Any, db: None) -> None:
    settings.INDEX_KEY, settings.OLD_INDEX_KEYS = OLD, []
    notice(now=clock.now())
    change_key(settings)
    assert notice(now=clock.now()) == {"changed": 1}
    assert AuditEntry.objects.get(action="secret.rotated").resource_id == "index_key"
    assert SecretMark.objects.exists() and notice(now=clock.now()) == {}
