"""Finding goods: by the number on a label, by name, by first letters, by what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from yejibao.core import finding
from yejibao.core.scope import Actor

from ..models import ProductTag, Sku, StyleColor, StyleTag

# Tags of product_tags.yaml whose value is a column of the style-colour. `occasions` holds several.
COLUMNS = {
    key: key
    for key in (
        "fabric_main", "color_family", "color", "pattern", "fit", "collar", "style_tag", "year", "season", "wave", "series",
        "category_l1", "category_l2", "price_band", "outfit_role", "care_key", "sale_position",
    )
} | {"occasion": "occasions", "launch_date": "launch_on", "size_run": "size_range"}  # fmt: skip
_CODE = re.compile(r"[0-9A-Z][0-9A-Z./-]*")
_LETTERS = re.compile(r"[a-z]+")
BARCODE_LEAST = 8
SHORT = 2  # letters that make no word of three


@dataclass(frozen=True)
class Filters:
    """What goods are narrowed by: columns or tags by their key in product_tags.yaml."""

    values: Mapping[str, str] = field(default_factory=dict)

    def narrow(self, rows: QuerySet[StyleColor]) -> QuerySet[StyleColor]:
        """Return the rows that carry all the values; a key nobody knows narrows to none."""
        for key, value in self.values.items():
            if not value:
                continue
            column = COLUMNS.get(key)
            if column == "occasions":
                rows = rows.filter(occasions__contains=[value])
            elif column == "year":
                rows = rows.filter(year=int(value)) if value.isdigit() and len(value) == 4 else rows.none()
            elif column == "launch_on":
                rows = rows.none()
            elif column:
                rows = rows.filter(**{column: value})
            else:
                carrying = StyleTag.objects.filter(tag__key=key, value=value)
                rows = rows.filter(pk__in=carrying.values("style_id"))
        return rows


def find_goods(query: str, actor: Actor, *, filters: Filters | None = None) -> QuerySet[StyleColor]:
    """Return the style-colours somebody looks for, the newest first; all of them for an empty query.

    A number on a label (barcode, sku code, style number or its beginning), a name or part of one, first letters of a name.
    Goods are the brand's: who may look up stock may see each of them; it is the page that asks for that right.
    """
    rows = (filters or Filters()).narrow(StyleColor.objects.order_by("-pk"))
    typed = query.strip()
    if not typed:
        return rows
    code = typed.upper().replace(" ", "")
    if _CODE.fullmatch(code) and any(one.isdigit() for one in code):
        return rows.filter(_by_code(code))
    if _LETTERS.fullmatch(typed.lower()) and len(typed) <= SHORT:
        wanted = {"letters__contains": typed.lower()} if len(typed) == SHORT else {"letters__startswith": typed.lower()}
        return rows.filter(**wanted)  # 套西 is tx wherever it stands in the name
    found = finding.sharing((filters or Filters()).narrow(StyleColor.objects.all()), finding.words_of(typed))
    return found if finding.words_of(typed) else rows.none()


def _by_code(code: str) -> Q:
    """Return the condition for what is on a label; a scanner may bring the whole code of a size."""
    found = Q(sku_code__startswith=code) | Q(style_no__startswith=code)
    sizes = Sku.objects.filter(Q(code=code) | Q(barcode=code) if len(code) >= BARCODE_LEAST else Q(code=code))
    return found | Q(pk__in=sizes.values("style_id"))


def sku_of(code: str) -> Sku | None:
    """Return the size a scanner read: its barcode, or its code as the till has it."""
    typed = code.strip().upper()
    if not typed or len(typed) > 40:
        return None
    by_barcode = Q(barcode=typed) if len(typed) >= BARCODE_LEAST else Q(pk__in=())
    return Sku.objects.filter(Q(code=typed) | by_barcode).select_related("style").order_by("pk").first()


def goods_of(style_no: str) -> list[StyleColor]:
    """Return the colours of a style."""
    return list(StyleColor.objects.filter(style_no=style_no).order_by("pk"))


def tags_of(style: StyleColor) -> list[tuple[ProductTag, list[str]]]:
    """Return the tags a style-colour carries, in the order of the file, each with its values. Two statements."""
    rows: dict[int, list[str]] = {}
    for tag_id, value in StyleTag.objects.filter(style=style).order_by("pk").values_list("tag_id", "value"):
        rows.setdefault(tag_id, []).append(value)
    found = []
    for tag in ProductTag.objects.order_by("place"):
        values = _column(style, tag.key) if tag.key in COLUMNS else rows.get(tag.pk, [])
        if values:
            found.append((tag, values))
    return found


def _column(style: StyleColor, key: str) -> list[str]:
    value = getattr(style, COLUMNS[key])
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []
