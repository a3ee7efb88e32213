"""Load style-colours from the catalogue file of the domain."""

import csv
from datetime import date
from pathlib import Path

from crm.catalogue.models import StyleColor

DEMO_FILE = Path(__file__).resolve().parent.parent / "data" / "demo_catalogue.csv"
KEPT = [field.name for field in StyleColor._meta.fields if field.name not in ("id", "sku_code")]


def load_catalogue(path: Path = DEMO_FILE) -> int:
    """Insert or update every style-colour of a catalogue file with one statement; return how many it holds."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        styles = [
            StyleColor(
                sku_code=row["sku_code"],
                style_no=row["style_no"],
                name=row["name"],
                category_l1=row["category_l1"],
                category_l2=row["category_l2"],
                color=row["color"],
                color_family=row["color_family"],
                size_range=row["size_range"],
                season=row["season"],
                wave=row["wave"],
                launch_on=date.fromisoformat(row["launch_date"]) if row["launch_date"] else None,
                price_fen=int(row["price_fen"]),
                care_key=row["care_key"],
                occasions=[word for word in row["occasion"].split(";") if word],
                outfit_role=row["outfit_role"],
            )
            for row in csv.DictReader(file)
        ]
    StyleColor.objects.bulk_create(
        styles, update_conflicts=True, unique_fields=["sku_code"], update_fields=KEPT, batch_size=2000
    )
    return len(styles)
