"""A store with goods on its book, and phones that scan them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from crm.catalogue.models import Sku, StyleColor
from crm.catalogue.stock_models import StockLevel, StockMovement
from crm.catalogue.stocktake.models import Stocktake
from crm.catalogue.stocktake.services import Outcome, create_stocktake, start_stocktake, take_scans
from guides.org.models import Staff, Store
from tests.factories.crm import make_style
from tests.factories.guides import actor
from yejibao.core import clock

SUIT, SHIRT = "25FXF101-NV-175/92A", "25FCS201-WH-40"


def make_sku(code: str, *, size: str = "175/92A", **facts: Any) -> Sku:
    """Return a size of a style-colour; the code is the style's and the size."""
    style_code = code.removesuffix(f"-{size}")
    style = StyleColor.objects.filter(sku_code=style_code).first() or make_style(style_code, **facts)
    return Sku.objects.create(code=code, style=style, size=size)


def put_on_book(store: Store, sku: Sku, quantity: int, *, as_of: datetime) -> None:
    StockLevel.objects.create(
        store=store, style=sku.style, size=sku.size, quantity=quantity, as_of=as_of, source="test"
    )


def move(store: Store, sku: Sku, change: int, *, at: datetime, kind: str = "sold") -> None:
    StockMovement.objects.create(
        store=store, sku=sku, change=change, kind=kind, subject="sale:1", key=str(uuid4()), at=at
    )


def begin(store: Store, manager: Staff, people: Sequence[Staff], categories: Sequence[str] = ()) -> Stocktake:
    """Return a stocktake of today that has begun."""
    now = clock.now()
    made = create_stocktake(
        store=store, categories=categories, day=clock.local_day(now), counters=[one.pk for one in people],
        actor=actor(manager), now=now,
    )  # fmt: skip
    return start_stocktake(made, actor=actor(people[0]), now=now)


@dataclass
class Phone:
    """A phone that counts: what it scans stays on it until `bring`."""

    stocktake: Stocktake
    person: Staff
    zone: str = "A 区"
    device: str = field(default_factory=lambda: str(uuid4()))
    scans: list[dict[str, Any]] = field(default_factory=list)
    undone: list[dict[str, str]] = field(default_factory=list)

    def scan(self, *codes: str, quantity: int = 1, round: int = 1, at: datetime | None = None) -> UUID:
        """Scan; return the name of the last one."""
        for code in codes:
            name = uuid4()
            at = at or clock.now()
            self.scans.append({"id": str(name), "code": code, "zone": self.zone, "quantity": quantity, "round": round,
                               "manual": quantity > 1, "at": at.isoformat()})  # fmt: skip
        return name

    def undo(self, name: UUID) -> None:
        self.undone.append({"id": str(uuid4()), "of": str(name)})

    def said(self, waiting: int = 0) -> dict[str, Any]:
        return {
            "device": self.device,
            "zone": self.zone,
            "waiting": waiting,
            "scans": list(self.scans),
            "undo": list(self.undone),
        }

    def bring(self, *, keep: bool = False, waiting: int = 0) -> Outcome:
        """Bring what it has. `keep`: the answer is lost on the way, it will bring the same again."""
        _held, outcome = take_scans(self.stocktake, self.said(waiting), actor=actor(self.person), now=clock.now())
        if not keep:
            self.scans, self.undone = [], []
        return outcome
