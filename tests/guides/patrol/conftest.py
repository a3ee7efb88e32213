"""A supervisor before a store whose place is known."""

from pathlib import Path
from typing import Any

import pytest

from guides.org.models import Staff
from tests.factories import patrol
from tests.factories.guides import Org, holder_of, make_org
from yejibao.core.clock import parse_iso

NOW = parse_iso("2026-11-21 14:00")


@pytest.fixture(autouse=True)
def files_apart(tmp_path: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def org(db: None, clock: Any) -> Org:
    clock.travel(NOW)
    org = make_org()
    for store in (org.store, org.other_store):
        patrol.set_place(store)
    patrol.load()
    return org


@pytest.fixture
def supervisor(org: Org) -> Staff:
    return holder_of("area_supervisor", org)
