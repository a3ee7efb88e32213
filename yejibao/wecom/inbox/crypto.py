"""Opens what the platform encrypted, believing none of it (wecom-api §3.1, reliability-security §7).

wechatpy's `_decrypt` trusts the padding byte and the length field and compares signatures with `!=`; a receiver on top of
it answers 500 to hostile input. Here every step says no by `Refused`, whatever the bytes are.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 32  # of the padding; the cipher's own is 16
RANDOM_BYTES, LENGTH_BYTES, SHORTEST_TEXT = 16, 4, 4


class Refused(Exception):
    """Forged or broken. `reason` is a word for counting; nothing of the input goes with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Keys:
    """What one app's receiver was configured with in the console."""

    token: str = field(repr=False)
    aes_key: bytes = field(repr=False)
    receiver: str  # the corp's id

    @classmethod
    def parse(cls, token: str, encoding_aes_key: str, receiver: str) -> "Keys":
        """Build from the console's Token and EncodingAESKey (43 characters). Raises ValueError."""
        raw = base64.b64decode(encoding_aes_key + "=", validate=True)
        if len(raw) != 32 or not token:
            raise ValueError("a callback needs a token and an EncodingAESKey of 43 characters")
        return cls(token, raw, receiver)


def signature(token: str, timestamp: str, nonce: str, encrypted: str) -> str:
    """Return the platform's signature: SHA-1 over the four texts in sorted order."""
    text = "".join(sorted((token, timestamp, nonce, encrypted)))
    return hashlib.sha1(text.encode(errors="replace"), usedforsecurity=False).hexdigest()


def check_signature(keys: Keys, given: str, timestamp: str, nonce: str, encrypted: str) -> None:
    """Raise Refused unless the signature is right."""
    expected = signature(keys.token, timestamp, nonce, encrypted)
    if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        raise Refused("signature")


def decrypt(keys: Keys, encrypted: str) -> bytes:
    """Return the message inside, valid UTF-8. Raises Refused."""
    try:
        sealed = base64.b64decode(encrypted, validate=True)
    except ValueError:  # also characters beyond ASCII
        raise Refused("base64") from None
    if not sealed or len(sealed) % 16:
        raise Refused("length")
    opener = Cipher(algorithms.AES(keys.aes_key), modes.CBC(keys.aes_key[:16])).decryptor()
    padded = opener.update(sealed) + opener.finalize()
    pad = padded[-1]
    if not 1 <= pad <= BLOCK or pad > len(padded) or padded[-pad:] != bytes([pad]) * pad:
        raise Refused("padding")
    content = padded[RANDOM_BYTES:-pad]
    if len(content) < LENGTH_BYTES:
        raise Refused("short")
    size, rest = int.from_bytes(content[:LENGTH_BYTES], "big"), content[LENGTH_BYTES:]
    if not SHORTEST_TEXT <= size <= len(rest):
        raise Refused("size")
    message, receiver = rest[:size], rest[size:]
    if not hmac.compare_digest(receiver, keys.receiver.encode()):
        raise Refused("receiver")
    try:
        message.decode()
    except UnicodeDecodeError:
        raise Refused("utf8") from None
    return message


def encrypt(keys: Keys, message: str) -> str:
    """Seal a message as the platform does: what a receiver's check gets from the console, and a passive reply."""
    text = message.encode()
    plain = os.urandom(RANDOM_BYTES) + len(text).to_bytes(LENGTH_BYTES, "big") + text + keys.receiver.encode()
    pad = BLOCK - len(plain) % BLOCK
    sealer = Cipher(algorithms.AES(keys.aes_key), modes.CBC(keys.aes_key[:16])).encryptor()
    return base64.b64encode(sealer.update(plain + bytes([pad]) * pad) + sealer.finalize()).decode()
