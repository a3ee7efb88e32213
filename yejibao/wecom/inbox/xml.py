"""Reads the platform's XML without trusting it: no document types, no entities, nothing fetched."""

import re
from collections.abc import Mapping
from typing import Any
from xml.parsers import expat

import xmltodict

from .crypto import Refused

_DECLARATION = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def refuse_declarations(text: bytes) -> None:
    """Raise Refused for a document type or entity anywhere, also where a parser would overlook it."""
    if _DECLARATION.search(text):
        raise Refused("doctype")


def read_envelope(body: bytes) -> str:
    """Return the one text of `<xml><Encrypt>…</Encrypt></xml>`. Raises Refused for anything else."""
    refuse_declarations(body)
    parser = expat.ParserCreate(encoding="utf-8")  # whatever the declaration says
    parser.buffer_text = True
    path: list[str] = []
    found: list[str] = []

    def refuse(*_: object) -> None:
        raise Refused("doctype")

    def start(name: str, attributes: dict[str, str]) -> None:
        path.append(name)
        if path[0] != "xml" or path[1:2] == ["Encrypt"] and len(path) > 2:
            raise Refused("envelope")
        if path == ["xml", "Encrypt"]:
            found.append("")

    def end(name: str) -> None:
        path.pop()

    def text(piece: str) -> None:
        if path == ["xml", "Encrypt"]:
            found[-1] += piece

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    try:
        parser.Parse(body, True)
    except expat.ExpatError:
        raise Refused("xml") from None
    if len(found) != 1 or not found[0]:
        raise Refused("envelope")
    return found[0]


def read_event(message: bytes) -> Mapping[str, Any] | None:
    """Return the `<xml>` element of a decrypted message, None where there is none to read: it is kept all the same."""
    try:
        document = xmltodict.parse(message, encoding="utf-8", disable_entities=True)
    except (expat.ExpatError, ValueError, RecursionError):
        return None
    facts = document.get("xml")
    return facts if isinstance(facts, dict) else None
