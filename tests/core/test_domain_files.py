"""YAML files: the same answer as the slow reader gives, one's own copy, and a changed file is read anew."""

from pathlib import Path

import pytest
import yaml
from django.conf import settings

from yejibao.core import domain_files
from yejibao.core.domain_files import read_yaml

DEPARTMENTS = ("yejibao", "guides", "crm", "tasks")
FILES = sorted(path for one in DEPARTMENTS for path in (Path(settings.BASE_DIR) / one).rglob("data/*.yaml"))


def test_the_quick_reader_is_there() -> None:
    assert domain_files._LOADER is yaml.CSafeLoader and len(FILES) > 20


@pytest.mark.parametrize("path", [path for path in FILES if path.stat().st_size < 15_000], ids=lambda path: path.stem)
def test_it_says_what_the_slow_one_says(path: Path) -> None:
    assert read_yaml(path) == yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)


def test_what_comes_back_is_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("names: [大衣, 西装]\n", encoding="utf-8")
    first = read_yaml(file)
    first["names"].append("衬衫")
    assert read_yaml(file) == {"names": ["大衣", "西装"]}


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("rank: 1\n", encoding="utf-8")
    assert read_yaml(file) == {"rank": 1}
    file.write_text("rank: 2\n", encoding="utf-8")
    assert read_yaml(file) == {"rank": 2}


def test_a_file_that_is_no_yaml_says_so(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("names: [大衣", encoding="utf-8")
    with pytest.raises(yaml.YAMLError):
        read_yaml(file)
