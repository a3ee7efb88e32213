"""Money is integer fen (1/100 yuan) from the API to the table; yuan exists only on screen."""


def yuan(fen: int | None, *, cents: bool = False) -> str:
    """Return `¥1,234` (or `¥1,234.50` with cents); `—` for nothing known.

    Without cents the amount is rounded half up, as a person reads it.
    """
    if fen is None:
        return "—"
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    if cents:
        return f"{sign}¥{fen // 100:,}.{fen % 100:02d}"
    return f"{sign}¥{(fen + 50) // 100:,}"


def yuan_plain(fen: int) -> str:
    """Return the amount as a person would say it in a message: `1200` or `1200.5`."""
    whole, cents = divmod(fen, 100)
    return str(whole) if not cents else f"{whole}.{cents:02d}".rstrip("0")


def fen_of(text: str) -> int:
    """Return what somebody typed in yuan, `1280` or `1,280.5`, as fen. Raises ValueError for anything else, and from a million on."""
    whole, _dot, cents = text.strip().replace(",", "").partition(".")
    if not (whole.isascii() and whole.isdigit()) or len(whole) > 6 or len(cents) > 2 or (cents and not cents.isdigit()):
        raise ValueError("no amount in yuan")
    return int(whole) * 100 + int((cents + "00")[:2])
