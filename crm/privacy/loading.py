"""The consent texts of the domain file become versions in the database."""

from datetime import datetime
from pathlib import Path

import crm
from yejibao.core.domain_files import read_yaml
from yejibao.core.errors import Invalid

from .models import ConsentText

FILE = Path(crm.__file__).parent / "data" / "consent_texts.yaml"


def load_texts(*, now: datetime) -> int:
    """Publish the versions that are not there yet; return how many. Raises Invalid for a published one that was reworded."""
    fresh = 0
    for row in read_yaml(FILE)["texts"]:
        held, is_new = ConsentText.objects.get_or_create(
            kind=row["kind"], version=row["version"],
            defaults={"title": row["title"], "text": row["text"], "published_at": now},
        )  # fmt: skip
        if not is_new and (held.title, held.text) != (row["title"], row["text"]):
            raise Invalid(f"{held} 已经发布过，改了字就要加一个版本号（consent_texts.yaml）。")
        fresh += is_new
    return fresh
