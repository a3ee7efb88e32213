"""What a spreadsheet would take for a formula, made a text: for every file that people open in one (reliability-security §8)."""

STARTERS = ("=", "+", "-", "@", "\t", "\r")


def defused(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, also not after copy and paste or saved as CSV."""
    return f"'{text}" if text.startswith(STARTERS) else text
