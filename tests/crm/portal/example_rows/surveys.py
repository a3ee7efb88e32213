"""He bought two days ago and is asked how it was; what he said of an earlier purchase was answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from crm.portal.survey_api import SAID, WAITING
from tests.factories.surveys import make_survey

if TYPE_CHECKING:
    from . import ExampleWorld


def build(it: ExampleWorld) -> None:
    hour = timedelta(hours=1)
    make_survey(it.member, asked_at=it.now - 4 * hour, public_id=UUID(WAITING))
    make_survey(
        it.member, asked_at=it.now - 5 * hour, public_id=UUID(SAID), stars=5, reasons=["fits"], words="很合身", way="app",
        answered_at=it.now - 3 * hour, reply="谢谢您，天冷了常来坐坐。", replied_at=it.now - 2 * hour,
    )  # fmt: skip


PREPARE: dict[str, Callable[[ExampleWorld], None]] = {}
