"""The domain file's weeks become rows of the library: three plans, twenty-one outfits. Twice is like once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction

import crm
from crm.catalogue.models import StyleColor
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Invalid

from .models import Outfit, OutfitPiece, OutfitPlan

FILE = Path(crm.__file__).parent / "data" / "outfits.yaml"


@transaction.atomic
def load_outfits(*, now: datetime, source: dict[str, Any] | None = None) -> dict[str, int]:
    """Load plans and outfits; return how many outfits are new and how many were there.

    What is in the library under a key of the file stays as stylists left it: the file is where it began. An outfit whose
    goods the catalogue does not know is not loaded. Raises Invalid for a file that breaks its own rules.
    """
    from .queries import garment_of
    from .rules import blocking, faults_of

    book = source or read_yaml(FILE)
    plans = {row["key"]: _plan(row) for row in book["plans"]}
    known = set(Outfit.objects.values_list("key", flat=True))
    codes = {code for row in book["outfits"] for code in row["items"]}
    styles = {one.sku_code: one for one in StyleColor.objects.filter(sku_code__in=codes)}
    tally = {"new": 0, "held": 0, "without_goods": 0}
    for row in book["outfits"]:
        if row["key"] in known:
            tally["held"] += 1
            continue
        if any(code not in styles for code in row["items"]):
            tally["without_goods"] += 1
            continue
        look = [styles[code] for code in row["items"]]
        if wrong := blocking(faults_of([garment_of(style) for style in look])):
            raise Invalid(f"{row['key']}：{wrong[0].text}")
        plan = plans[row["plan"]]
        outfit = Outfit.objects.create(
            key=row["key"], plan=plan, day=row["day"], name=_name(row["name"]), season=plan.season, low_c=plan.low_c, high_c=plan.high_c,
            occasion=row["occasion"], groups=plan.groups, reason=row["reason"], body_tip=row["body_tip"], pitch=row["pitch"],
            state=Outfit.State.PUBLISHED, published_at=now, created_at=now, updated_at=now,
        )  # fmt: skip
        OutfitPiece.objects.bulk_create(
            OutfitPiece(outfit=outfit, position=place, style=style) for place, style in enumerate(look)
        )
        tally["new"] += 1
    return tally


def _name(text: str) -> str:
    """Return a name without the weekday it begins with: that is a column."""
    return text[2:] if text[:1] == "周" else text


def _plan(row: dict[str, Any]) -> OutfitPlan:
    low, high = _warmth(str(row["temp_c"]))
    facts = {"name": row["name"], "season": row["season"], "low_c": low, "high_c": high, "groups": row["for_groups"]}
    return OutfitPlan.objects.update_or_create(key=row["key"], defaults=facts)[0]


def _warmth(text: str) -> tuple[int, int]:
    """Read 12-22 or -5-10."""
    low, high = text[:1] + text[1:].partition("-")[0], text[1:].partition("-")[2]
    return int(low), int(high)
