"""From a script to what the member reads. Names are looked up in a fixed list; nothing a person wrote is ever a format.

A value is put in as it is, once: a member who calls himself {guide_name} stays that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from .words import BRACKET, VARIABLE, link_variables, variables


@dataclass(frozen=True)
class Rendered:
    """A text, and where in it values were filled in (start, end)."""

    text: str
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def marked(self) -> str:
        """The text with ⟦ and ⟧ around what was filled in, for the `script_marks` filter."""
        pieces, at = [], 0
        for start, end in self.spans:
            pieces += [self.text[at:start], "⟦", self.text[start:end], "⟧"]
            at = end
        return "".join([*pieces, self.text[at:]])


@dataclass(frozen=True)
class _Piece:
    """Plain text, or the name of a variable; `links` are those of the bracket it stands in."""

    text: str
    is_variable: bool
    links: frozenset[str]


def render(text: str, values: Mapping[str, object]) -> Rendered:
    """Fill a script in. An empty value takes the fallback; a bracket whose link is empty falls away, brackets and all.

    What stands in braces and is no variable is left as it is.
    """
    filled = {name: cleaned for name, value in values.items() if (cleaned := _clean(value))}
    out: list[str] = []
    spans: list[tuple[int, int]] = []
    at = 0
    for piece in _pieces(text):
        if not piece.links <= filled.keys():
            continue
        said = piece.text
        if piece.is_variable:
            said = filled.get(piece.text) or variables()[piece.text]
            if piece.text in filled:
                spans.append((at, at + len(said)))
        out.append(said)
        at += len(said)
    return Rendered("".join(out), tuple(spans))


def _clean(value: object) -> str:
    """One line without the two marking signs."""
    return " ".join(str("" if value is None else value).replace("⟦", "").replace("⟧", "").split())


@lru_cache(maxsize=2048)
def _pieces(text: str) -> tuple[_Piece, ...]:
    pieces: list[_Piece] = []
    at = 0
    for found in BRACKET.finditer(text):
        links = frozenset(VARIABLE.findall(found[1])) & link_variables()
        if links:  # other brackets are part of the text, e.g. the chat's own [微笑]
            pieces += _flat(text[at : found.start()], frozenset()) + _flat(found[1], links)
            at = found.end()
    return tuple(pieces + _flat(text[at:], frozenset()))


def _flat(text: str, links: frozenset[str]) -> list[_Piece]:
    pieces: list[_Piece] = []
    at = 0
    for found in VARIABLE.finditer(text):
        if found[1] in variables():
            pieces += [_Piece(text[at : found.start()], False, links), _Piece(found[1], True, links)]
            at = found.end()
    return [piece for piece in [*pieces, _Piece(text[at:], False, links)] if piece.text]
