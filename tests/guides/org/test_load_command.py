"""`load_org FILE` from the terminal: loads once, says in a sentence what is wrong with a file and keeps nothing of it."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from guides.org.loading import DEMO_FILE
from guides.org.models import OrgUnit, Staff, Store

pytestmark = pytest.mark.django_db


def load(path: Path) -> str:
    call_command("load_org", str(path), stdout=(out := StringIO()))
    return out.getvalue()


def test_the_same_file_twice_makes_nothing_new() -> None:
    load(DEMO_FILE)
    people, stores = Staff.objects.count(), Store.objects.count()
    assert load(DEMO_FILE) == f"新建 组织 0，门店 0，人员 0；共有门店 {stores}、人员 {people}。\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hq: [", "不是 YAML"),
        ("hq: {code: HQ, name: 总部}\nbranches: [{code: B1}]\n", "写错了 'name'"),
        ("hq: {code: HQ, name: 总部}\nstaff: [{userid: a, name: 甲, role: nobody, unit: HQ}]\n", "没有导入"),
    ],
)
def test_a_bad_file_is_said_and_leaves_nothing(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "org.yaml"
    path.write_text(text)
    with pytest.raises(CommandError, match=said):
        load(path)
    assert not OrgUnit.objects.exists()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="读不了"):
        load(tmp_path / "none.yaml")
