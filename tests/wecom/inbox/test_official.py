"""The same bytes as the platform's own packages, for every kind of event and in both directions.

`official.json` was made by them: for each sample the SHA-256 of its ciphertext and its signature, with fixed random bytes,
by `WXBizMsgCrypt3.py` of Tencent's Python package (PyPI weworkapi 0.1.7) and `@wecom/crypto` 1.0.1 from npm, which agreed
on every one and opened each other's. What makes the same bytes is opened by them; what they make are these bytes.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from yejibao.wecom.inbox.crypto import Keys, check_signature, decrypt
from yejibao.wecom.inbox.xml import read_envelope
from yejibao.wecom.sandbox.callbacks import Receiver, element

from .conftest import AES_KEY, TOKEN
from .official import Posted, WXBizMsgCrypt
from .samples import CORP, KINDS, sample

RANDOM, TIMESTAMP, NONCE = b"4607829153460782", "1764000000", "1372623149"
MADE: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("official.json").read_text())
KEYS = Keys.parse(TOKEN, AES_KEY, CORP)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_every_kind_was_made_by_the_packages() -> None:
    assert set(MADE) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_product_opens_what_the_packages_seal(kind: str, platform: WXBizMsgCrypt) -> None:
    posted = platform.seal(sample(kind), timestamp=TIMESTAMP, nonce=NONCE, random=RANDOM)
    encrypted = read_envelope(posted.body.encode())
    assert {"sha256": sha(encrypted), "signature": posted.query["msg_signature"]} == MADE[kind]
    check_signature(KEYS, posted.query["msg_signature"], TIMESTAMP, NONCE, encrypted)
    assert decrypt(KEYS, encrypted).decode() == sample(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_packages_open_what_the_stand_in_seals(kind: str, platform: WXBizMsgCrypt) -> None:
    receiver = Receiver("yejibao", "http://127.0.0.1/", TOKEN, AES_KEY)
    query, body = receiver.seal(CORP, sample(kind), TIMESTAMP, random=RANDOM, nonce=NONCE)
    assert {"sha256": sha(read_envelope(body.encode())), "signature": query["msg_signature"]} == MADE[kind]
    assert platform.open(Posted(query, body)) == sample(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_stand_in_writes_what_the_platform_writes(kind: str) -> None:
    fields, sender, has_agent = KINDS[kind]
    envelope: dict[str, Any] = {
        "ToUserName": CORP, "FromUserName": sender, "CreateTime": 1_764_000_000, "MsgType": "event",
    }  # fmt: skip
    agent = {"AgentID": 1000002} if has_agent else {}
    assert element("xml", envelope | fields | agent) == sample(kind)
