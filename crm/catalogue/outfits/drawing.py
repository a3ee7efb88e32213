"""How garments lie on the board of a look: places by role, in parts of its width, so that it fits any phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .models import Outfit
from .queries import DayLook, Piece, pieces_of
from .rules import BELT, Garment
from .words import ICONS

# Left and top in percent of the board, width in pixels. The first of a role gets the first place.
PLACES = {
    "outer": [(1, 22, 174), (36, 17, 128)],
    "mid": [(34, 17, 112), (40, 20, 104)],
    "inner": [(45, 18, 122), (52, 24, 112)],
    "bottom": [(69, 34, 116)],
    "shoes": [(39, 62, 100)],
    "accessory": [(35, 22, 58), (66, 74, 50)],
    "belt": [(80, 14, 50)],
}
TWO_OUTERS = {
    "inner": [(67, 18, 106)],
    "bottom": [(70, 52, 92)],
    "accessory": [(30, 20, 54), (66, 76, 48)],
    "belt": [(82, 60, 50)],
}
WITHOUT_OUTER = {"inner": [(8, 22, 172)], "mid": [(4, 22, 172)], "bottom": [(56, 26, 142)]}
TURNED = {"围巾": 14, "领带": 8}
MINI = {"outer": (-2, 12, 70), "mid": (18, 10, 56), "inner": (40, 4, 56), "bottom": (58, 34, 54), "shoes": (30, 58, 40)}
ALONE = {"inner": (2, 10, 70), "mid": (0, 10, 70)}


@dataclass(frozen=True)
class Laid:
    """A garment with its place on the board."""

    garment: Garment
    left: int
    top: int
    width: int
    turn: int = 0
    piece: Piece | None = None

    @property
    def height(self) -> int:
        return self.width * 6 // 5

    @property
    def pin_left(self) -> int:
        """Return where its label begins, in percent of the board; never so far right that it leaves it."""
        return min(max(self.left, 3) + 2, 60)

    @property
    def kind(self) -> str:
        return self.garment.category_l2 or self.garment.category_l1


def lay(pieces: Sequence[Piece]) -> list[Laid]:
    """Return the pieces of a look with their places; what has no place left is only on the list below."""
    found = _laid([piece.style for piece in pieces])
    by_code = {piece.style.sku_code: piece for piece in pieces}
    return [Laid(one.garment, one.left, one.top, one.width, one.turn, by_code[one.garment.sku_code]) for one in found]


def lay_garments(pieces: Sequence[Garment]) -> list[Laid]:
    return _laid(pieces)


def _laid(pieces: Sequence[Garment]) -> list[Laid]:
    outers = sum(one.role == "outer" for one in pieces)
    places = PLACES | (TWO_OUTERS if outers > 1 else {} if outers else WITHOUT_OUTER)
    used: dict[str, int] = {}
    found = []
    for one in pieces:
        kind = "belt" if one.category_l2 == BELT else one.role
        nth = used.get(kind, 0)
        free = places.get(kind, [])
        if nth < len(free):
            used[kind] = nth + 1
            left, top, width = free[nth]
            found.append(Laid(one, left, top, width, TURNED.get(one.category_l2, 0)))
    return found


def mini(pieces: Sequence[Garment]) -> list[Laid]:
    """Return three or four garments for a small board."""
    places = MINI if any(one.role == "outer" for one in pieces) else MINI | ALONE
    found, seen = [], set()
    for one in pieces:
        if one.role in places and one.role not in seen:
            seen.add(one.role)
            left, top, width = places[one.role]
            found.append(Laid(one, left, top, width))
    return found


@dataclass(frozen=True)
class Tab:
    """A day as a tab and as a small board."""

    look: DayLook
    icon: str
    laid: Sequence[Laid]


def days(looks: Sequence[DayLook]) -> list[Tab]:
    return [
        Tab(
            look,
            ICONS.get(look.outfit.occasion, "shirt") if look.outfit else "calendar",
            mini([one.style for one in look.pieces]),
        )
        for look in looks
    ]


def with_pieces(outfits: Sequence[Outfit]) -> dict[int, list[Laid]]:
    """Return small boards of outfits by their id. One statement."""
    return {pk: mini(pieces) for pk, pieces in pieces_of(outfits).items()}
