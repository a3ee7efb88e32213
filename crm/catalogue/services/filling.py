"""What follows from a style-colour by itself: its sizes with their numbers, and the words under which it is found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import transaction

from yejibao.core.finding import kept_words
from yejibao.core.pinyin import initials

from ..models import Sku, StyleColor
from ..sizes import barcode_of, sizes_of

BATCH = 2_000


@transaction.atomic
def fill_styles(sku_codes: Iterable[str] | None = None) -> int:
    """Make missing sizes out of the size range, give each a number, and note the words of these styles (or of all).

    Sizes that a feed named itself stay; a style whose range has another form gets none. Returns how many styles.
    """
    rows = StyleColor.objects.order_by("pk")
    rows = rows if sku_codes is None else rows.filter(sku_code__in=list(sku_codes))
    styles = list(rows)
    for style in styles:
        style.words = kept_words(
            " ".join((style.name, style.color, style.color_family, style.category_l2, style.series))
        )
        style.letters = initials(style.name).replace(" ", "")[:64]
    StyleColor.objects.bulk_update(styles, ["words", "letters"], batch_size=BATCH)
    sized = set(Sku.objects.filter(style__in=styles).values_list("style_id", flat=True))
    wanted = [
        Sku(code=f"{style.sku_code}-{size}"[:40], style=style, size=size[:16])
        for style in styles
        if style.pk not in sized
        for size in sizes_of(style.size_range)
    ]
    Sku.objects.bulk_create(wanted, ignore_conflicts=True, batch_size=BATCH)
    _number(styles)
    return len(styles)


def _number(styles: Sequence[StyleColor]) -> None:
    nameless = list(Sku.objects.filter(style__in=styles, barcode="").order_by("pk"))
    for sku in nameless:
        sku.barcode = barcode_of(sku.pk)
    Sku.objects.bulk_update(nameless, ["barcode"], batch_size=BATCH)
