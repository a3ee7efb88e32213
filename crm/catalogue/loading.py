"""Load style-colours and product tags from the files of the domain."""

import csv
from datetime import date
from pathlib import Path
from typing import Any

from crm.catalogue.models import ProductTag, StyleColor
from crm.catalogue.services import fill_styles
from yejibao.core.domain_files import read_yaml

DATA = Path(__file__).resolve().parent.parent / "data"
DEMO_FILE, TAG_FILE = DATA / "demo_catalogue.csv", DATA / "product_tags.yaml"
# What HQ writes, and what is made here or in the database, is not the file's.
NOT_OF_FILE = ("id", "sku_code", "price_band", "price_since", "story", "selling_points", "words", "letters")
KEPT = [field.name for field in StyleColor._meta.fields if field.name not in NOT_OF_FILE]
SAME = (
    "style_no", "name", "category_l1", "category_l2", "color_code", "color", "color_family", "size_range", "season", "wave", "series",
    "fabric_main", "fabric_detail", "fit", "style_tag", "pattern", "collar", "care_key", "outfit_role", "sale_position",
)  # fmt: skip


def load_catalogue(path: Path = DEMO_FILE) -> int:
    """Insert or update every style-colour of a catalogue file, with its sizes and words; return how many it holds."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        styles = [_style(row) for row in csv.DictReader(file)]
    StyleColor.objects.bulk_create(
        styles, update_conflicts=True, unique_fields=["sku_code"], update_fields=KEPT, batch_size=2000
    )
    fill_styles([style.sku_code for style in styles])
    return len(styles)


def _style(row: dict[str, str]) -> StyleColor:
    return StyleColor(
        sku_code=row["sku_code"],
        year=int(row["year"]) if row["year"] else None,
        launch_on=date.fromisoformat(row["launch_date"]) if row["launch_date"] else None,
        price_fen=int(row["price_fen"]),
        occasions=[word for word in row["occasion"].split(";") if word],
        **{name: row[name] for name in SAME},
    )


def load_product_tags(path: Path = TAG_FILE) -> int:
    """Insert or update the tags of product_tags.yaml; one that is gone from the file stays with its values. Returns how many."""
    book: dict[str, Any] = read_yaml(path)
    groups = {group["key"]: {sub["key"] for sub in group["subgroups"]} for group in book["groups"]}
    tags = []
    for place, row in enumerate(book["tags"]):
        if row["subgroup"] not in groups.get(row["group"], ()):
            raise ValueError(f"{row['key']}: no subgroup {row['subgroup']} in {row['group']}")
        tags.append(
            ProductTag(
                key=row["key"], name=row["name"], group=row["group"], subgroup=row["subgroup"], kind=row["type"],
                value_type=row["value_type"], source=row["source"], rule=row.get("rule", ""), place=place,
                values=[str(value) for value in row.get("values", [])],
            )
        )  # fmt: skip
    ProductTag.objects.bulk_create(
        tags,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=["name", "group", "subgroup", "kind", "value_type", "source", "rule", "values", "place"],
    )
    return len(tags)
