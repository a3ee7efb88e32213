"""Each column that holds something of a person is in the catalogue, and the catalogue keeps its word."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from crm.members.models import Member
from tests.factories.crm import make_member, make_staff
from yejibao import schedule
from yejibao.core import personal_columns, wearing
from yejibao.core.clock import parse_iso
from yejibao.core.models import IdempotencyKey
from yejibao.core.personal import EncryptedField
from yejibao.core.personal_columns import catalogue, columns, looks_personal

WIDTH = 6  # purpose, ground, retention, mask, reveal, on request


def not_personal() -> set[str]:
    return {name for names in catalogue()["not_personal"].values() for name in names}


def test_every_column_that_looks_personal_is_catalogued_or_named_as_not_personal() -> None:
    known = set(catalogue()["fields"]) | not_personal()
    missing = sorted(name for name, field in columns().items() if looks_personal(field) and name not in known)
    assert missing == [], "say in yejibao/core/data/pii_catalogue.yaml what for, how long and for whose eyes"


def test_every_entry_has_its_column_and_says_all_of_it() -> None:
    book, there = catalogue(), columns()
    assert sorted((set(book["fields"]) | not_personal()) - there.keys()) == []
    assert set(book["fields"]) & not_personal() == set()
    for name, entry in book["fields"].items():
        assert len(entry) == WIDTH, name
        _purpose, ground, retention, mask, reveal, _on_request = entry
        assert (ground in book["grounds"], retention in book["retention"]) == (True, True), name
        assert (mask in book["masks"], reveal in book["reveal"]) == (True, True), name


def test_what_is_encrypted_is_never_shown_whole_without_a_tap() -> None:
    for name, field in columns().items():
        if isinstance(field, EncryptedField):
            _, _, _, mask, reveal, _ = catalogue()["fields"][name]
            assert mask != "full" or reveal == "row", name
    for name in ("phone", "birth_year"):
        assert catalogue()["fields"][f"crm.Member.{name}"][4] == "tap"


def test_every_retention_is_kept_by_a_nightly_job_or_says_why_nothing_goes() -> None:
    jobs = {entry.job for entry in schedule.ENTRIES}
    for name, rule in catalogue()["retention"].items():
        assert rule["by"] in jobs or (rule["by"] == "none" and rule["why"]), name


def test_a_new_column_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take an entry away, as if its column were new: the test above must fail."""
    for name in ("crm.Member.phone", "crm.Contact.unionid", "tasks.TaskMove.note", "core.AuditEntry.ip"):
        entries = dict(catalogue()["fields"])
        del entries[name]
        monkeypatch.setattr(
            "tests.core.test_pii_catalogue.catalogue",
            lambda entries=entries: personal_columns.catalogue() | {"fields": entries},
        )
        with pytest.raises(AssertionError, match=r"pii_catalogue"):
            test_every_column_that_looks_personal_is_catalogued_or_named_as_not_personal()
        monkeypatch.undo()


@pytest.mark.django_db
def test_what_is_kept_for_a_time_is_cleared_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = parse_iso("2026-11-21 06:00")
    monkeypatch.setattr(wearing, "AT_ONCE", 2)
    for days in (40, 35, 31, 10, 1):
        IdempotencyKey.objects.create(
            actor="staff:1",
            key=f"k{days}",
            request_sha="",
            body={"said": "王建平"},
            created_at=now - timedelta(days=days),
        )
    assert wearing.run(now=now)["core_idempotencykey"] == 3
    assert sorted(IdempotencyKey.objects.values_list("key", flat=True)) == ["k1", "k10"]
    assert wearing.run(now=now) == {}
    assert wearing.run(now=now + timedelta(days=25)) == {"core_idempotencykey": 1}


@pytest.mark.django_db
def test_phones_years_and_numbers_are_stored_sealed_and_found_by_index(clock: Any) -> None:
    member = make_member(owner=make_staff(), phone="13800132075", birth_year="1986")
    with connection.cursor() as cursor:
        cursor.execute("SELECT m::text FROM crm_member m WHERE id = %s", [member.pk])
        stored = cursor.fetchone()[0]
    assert "13800132075" not in stored and "1986" not in stored
    assert (Member.objects.get(pk=member.pk).phone, member.phone_last4) == ("13800132075", "2075")
    with pytest.raises(TypeError, match="blind index"):
        Member.objects.filter(phone="13800132075").exists()
