"""The catalogue file becomes style-colours."""

from datetime import date

import pytest

from crm.catalogue.loading import load_catalogue
from crm.catalogue.models import StyleColor
from crm.orders.services.rows import care_keys

pytestmark = pytest.mark.django_db


def test_loading_twice_leaves_one_of_each_and_brings_new_facts() -> None:
    assert load_catalogue() == 122
    StyleColor.objects.filter(sku_code="25FXF101-NV").update(price_fen=1, name="")
    assert load_catalogue() == StyleColor.objects.count() == 122
    style = StyleColor.objects.get(sku_code="25FXF101-NV")
    assert (style.name, style.price_fen, style.launch_on, style.care_key, style.occasions) == (
        "抗皱羊毛修身套西",
        258000,
        date(2025, 8, 8),
        "suit_wool",
        ["商务", "通勤"],
    )


def test_every_care_key_of_the_catalogue_has_care_tips() -> None:
    load_catalogue()
    assert set(StyleColor.objects.values_list("care_key", flat=True)) <= care_keys()
