"""Opens what the platform signed and sealed, believing none of it (wecom-api §12.4).

wechatpayv3's `callback` checks no timestamp, asks the network for certificates when the serial is not the known one, and
raises whatever the input brings about. Here every step says no by `Refused`, whatever the bytes are.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ..account import Account

ALGORITHM = "WECHATPAY2-SHA256-RSA2048"
PROBE = "WECHATPAY/SIGNTEST/"  # the platform tries whether we check at all
FRESH_SECONDS = 300
LONGEST_HEADER = 1024
NOTICE_ID = 36


class Refused(Exception):
    """Forged, stale or broken. `reason` is a word for counting; nothing of the input goes with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Signed:
    """The headers of a notice."""

    signature: str
    timestamp: str
    nonce: str
    serial: str
    algorithm: str

    @classmethod
    def read(cls, meta: dict[str, Any]) -> "Signed":
        """Read them as WSGI hands them over. Raises Refused where one is missing or no header of the platform's."""
        names = ("SIGNATURE", "TIMESTAMP", "NONCE", "SERIAL")
        values = [meta.get(f"HTTP_WECHATPAY_{name}", "") for name in names]
        for value in values:
            if not isinstance(value, str) or not 0 < len(value) <= LONGEST_HEADER or not value.isascii():
                raise Refused("headers")
        signature, timestamp, nonce, serial = values
        return cls(signature, timestamp, nonce, serial, meta.get("HTTP_WECHATPAY_SIGNATURE_TYPE", ALGORITHM))


@dataclass(frozen=True)
class Notice:
    """A genuine notice, opened."""

    notice_id: str
    event_type: str
    plain: bytes  # the decrypted resource, valid JSON of an object
    facts: dict[str, Any]


def check_signature(account: Account, signed: Signed, body: bytes, *, now: float) -> None:
    """Raise Refused unless the platform signed these very bytes within the last five minutes. `now`: the machine's clock."""
    if signed.signature.startswith(PROBE):
        raise Refused("probe")
    if signed.algorithm != ALGORITHM:
        raise Refused("algorithm")
    if signed.serial != account.public_key_id:
        raise Refused("serial")
    if not signed.timestamp.isdecimal() or len(signed.timestamp) > 12:
        raise Refused("timestamp")
    if abs(now - int(signed.timestamp)) > FRESH_SECONDS:
        raise Refused("stale")
    try:
        signature = base64.b64decode(signed.signature, validate=True)
    except ValueError:
        raise Refused("base64") from None
    key: Any = load_pem_public_key(account.public_key.encode())
    said = b"%b\n%b\n%b\n" % (signed.timestamp.encode(), signed.nonce.encode(), body)
    try:
        key.verify(signature, said, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise Refused("signature") from None


def open_notice(account: Account, body: bytes) -> Notice:
    """Return what is inside a body whose signature is right. Raises Refused."""
    envelope = _json(body)
    resource = envelope.get("resource")
    if not isinstance(resource, dict):
        raise Refused("envelope")
    notice_id, event_type = envelope.get("id"), envelope.get("event_type")
    if not _is_word(notice_id, NOTICE_ID) or not _is_word(event_type, 32):
        raise Refused("envelope")
    if envelope.get("resource_type") != "encrypt-resource" or resource.get("algorithm") != "AEAD_AES_256_GCM":
        raise Refused("envelope")
    plain = _decrypt(account.api_v3_key.encode(), resource)
    return Notice(str(notice_id), str(event_type), plain, _json(plain))


def _decrypt(key: bytes, resource: dict[str, Any]) -> bytes:
    sealed, nonce, bound = resource.get("ciphertext"), resource.get("nonce"), resource.get("associated_data") or ""
    if not isinstance(sealed, str) or not isinstance(nonce, str) or not isinstance(bound, str):
        raise Refused("envelope")
    if not 8 <= len(nonce.encode(errors="replace")) <= 128:
        raise Refused("nonce")
    try:
        return AESGCM(key).decrypt(nonce.encode(), base64.b64decode(sealed, validate=True), bound.encode())
    except (InvalidTag, ValueError):  # UnicodeEncodeError of a lone surrogate is a ValueError too
        raise Refused("decrypt") from None


def _json(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw.decode())
    except (ValueError, RecursionError):
        raise Refused("json") from None
    if not isinstance(found, dict):
        raise Refused("json")
    return found


def _is_word(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and value.isascii() and value.isprintable()
