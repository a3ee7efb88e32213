"""Personal data at rest: encrypted columns, a keyed blind index to find a value again, and the masks for screens.

AES-256-GCM with the key's id in front; the table and column are bound in as associated data, so a ciphertext copied to
another column does not open. Equality search goes through `blind_index`, an HMAC-SHA-256 with a key of its own.
"""

import base64
import hashlib
import hmac
import os
import re
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

_NONCE = 12


def _keys() -> dict[str, AESGCM]:
    return _ciphers(tuple(settings.DATA_KEYS))


@cache
def _ciphers(entries: tuple[str, ...]) -> dict[str, AESGCM]:
    keys: dict[str, AESGCM] = {}
    for entry in entries:
        name, _, secret = entry.partition(":")
        raw = base64.b64decode(secret)
        keys[name] = AESGCM(raw if len(raw) == 32 else hashlib.sha256(raw).digest())
    return keys


def newest_key() -> str:
    """Return the id of the key under which is written now."""
    return next(iter(_keys()))


def encrypt(text: str, *, column: str) -> str:
    """Return `keyid$base64(nonce + ciphertext)` under the newest key; `column` is `table.column`."""
    name, cipher = next(iter(_keys().items()))
    nonce = os.urandom(_NONCE)
    sealed = cipher.encrypt(nonce, text.encode(), column.encode())
    return f"{name}${base64.b64encode(nonce + sealed).decode()}"


def decrypt(stored: str, *, column: str) -> str:
    """Open what `encrypt` sealed for the same column. Raises InvalidTag or KeyError when it does not fit."""
    name, _, payload = stored.partition("$")
    raw = base64.b64decode(payload)
    return _keys()[name].decrypt(raw[:_NONCE], raw[_NONCE:], column.encode()).decode()


def blind_index(value: str, *, purpose: str) -> str:
    """Return the look-up value of a normalised text: 32 hex characters, different for each purpose."""
    return _index(settings.INDEX_KEY, value, purpose)


def blind_indexes(value: str, *, purpose: str) -> list[str]:
    """Return the look-up values of a text under the key of now and under former ones: what one finds it by while the index is
    made anew (core/reindexing.py), and by what nobody can make anew."""
    return [_index(key, value, purpose) for key in (settings.INDEX_KEY, *settings.OLD_INDEX_KEYS)]


def _index(key: str, value: str, purpose: str) -> str:
    return hmac.new(key.encode(), f"{purpose}:{value}".encode(), hashlib.sha256).hexdigest()[:32]


class EncryptedField(models.TextField):
    """A text that is stored encrypted and read in the clear; empty stays empty. Not searchable: keep a blind index.

    `index` and `last_four` name the columns beside it that are filled from the same value (`columns`).
    """

    description = "encrypted text"

    def __init__(self, *args: Any, index: str = "", last_four: str = "", **kwargs: Any) -> None:
        self.index, self.last_four = index, last_four
        super().__init__(*args, **kwargs)

    @property
    def _column(self) -> str:
        return f"{self.model._meta.db_table}.{self.column}"

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value, column=self._column) if value else value

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(str(value), column=self._column) if value else value

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name not in ("isnull",):
            raise TypeError(f"{self.name} is encrypted; search its blind index")
        return super().get_lookup(lookup_name)


def columns(model: type[models.Model], name: str, value: str) -> dict[str, str]:
    """Return an encrypted field with the columns beside it, for `create` and `update`; `value` is in its normal form."""
    field = model._meta.get_field(name)
    assert isinstance(field, EncryptedField)
    found = {name: value}
    if field.index:
        found[field.index] = blind_index(value, purpose=name) if value else ""
    if field.last_four:
        found[field.last_four] = value[-4:]
    return found


def normal_phone(text: str) -> str:
    """Return the national number of a mainland phone (`13800132075`), or E.164 for others; empty if it is none."""
    import phonenumbers  # slow to import, and most processes never parse a phone

    try:
        number = phonenumbers.parse(text.strip(), "CN")
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    if number.country_code == 86:
        return str(number.national_number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mask_phone(phone: str) -> str:
    """Return `138****2075`."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 8 else "****" if phone else ""


_MOBILE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")


def is_mobile(text: str) -> bool:
    return _MOBILE.fullmatch(text) is not None


def mask_mobiles(text: str) -> str:
    """Return a text with the mobile numbers in it masked: a card number may hold one, or a remark."""
    return _MOBILE.sub(lambda found: mask_phone(found[0]), text)


_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK = "10X98765432"


def normal_id_number(text: str) -> str:
    """Return the 18 characters of a citizen's number (GB 11643), upper case; empty if the check character is wrong."""
    number = "".join(text.split()).upper()
    if len(number) != 18 or not (number[:17].isascii() and number[:17].isdigit()):
        return ""
    told = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False)) % 11
    return number if _CHECK[told] == number[17] else ""


def mask_name(name: str) -> str:
    """Return `王**`, as HQ lists show people."""
    return name[:1] + "*" * max(1, min(2, len(name) - 1)) if name else ""
