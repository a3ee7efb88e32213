"""What forms of the room bring, and what their pages say of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, QueryDict

from crm.catalogue.models import StyleColor
from yejibao.core import desk
from yejibao.core.errors import DomainError, Malformed

from .models import OutfitPlan
from .queries import garment_of
from .rules import ROLE_NAMES, Garment
from .services.library import MOST_PIECES, faults_in

ROLE_CHIPS = [("", "全部"), *ROLE_NAMES.items()]
WORDS = {"name": 40, "season": 4, "occasion": 8, "reason": 200, "body_tip": 120, "pitch": 120, "low_c": 4, "high_c": 4}


def words_of(sent: QueryDict) -> dict[str, Any]:
    """Return what was typed of an outfit."""
    given: dict[str, Any] = {name: sent.get(name, "").strip()[:most] for name, most in WORDS.items()}
    given |= {
        "groups": sent.getlist("groups")[:9],
        "plan_id": desk.chosen(sent.get("plan")),
        "day": desk.chosen(sent.get("day")),
    }
    return given


def styles_of(sent: QueryDict) -> list[int]:
    """Return the ids of the pieces in the order in which they were picked."""
    found = [desk.chosen(one) for one in sent.getlist("piece")[: MOST_PIECES * 2]]
    return list(dict.fromkeys(pk for pk in found if pk))


def garments(styles: Sequence[int]) -> list[Garment]:
    known = {one.pk: garment_of(one) for one in StyleColor.objects.filter(pk__in=styles)}
    return [known[pk] for pk in styles if pk in known]


def picked(styles: Sequence[int], *, plan_id: int = 0, day: int = 0, but: int | None = None) -> dict[str, Any]:
    """Return the pieces and what the rules say of them, for the board of a form."""
    pieces = garments(styles)
    plan = OutfitPlan.objects.filter(pk=plan_id).first() if plan_id else None
    return {
        "pieces": pieces,
        "faults": faults_in(pieces, plan=plan, day=day or None, but=but) if pieces else [],
        "total_fen": sum(one.price_fen for one in pieces),
        "role_chips": ROLE_CHIPS,
    }


def sentences(refusal: DomainError) -> str:
    """Return everything that is wrong, in one line."""
    return "；".join(str(one["message"]) for one in refusal.errors) or desk.sentence(refusal)


def carted(count: int, left: Sequence[str]) -> str:
    """放了 2 件进去；腰带还不知道他的码."""
    return "；".join([f"放了 {count} 件进去" if count else "已经在单子里了", *left])


def json_of(request: HttpRequest, shape: Mapping[str, int]) -> dict[str, str]:
    """Return the fields of a JSON body as texts, cut to length. Raises Malformed."""
    try:
        sent = json.loads(request.body or b"{}")
        return {name: str(sent.get(name) or "").strip()[:most] for name, most in shape.items()}
    except (ValueError, AttributeError):
        raise Malformed() from None
