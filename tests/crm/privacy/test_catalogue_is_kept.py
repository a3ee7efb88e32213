"""Of every column the catalogue names of a member: his copy holds it, and once he is forgotten it is nowhere.

Nothing here names a column. Each gets words of its own (where it is a text) in a row of the member's, whichever table it is
in; a new one that no room copies, or clears, is found by its entry in yejibao/core/data/pii_catalogue.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.urls import get_resolver

from crm.friends.models import Contact
from crm.members.models import FriendLink, Member
from crm.privacy.copying import parts_of
from tests.factories.guides import make_org
from tests.walk.world import Rows, own_rows, row_beside
from yejibao.core import clock as product_clock
from yejibao.core import erasing, wearing
from yejibao.core.personal import EncryptedField
from yejibao.core.personal_columns import catalogue

pytestmark = pytest.mark.django_db
GOES = ("清除", "删除", "换成编号")  # what a deletion on request does to a column that names him, or holds words of his
BY_LAW = ("依法保存，期满删除", "依法保存，期满清除")
SHORTEST = 8  # of a text that can hold words nobody else has
OF_MEMBERS = ("crm", "tasks")
CODES = ("member_no", "external_user_id", "birthday_calendar")  # found by, or one of two words: not free to hold others


def entries(*goes: str) -> dict[str, list[str]]:
    return {name: entry for name, entry in catalogue()["fields"].items() if entry[5] in goes}


def field_of(name: str) -> models.Field[Any, Any]:
    label, _, column = name.rpartition(".")
    return apps.get_model(label)._meta.get_field(column)


def is_text(field: models.Field[Any, Any]) -> bool:
    kinds = (models.CharField, models.TextField)
    return isinstance(field, kinds) and not field.choices and (field.max_length or SHORTEST) >= SHORTEST


@dataclass(frozen=True)
class Told:
    """A member, and which words stand in which column of his rows."""

    member: Member
    words: dict[str, str]


@pytest.fixture
def told() -> Told:
    org = make_org()
    rows = own_rows(org.guide, org)
    member, link = rows.of(Member), rows.of(FriendLink)
    assert isinstance(member, Member) and isinstance(link, FriendLink)
    Contact.objects.update(external_user_id=link.external_user_id)
    words: dict[str, str] = {}
    for place, name in enumerate(sorted(entries(*GOES, *BY_LAW))):
        field = field_of(name)
        if field.model._meta.app_label in OF_MEMBERS and is_text(field) and field.name not in CODES:
            words[name] = f"辨{place:05}识"
    for label in sorted({name.rpartition(".")[0] for name in words}):
        said = {name.rpartition(".")[2]: one for name, one in words.items() if name.startswith(f"{label}.")}
        _say(rows, apps.get_model(label), member, said)
    member.refresh_from_db()
    return Told(member, words)


def _say(rows: Rows, model: type[models.Model], member: Member, words: dict[str, str]) -> None:
    """Put words into a row of the member's: one that is there, or a new one."""
    row = rows.of(model) or model._default_manager.order_by("-pk").first() or row_beside(rows, model)
    own = {"member": member} if "member" in {field.name for field in model._meta.concrete_fields} else {}
    model._default_manager.filter(pk=row.pk).update(**words, **own)


def test_his_copy_holds_every_word_that_is_kept_of_him(told: Told) -> None:
    said = "\n".join(" ".join(row) for _title, _columns, rows in parts_of(told.member) for row in rows)
    unsaid = {name for names in catalogue()["not_copied"].values() for name in names}
    kept = entries(*GOES, *BY_LAW)
    missing = [
        name for name, (*_, mask, _reveal, _goes) in kept.items()
        if name in told.words and mask not in ("internal", "last4") and name not in unsaid and told.words[name] not in said
    ]  # fmt: skip
    assert sorted(missing) == [], "a section of crm/privacy/copying.py shows it, or `not_copied` says why it is not his"


def test_what_is_said_not_to_be_copied_is_his_and_cleared() -> None:
    unsaid = {name for names in catalogue()["not_copied"].values() for name in names}
    assert sorted(unsaid - entries(*GOES).keys()) == []


def test_who_was_forgotten_left_no_word_in_any_column(told: Told) -> None:
    with connection.cursor() as cursor:
        erasing.erase(cursor, [told.member.pk], now=product_clock.now())
    left = [name for name in entries(*GOES) if name in told.words and _still(name, told.words[name])]
    assert left == [], "a statement of erasing.forget clears it"


def _still(name: str, said: str) -> bool:
    field = field_of(name)
    rows = field.model._default_manager.values_list(field.name, flat=True)
    return said in rows if isinstance(field, EncryptedField) else rows.filter(**{field.name: said}).exists()


def test_columns_that_are_no_texts_are_cleared_by_a_statement_too() -> None:
    """By what the statements say: a list, a date, a number cannot hold words to look for."""
    get_resolver().url_patterns  # noqa: B018  every room has said how it forgets
    silent = []
    for name in entries(*GOES, "置为不同意"):
        field = field_of(name)
        steps = [step.sql for step in erasing._steps.values() if step.name == field.model._meta.db_table]
        if not any(sql.lstrip().startswith("DELETE") or f"{field.column} =" in sql for sql in steps):
            silent.append(name)
    assert silent == []


def test_what_wears_out_by_the_night_has_its_rule() -> None:
    get_resolver().url_patterns  # noqa: B018  every room has said what wears out
    rules = {rule.table: rule for rule in wearing.rules()}
    missing = []
    for name, (_, _, retention, *_) in catalogue()["fields"].items():
        if catalogue()["retention"][retention]["by"] == "crm.privacy.jobs.forget_worn_out":
            field, rule = field_of(name), rules.get(field_of(name).model._meta.db_table)
            if rule is None or rule.words is not None and f"{field.column} =" not in rule.words:
                missing.append(name)
    assert missing == []
