"""The platform's side of the envelope, written anew from its documentation (WXBizMsgCrypt, python 3) for these tests.

It shares nothing with the product's code or the stand-in's. `test_official.py` shows that it makes the very bytes the
platform's own packages make.
"""

import base64
import hashlib
import os
import struct
from dataclasses import dataclass
from xml.etree import ElementTree

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TEMPLATE = """<xml><ToUserName><![CDATA[{to}]]></ToUserName>\
<Encrypt><![CDATA[{encrypted}]]></Encrypt>{agent}</xml>"""


@dataclass(frozen=True)
class Posted:
    """One callback on the wire."""

    query: dict[str, str]
    body: str


class WXBizMsgCrypt:
    """`sToken, sEncodingAESKey, sReceiveId` as in the console."""

    def __init__(self, token: str, encoding_aes_key: str, receiver: str) -> None:
        self.token, self.receiver = token, receiver
        self.key = base64.b64decode(encoding_aes_key + "=")
        assert len(self.key) == 32

    def signature(self, timestamp: str, nonce: str, encrypted: str) -> str:
        return hashlib.sha1("".join(sorted([self.token, timestamp, nonce, encrypted])).encode()).hexdigest()

    def encrypt(self, message: str | bytes, *, random: bytes = b"", receiver: str | None = None) -> str:
        message = message.encode() if isinstance(message, str) else message
        return self.encrypt_raw(
            (random or os.urandom(16)) + struct.pack(">I", len(message)) + message
            + (self.receiver if receiver is None else receiver).encode()
        )  # fmt: skip

    def encrypt_raw(self, content: bytes, *, pad: bytes | None = None) -> str:
        """Encrypt what stands between IV and padding; `pad` puts another padding than PKCS#7 of 32 in its place."""
        if pad is None:
            padder = padding.PKCS7(256).padder()
            content = padder.update(content) + padder.finalize()
        else:
            content += pad
        cipher = Cipher(algorithms.AES(self.key), modes.CBC(self.key[:16])).encryptor()
        return base64.b64encode(cipher.update(content) + cipher.finalize()).decode()

    def decrypt(self, encrypted: str) -> tuple[str, str]:
        """Return the message and the receiver."""
        cipher = Cipher(algorithms.AES(self.key), modes.CBC(self.key[:16])).decryptor()
        unpadder = padding.PKCS7(256).unpadder()
        content = cipher.update(base64.b64decode(encrypted)) + cipher.finalize()
        content = unpadder.update(content) + unpadder.finalize()
        (size,) = struct.unpack(">I", content[16:20])
        return content[20 : 20 + size].decode(), content[20 + size :].decode()

    def seal(self, message: str | bytes, *, timestamp: str = "1764000000", nonce: str = "1372623149", agent_id: str = "",
             random: bytes = b"") -> Posted:  # fmt: skip
        """Return a callback as the platform posts it."""
        return self.seal_encrypted(
            self.encrypt(message, random=random), timestamp=timestamp, nonce=nonce, agent_id=agent_id
        )

    def seal_encrypted(self, encrypted: str, *, timestamp: str = "1764000000", nonce: str = "1372623149",
                       agent_id: str = "") -> Posted:  # fmt: skip
        agent = f"<AgentID><![CDATA[{agent_id}]]></AgentID>" if agent_id else ""
        query = {
            "msg_signature": self.signature(timestamp, nonce, encrypted), "timestamp": timestamp, "nonce": nonce,
        }  # fmt: skip
        return Posted(query, TEMPLATE.format(to=self.receiver, encrypted=encrypted, agent=agent))

    def open(self, posted: Posted) -> str:
        """Verify and open a callback, as DecryptMsg does."""
        encrypted = ElementTree.fromstring(posted.body).findtext("Encrypt") or ""
        assert posted.query["msg_signature"] == self.signature(
            posted.query["timestamp"], posted.query["nonce"], encrypted
        )
        message, receiver = self.decrypt(encrypted)
        assert receiver == self.receiver
        return message
