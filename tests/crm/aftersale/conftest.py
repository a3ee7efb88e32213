"""A store with a sale that is paid, and photos of what is brought in."""

from collections.abc import Callable
from uuid import UUID

import pytest

from tests.crm.orders.checkout.conftest import shop  # noqa: F401  the store and who is in it
from yejibao.core import clock
from yejibao.core.files import StoredFile
from yejibao.core.scope import Actor

Photos = Callable[[int, Actor], list[UUID]]


@pytest.fixture
def photos() -> Photos:
    """Return what makes so many uploaded photos of a person's."""

    def make(count: int, who: Actor) -> list[UUID]:
        return [
            StoredFile.objects.create(
                room="aftersale", by_id=who.staff_id, by_member_id=who.member_id, at=clock.now(), path="x", content_type="image/webp",
                size=1, sha256="0",
            ).name
            for _one in range(count)
        ]  # fmt: skip

    return make
