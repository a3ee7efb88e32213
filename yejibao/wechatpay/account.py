"""Who we are to WeChat Pay: merchant, app, our key, the platform's key. Never printed: `repr` leaves the secrets out."""

import fcntl
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

MERCHANT, PLATFORM = "merchant.pem", "platform.pem"


@dataclass(frozen=True)
class Account:
    """One merchant at WeChat Pay, in public-key mode."""

    mchid: str
    appid: str
    serial_no: str  # of our certificate
    public_key_id: str  # PUB_KEY_ID_…, of the platform's key
    notify_url: str
    private_key: str = field(repr=False)  # PEM
    public_key: str = field(repr=False)  # PEM, the platform's
    api_v3_key: str = field(repr=False)

    @staticmethod
    def is_digest(told: Mapping[str, Any], content: bytes) -> bool:
        """Tell whether a bill has the digest it was announced with; the download itself is not signed."""
        if str(told.get("hash_type", "")).upper() != "SHA1":
            return False
        return hashlib.sha1(content, usedforsecurity=False).hexdigest() == str(told.get("hash_value", "")).lower()


def is_on() -> bool:
    """Tell whether this brand takes WeChat Pay at all."""
    return bool(settings.WECHATPAY_MCHID)


def notify_url(mchid: str) -> str:
    """Return where the platform is to call us: https, and no query."""
    return f"{settings.PUBLIC_BASE_URL}/callbacks/wechatpay/{mchid}/"


def configured() -> Account:
    """Return the merchant of the settings; outside production with keys of this machine's own, made when first asked for."""
    private, public = settings.WECHATPAY_PRIVATE_KEY, settings.WECHATPAY_PUBLIC_KEY
    if settings.WECHATPAY_PRIVATE_KEY_FILE:
        private = _read(settings.WECHATPAY_PRIVATE_KEY_FILE)
    if settings.WECHATPAY_PUBLIC_KEY_FILE:
        public = _read(settings.WECHATPAY_PUBLIC_KEY_FILE)
    if not settings.PRODUCTION and not private:
        private = own_key(MERCHANT)
    if not settings.PRODUCTION and not public:
        public = public_half(own_key(PLATFORM))
    return Account(
        mchid=settings.WECHATPAY_MCHID, appid=settings.WECHATPAY_APPID, serial_no=settings.WECHATPAY_SERIAL_NO,
        public_key_id=settings.WECHATPAY_PUBLIC_KEY_ID, notify_url=notify_url(settings.WECHATPAY_MCHID), private_key=private,
        public_key=public, api_v3_key=settings.WECHATPAY_API_V3_KEY,
    )  # fmt: skip


@cache
def _read(path: str) -> str:
    return Path(path).read_text()


@cache
def own_key(name: str) -> str:
    """Return a private key of this machine for the stand-in, PEM; made once, whoever asks first. Never in production."""
    if settings.PRODUCTION:
        raise RuntimeError("the stand-in's keys are not for production")
    folder = Path(settings.WECHATPAY_KEYS_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two processes start at once, and must agree
        path = folder / name
        if not path.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            scratch = path.with_suffix(".new")
            scratch.touch(mode=0o600)
            scratch.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
            os.replace(scratch, path)
        return path.read_text()


def public_half(private: str) -> str:
    """Return the public key of a private one, PEM."""
    key = serialization.load_pem_private_key(private.encode(), None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
