"""Sizes of a size range, and the numbers on the labels."""

from __future__ import annotations

import re

FREE = "F"  # 均码
SIZE_WORDS = {FREE: "均码"}
CHEST_STEPS = 5  # a jacket's height goes by 5 cm
_JACKETS = re.compile(r"(\d{3})/(\d{2,3})([A-C])-(\d{3})/(\d{2,3})\3")
_NUMBERS = re.compile(r"(\d{2,3})-(\d{2,3})")
MOST = 40
OWN_CODES = "2"  # GS1 keeps 20-29 for numbers that a company gives to what it sells in its own stores


def sizes_of(size_range: str) -> list[str]:
    """Return the sizes of a range in order: 165/84A-190/104A, 38-44, 105-125 (belts go by five), F. None for another form.

    Height and chest of a jacket go up together, in equal steps.
    """
    text = size_range.strip().upper()
    if text in ("F", "均码"):
        return [FREE]
    if hit := _JACKETS.fullmatch(text):
        low, chest, body, high, most = int(hit[1]), int(hit[2]), hit[3], int(hit[4]), int(hit[5])
        count, rest = divmod(high - low, CHEST_STEPS)
        if count < 0 or rest or count >= MOST or (count and (most - chest) % count):
            return []
        step = (most - chest) // count if count else 0
        return [f"{low + CHEST_STEPS * nth}/{chest + step * nth}{body}" for nth in range(count + 1)]
    if hit := _NUMBERS.fullmatch(text):
        low, high = int(hit[1]), int(hit[2])
        by = 5 if low >= 100 else 1
        return [str(size) for size in range(low, high + 1, by)][:MOST]
    return []


def place_of(size: str) -> tuple[int, int, str]:
    """Return what sizes sort by: their numbers, so that 100 stands behind 95 and 9 before 10."""
    numbers = [int(part) for part in re.findall(r"\d+", size)]
    return (numbers[0] if numbers else 0, numbers[1] if len(numbers) > 1 else 0, size)


def barcode_of(number: int) -> str:
    """Return the EAN-13 of our own under which a size is known until a feed tells another."""
    body = f"{OWN_CODES}{number:011d}"
    return body + str(-sum(int(digit) * (3 if nth % 2 else 1) for nth, digit in enumerate(body)) % 10)
