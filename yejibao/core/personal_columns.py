"""The catalogue of personal columns (data/pii_catalogue.yaml), and which columns look as if they belonged in it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import models

from yejibao.core.domain_files import read_yaml

from .personal import EncryptedField

FILE = Path(__file__).parent / "data" / "pii_catalogue.yaml"
OURS = ("core", "wecom", "wechatpay", "intake", "guides", "crm", "tasks", "livestream", "demo", "cockpit")
# Names under which something of a person stands: who he is, how he is reached, where he was, what was said of him.
LOOKS = re.compile(
    r"phone|mobile|address|birth|gender|salutation|openid|unionid|external_?user|id_number|user_?ids?$|recipient|member_no|"
    r"(^|_)(ip|agent|device|name|password|remark|note|reason|text|said|answer|wish|description|payload|context|facts|body|body_bytes|"
    r"content|cells|before|after|values|params|opened_by|title|session_data|lat|lon|lng|location|photo|picture|value|old|new|"
    r"found|subject|details|plan|target|errmsg|error|last_error|place|file_name|secret|"
    r"words|why|summary|problem|result|topic|comment|flaws|measures|reply|reasons|question|answers|marks|shared|waits_for|reference)$"
)
TEXTS = (models.CharField, models.TextField, models.JSONField, models.BinaryField, models.GenericIPAddressField)


@cache
def catalogue() -> dict[str, Any]:
    """Return the file as it stands."""
    book: dict[str, Any] = read_yaml(FILE)
    return book


def columns() -> dict[str, models.Field]:
    """Return every column of our own models, as `crm.Member.phone`."""
    return {
        f"{model._meta.label}.{field.name}": field
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for field in model._meta.concrete_fields
    }


def looks_personal(field: models.Field) -> bool:
    """Tell whether a column has to be in the catalogue, or be named there as not personal."""
    if isinstance(field, EncryptedField):
        return True
    if "birth" in field.name or "phone" in field.name:
        return True
    if field.choices or isinstance(field, models.ForeignKey):
        return False
    is_text = isinstance(field, TEXTS) or type(field).__name__ == "ArrayField"
    return is_text and bool(LOOKS.search(field.name))
